"""Reads files that inventories consist of, and remembers which, so that a change of any is noticed."""

from __future__ import annotations

from pathlib import Path

from opsrunner.config.folder import Signature, signature_at
from opsrunner.config.inventories.found import Findings, Place
from opsrunner.config.permissions import problem_of_mode
from opsrunner.config.yaml12 import decode, read_bytes
from opsrunner.config.yaml_scalars import BadYaml


class Files:
    """Looks at files and folders by the paths that people gave, relative to the site."""

    def __init__(self, root: Path, findings: Findings) -> None:
        self._root = root
        self.findings = findings
        self.watched: dict[Path, Signature] = {}
        """All that was looked at or for, also where nothing was there, as it was just before."""

    def path(self, name: str) -> Path:
        """Return where a file lies; from now on it is watched."""
        path = self._root / name
        self.watched.setdefault(path, signature_at(path))
        return path

    def text(self, name: str) -> str | None:
        """Return what a file holds; what is wrong with it goes to the findings."""
        path = self.path(name)
        try:
            text = decode(read_bytes(path))
        except BadYaml as exc:
            self.note(exc, name)
            return None
        unsafe = problem_of_mode(path.stat().st_mode, file=name, path=path)
        if unsafe is not None:
            self.findings.add(Place(file=name), unsafe.message, unsafe.hint)
            return None
        return text

    def note(self, exc: BadYaml, name: str) -> None:
        """Note why a file cannot be read."""
        self.findings.add(Place(file=name, line=exc.line, column=exc.column), str(exc), exc.hint)

    def list(self, name: str) -> list[str]:
        """Return the names in a folder, sorted; none where there is no such folder."""
        try:
            return sorted(inside.name for inside in self.path(name).iterdir())
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as exc:
            self.findings.add(Place(file=name), f"cannot be listed ({exc.strerror or type(exc).__name__})")
            return []
