"""References to secrets, and the vault that resolves and masks them.

A secret stands in YAML only as a reference: ``{env: NAME}``, ``{file: path}`` or
``{command: [argv, …]}``. The value is read when a step needs it and is masked in whatever leaves.
"""

from __future__ import annotations

import base64
import json
import os
import re
import shlex
import stat
import threading
from collections.abc import Iterator
from html import escape
from pathlib import Path
from urllib.parse import quote, quote_plus

from opsrunner.children import STARTING
from opsrunner.errors import SecretUnavailable
from opsrunner.records import dataclass

MASK = "••••"
_GO_JSON = {ord(sign): f"\\u{ord(sign):04x}" for sign in "<>&\u2028\u2029"}
"""What Go's encoding/json writes by its number."""
_PERCENT = re.compile(r"%[0-9A-F]{2}")
_URL_SAFE = str.maketrans("+/", "-_")
_SHELL_SIGNS = re.compile(r"[^\w@%+=:,./\n-]")
COMMAND_SECONDS = 20
SHORTEST_MASKED = 4
"""Values shorter than this are not masked: masking `1` would garble every page and hide nothing."""
SHORTEST_BASE64 = 8


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
        self._pattern: re.Pattern[str] | None = None
        self._lock = threading.Lock()

    def resolve(self, reference: SecretRef) -> str:
        """Return the secret's value, without the newline that files end with.

        Raises SecretUnavailable, whose message names the reference and never the value.
        """
        value = self._read(reference)
        self.remember(value)
        return value

    def remember(self, value: str) -> None:
        """Mask `value` from now on, each line of it that is long enough, and how programs write them."""
        parts = [part for part in {value, *value.splitlines()} if len(part) >= SHORTEST_MASKED]
        forms = {form for part in parts for form in _written_forms(part)}
        if len(parts) == 1:  # what has many lines is a key or a certificate, and stands in no header
            forms |= set(_in_base64(parts[0]))
        with self._lock:
            if not forms <= self._known:
                self._known |= forms
                self._pattern = re.compile("|".join(map(re.escape, self._longest_first())))

    def known(self) -> list[str]:
        """Return the values to mask, longest first."""
        with self._lock:
            return self._longest_first()

    @property
    def is_empty(self) -> bool:
        """Tell whether no secret is known yet."""
        return self._pattern is None

    def mask(self, text: str) -> str:
        """Return `text` with every known value replaced."""
        return text if self._pattern is None else self._pattern.sub(MASK, text)

    def stream(self) -> MaskedStream:
        """Return a mask for one stream of bytes that comes in pieces."""
        return MaskedStream(self)

    def _longest_first(self) -> list[str]:
        return sorted(self._known, key=len, reverse=True)

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
            if not stat.S_ISREG(mode):
                raise SecretUnavailable(f"secret {{file: {name}}}: is not a plain file")
            if mode & (stat.S_IRWXG | stat.S_IRWXO):
                raise SecretUnavailable(
                    f"secret {{file: {name}}}: others may read it (mode {stat.S_IMODE(mode):04o}); "
                    f"run: chmod 600 {path}"
                )
            value = path.read_text(encoding="utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as exc:
            reason = getattr(exc, "strerror", None) or "not UTF-8 text"
            reason = f"there is no file {path}" if isinstance(exc, FileNotFoundError) else reason
            raise SecretUnavailable(f"secret {{file: {name}}}: {reason}") from exc
        if not value:
            raise SecretUnavailable(f"secret {{file: {name}}}: the file {path} is empty")
        return value

    def _from_command(self, argv: tuple[str, ...]) -> str:
        from subprocess import SubprocessError  # noqa: PLC0415 - most sites name no command

        try:
            exit_code, said = self._run(argv)
        except (OSError, ValueError, SubprocessError) as exc:
            raise SecretUnavailable(f"secret from {argv[0]}: {type(exc).__name__}") from exc
        if exit_code != 0:
            raise SecretUnavailable(f"secret from {argv[0]}: exit code {exit_code}")
        value = said.rstrip("\r\n")
        if not value:
            raise SecretUnavailable(f"secret from {argv[0]}: it printed nothing")
        return value

    def _run(self, argv: tuple[str, ...]) -> tuple[int, str]:
        """Run a command; return its exit code and what it printed. What it leaves in the background lives on."""
        from subprocess import DEVNULL, PIPE, Popen  # noqa: PLC0415 - as above

        with STARTING:  # a step that starts in this moment would give it the mark by which its processes are ended
            process = Popen(
                argv,
                cwd=self._root,
                stdin=DEVNULL,
                stdout=PIPE,
                stderr=PIPE,
                text=True,
            )
        with process:
            try:
                said, _ = process.communicate(timeout=COMMAND_SECONDS)
            except BaseException:
                process.kill()
                raise
        return process.returncode, said


class MaskedStream:
    """Masks a stream as it comes, also where a secret is cut in two by the pieces. Not for several threads."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._known: list[bytes] = []
        self._pattern: re.Pattern[bytes] | None = None
        self._held = b""

    def feed(self, data: bytes) -> bytes:
        """Take the next piece; return what is sure by now. What may begin a secret is held back."""
        return self._masked(data, is_last=False)

    def finish(self) -> bytes:
        """Return what was held back; the stream has ended."""
        return self._masked(b"", is_last=True)

    def _masked(self, data: bytes, *, is_last: bool) -> bytes:
        data = self._held + data
        self._learn()
        unsure_from = len(data) if is_last else self._unsure_from(data)
        pieces: list[bytes] = []
        position = 0
        for match in self._pattern.finditer(data) if self._pattern else ():
            if match.start() >= unsure_from:
                break
            pieces += [data[position : match.start()], MASK.encode()]
            position = match.end()
        end = max(position, unsure_from)
        self._held = data[end:]
        return b"".join([*pieces, data[position:end]])

    def _learn(self) -> None:
        known = [value.encode(errors="surrogateescape") for value in self._vault.known()]
        if known != self._known:
            self._known = known
            self._pattern = re.compile(b"|".join(re.escape(value) for value in known))

    def _unsure_from(self, data: bytes) -> int:
        """Return where an end begins that may be the beginning of a secret."""
        longest = 0
        for value in self._known:
            for length in range(min(len(value) - 1, len(data)), longest, -1):
                if data.endswith(value[:length]):
                    longest = length
                    break
        return len(data) - longest


def _written_forms(value: str) -> set[str]:
    """Return `value` as it is and as JSON, Python, CSV, HTML, URLs, forms and shells write it."""
    plain_json, ascii_json = (json.dumps(value, ensure_ascii=is_ascii)[1:-1] for is_ascii in (False, True))
    in_json = (plain_json, ascii_json, ascii_json.replace("/", "\\/"), plain_json.translate(_GO_JSON))
    in_url = [quote(value, safe=safe, errors="surrogateescape") for safe in ("", "/")]
    in_url += [quote_plus(value, errors="surrogateescape"), *(_lowered(url) for url in in_url)]
    in_shell = (shlex.quote(value).strip("'"), value.replace("'", "'\\''"), _SHELL_SIGNS.sub(r"\\\g<0>", value))
    in_csv, in_html = value.replace('"', '""'), escape(value)
    forms = {value, *in_json, repr(value)[1:-1], in_csv, in_html, *in_url, *in_shell}
    return {form for form in forms if len(form) >= SHORTEST_MASKED}


def _lowered(url: str) -> str:
    return _PERCENT.sub(lambda found: found[0].lower(), url)


def _in_base64(value: str) -> Iterator[str]:
    """Yield what stays the same of a value in base64 whatever stands around it: `user:value`, as HTTP signs in.

    Three bytes become four letters, so there are three ways in which it can lie; those at its ends that
    also hold bits of what is beside it are left away. What is too short to be told from words is not looked for.
    """
    data = value.encode(errors="surrogateescape")
    for before in range(3):
        letters = base64.b64encode(bytes(before) + data).decode()
        inner = letters[(0, 2, 3)[before] : (before + len(data)) * 8 // 6]
        if len(inner) >= SHORTEST_BASE64:
            yield inner
            yield inner.translate(_URL_SAFE)
