"""The files of `routines/`: which are routines, and which have changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from opsrunner.config.fields import check_name
from opsrunner.config.folder import ROUTINES, SITE_FILE, Folder, Signature
from opsrunner.config.permissions import note_open_secrets, problem_of_mode
from opsrunner.config.routine_file import RoutineContext, RoutineDraft, broken_draft, read_routine
from opsrunner.config.shelf import problem_of
from opsrunner.config.yaml12 import BadYaml, decode, read_bytes
from opsrunner.model.routine import Routine
from opsrunner.model.site import Problem

MISSING = Problem(
    file=ROUTINES,
    line=1,
    column=1,
    path="",
    message="the folder is missing",
    hint="mount its disk or put it back; an empty one runs nothing",
)


class RoutineFiles:
    """Every file of the folder as far as it could be understood."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._read: dict[str, tuple[Signature, RoutineDraft]] = {}
        self.drafts: Mapping[str, RoutineDraft] = {}
        """The routines by id."""
        self.stray: dict[str, tuple[Problem, ...]] = {}
        """Files whose name is wrong, by their name without its ending."""

    def good(self) -> Iterator[tuple[str, Routine]]:
        """Return the routines whose own file has no mistake."""
        for draft in self.drafts.values():
            if draft.routine is not None:
                yield draft.id, draft.routine

    def refresh(self, seen: Folder, *, within: RoutineContext) -> None:
        """Read the files that have changed, or whose zone or checklists have."""
        files = seen.of(ROUTINES, ".yaml")
        self.stray = {Path(file).stem: (_ending_problem(file),) for file in seen.of(ROUTINES, ".yml")}
        read: dict[str, tuple[Signature, RoutineDraft]] = {}
        for file in files:
            known = self._read.get(file)
            if known is not None and _still_holds(known, seen.files[file], within):
                read[file] = known
            elif problem := _name_problem(file):
                self.stray[Path(file).stem] = (problem,)
            else:
                read[file] = seen.files[file], self._draft(file, seen.files[file], within)
        self._read = read
        self.drafts = {draft.id: draft for _, draft in read.values()}

    def _draft(self, file: str, signature: Signature, within: RoutineContext) -> RoutineDraft:
        path = self._root / file
        draft = read_routine_file(path, file=file, within=within)
        open_secrets = draft.report()
        note_open_secrets(draft.secrets, root=self._root, report=open_secrets)
        if open_secrets:
            draft = replace(draft, warnings=(*draft.warnings, *open_secrets.problems()))
        unsafe = problem_of_mode(signature[0], file=file, path=path)
        return replace(draft, routine=None, problems=(unsafe, *draft.problems)) if unsafe else draft


def missing_folder(seen: Folder) -> tuple[Problem, ...]:
    """Return the problem of a site without a folder of routines: a disk that is not there, or a slip.

    It is never taken for the wish to run nothing; a folder that is empty is.
    """
    return (MISSING,) if ROUTINES in seen.missing and SITE_FILE in seen.files else ()


def read_routine_file(path: Path, *, file: str, within: RoutineContext) -> RoutineDraft:
    """Return what a file says; the routine's id is its name. `file` is how problems call it."""
    try:
        return read_routine(decode(read_bytes(path)), file=file, id_=path.stem, within=within)
    except BadYaml as exc:
        return broken_draft(problem_of(exc, file), id_=path.stem, within=within)


def _still_holds(known: tuple[Signature, RoutineDraft], signature: Signature, within: RoutineContext) -> bool:
    then, draft = known
    if then != signature or draft.timezone != within.timezone:
        return False
    lists = within.checklists
    return not draft.checklists or all(lists.get(name) is used for name, used in draft.checklists.items())


def _ending_problem(file: str) -> Problem:
    hint = f"rename it to {Path(file).stem}.yaml"
    return Problem(file=file, line=1, column=1, path="", message="the ending must be .yaml", hint=hint)


def _name_problem(file: str) -> Problem | None:
    try:
        check_name(Path(file).stem)
    except ValueError:
        message = "the file's name is the routine's id"
        hint = "use small letters, digits and '-'"
        return Problem(file=file, line=1, column=1, path="", message=message, hint=hint)
    return None
