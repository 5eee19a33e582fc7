"""The checklists that routines can use: the site's own, then the packaged ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from opsrunner.config.checklist import Checklist, read_checklist
from opsrunner.config.folder import Folder, Signature
from opsrunner.config.permissions import problem_of_mode
from opsrunner.config.yaml12 import BadYaml, decode, read_bytes
from opsrunner.model.site import Problem

ENDINGS = (".yaml", ".md")


class Shelf(Mapping[str, Checklist]):
    """Checklists by name. A packaged one is read when a routine asks for it, and not before."""

    def __init__(self, root: Path, *, packaged: Path) -> None:
        self._root = root
        self._packaged = packaged
        self._read: dict[str, tuple[Signature, Checklist]] = {}
        self._read_packaged: dict[str, Checklist] = {}
        self.own: dict[str, Checklist] = {}

    def refresh(self, seen: Folder) -> None:
        """Read the site's lists that have changed."""
        files = seen.of("checklists", *ENDINGS)
        self._read = {file: self._one(file, seen.files[file]) for file in files}
        self.own = {}
        for _, checklist in self._read.values():
            self.own[checklist.id] = _second(checklist) if checklist.id in self.own else checklist

    def __getitem__(self, name: str) -> Checklist:
        if name in self.own:
            return self.own[name]
        if name not in self._read_packaged:
            self._read_packaged[name] = self._from_library(name)
        return self._read_packaged[name]

    def __iter__(self) -> Iterator[str]:
        packaged = (path.stem for path in self._packaged.glob("*") if path.suffix in ENDINGS)
        return iter(sorted({*self.own, *packaged}))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def _one(self, file: str, signature: Signature) -> tuple[Signature, Checklist]:
        known = self._read.get(file)
        if known is not None and known[0] == signature:
            return known
        checklist = read_list(self._root / file, file=file)
        unsafe = problem_of_mode(signature[0], file=file, path=self._root / file)
        return signature, replace(checklist, problems=(unsafe, *checklist.problems)) if unsafe else checklist

    def _from_library(self, name: str) -> Checklist:
        for ending in ENDINGS:
            path = self._packaged / f"{name}{ending}"
            if "/" not in name and path.is_file():
                return read_list(path, file=f"checklists/{path.name}")
        raise KeyError(name)


def _second(checklist: Checklist) -> Checklist:
    message = f"there are two checklists '{checklist.id}', in YAML and in Markdown"
    problem = Problem(file=checklist.file, line=1, column=1, path="", message=message, hint="keep one")
    return replace(checklist, problems=(problem, *checklist.problems))


def read_list(path: Path, *, file: str) -> Checklist:
    """Return the checklist of a YAML or Markdown file, with its mistakes."""
    name = path.stem
    try:
        text = decode(read_bytes(path))
        if path.suffix == ".yaml":
            return read_checklist(text, file=file, name=name)
        from opsrunner.config.markdown_lists import read_markdown  # noqa: PLC0415 - only lists in Markdown need its parser

        return read_markdown(text, file=file, name=name)
    except BadYaml as exc:
        return Checklist(id=name, file=file, name=name, problems=(problem_of(exc, file),))


def problem_of(exc: BadYaml, file: str) -> Problem:
    """Return the problem of a file that cannot be read."""
    return Problem(file=file, line=exc.line, column=exc.column, path="", message=str(exc), hint=exc.hint)
