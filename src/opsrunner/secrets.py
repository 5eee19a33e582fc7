"""References to secrets, and the vault that resolves and masks them.

A secret stands in YAML only as a reference: ``{env: NAME}``, ``{file: path}`` or
``{command: [argv, …]}``. The value is read when a step needs it and is masked in whatever leaves.
"""

from __future__ import annotations

import os
import stat
import subprocess
import threading
from dataclasses import dataclass
from pathlib import Path

from opsrunner.errors import SecretUnavailable

MASK = "••••"
COMMAND_SECONDS = 20
SHORTEST_MASKED = 4
"""Values shorter than this are not masked: masking `1` would garble every page and hide nothing."""


@dataclass(frozen=True, kw_only=True)
class SecretRef:
    """Where a secret lies; exactly one of the three is set."""

    env: str | None = None
    file: str | None = None
    command: tuple[str, ...] | None = None

    def __str__(self) -> str:
        if self.env is not None:
            return f"{{env: {self.env}}}"
        if self.file is not None:
            return f"{{file: {self.file}}}"
        return f"{{command: {(self.command or ('?',))[0]} …}}"


class Vault:
    """Resolves references relative to the site's folder and remembers what to mask."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._known: set[str] = set()
        self._lock = threading.Lock()

    def resolve(self, reference: SecretRef) -> str:
        """Return the secret's value, without the newline that files end with.

        Raises SecretUnavailable, whose message names the reference and never the value.
        """
        value = self._read(reference)
        self.remember(value)
        return value

    def remember(self, value: str) -> None:
        """Mask `value` from now on, and each line of it that is long enough."""
        parts = {value, *value.splitlines()}
        with self._lock:
            self._known |= {part for part in parts if len(part) >= SHORTEST_MASKED}

    def known(self) -> list[str]:
        """Return the values to mask, longest first."""
        with self._lock:
            return sorted(self._known, key=len, reverse=True)

    def mask(self, text: str) -> str:
        """Return `text` with every known value replaced."""
        for value in self.known():
            text = text.replace(value, MASK)
        return text

    def _read(self, reference: SecretRef) -> str:
        if reference.env is not None:
            return self._from_environment(reference.env)
        if reference.file is not None:
            return self._from_file(reference.file)
        return self._from_command(reference.command or ())

    def _from_environment(self, name: str) -> str:
        value = os.environ.get(name)
        if not value:
            raise SecretUnavailable(f"secret {{env: {name}}}: the variable {name} is not set")
        return value

    def _from_file(self, name: str) -> str:
        path = self._root / name
        try:
            mode = path.stat().st_mode
            if mode & (stat.S_IRWXG | stat.S_IRWXO):
                raise SecretUnavailable(
                    f"secret {{file: {name}}}: others may read it (mode {stat.S_IMODE(mode):04o}); "
                    f"run: chmod 600 {path}"
                )
            return path.read_text(encoding="utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as exc:
            reason = getattr(exc, "strerror", None) or "not UTF-8 text"
            raise SecretUnavailable(f"secret {{file: {name}}}: {reason}") from exc

    def _from_command(self, argv: tuple[str, ...]) -> str:
        try:
            answer = subprocess.run(
                argv,
                cwd=self._root,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=COMMAND_SECONDS,
                check=False,
            )
        except (OSError, ValueError, subprocess.SubprocessError) as exc:
            raise SecretUnavailable(f"secret from {argv[0]}: {type(exc).__name__}") from exc
        if answer.returncode != 0:
            raise SecretUnavailable(f"secret from {argv[0]}: exit code {answer.returncode}")
        return answer.stdout.rstrip("\r\n")
