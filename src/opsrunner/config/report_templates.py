"""The site's own templates in `reports/`: whether they read as templates."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cached_property
from pathlib import Path

from opsrunner.config.folder import Folder, Signature
from opsrunner.config.permissions import problem_of_mode
from opsrunner.config.shelf import problem_of
from opsrunner.config.yaml12 import BadYaml, decode, read_bytes
from opsrunner.errors import ExpressionError
from opsrunner.model.site import Problem
from opsrunner.templates.environments import quoted
from opsrunner.templates.expressions import check_template

FOLDER = "reports"
ENDING = ".j2"
MAIL_ENDING = ".txt.j2"


class ReportTemplates:
    """Every template of the folder, read when it has changed."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._read: dict[str, _ReportTemplate] = {}

    def refresh(self, seen: Folder) -> None:
        """Read the templates that have changed."""
        self._read = {file: self._one(file, seen.files[file]) for file in seen.of(FOLDER, ENDING)}

    @property
    def problems(self) -> Callable[[], tuple[Problem, ...]]:
        """Tells all that is wrong with them as they are now; looked for when it is asked, which takes a while."""
        read = tuple(self._read.values())
        return lambda: tuple(problem for template in read for problem in template.problems)

    @property
    def mails(self) -> set[str]:
        """The names that an `email` step can use: `welcome` is `reports/welcome.txt.j2`."""
        return mail_names(self._read)

    def _one(self, file: str, signature: Signature) -> _ReportTemplate:
        known = self._read.get(file)
        if known is not None and known.signature == signature:
            return known
        return _ReportTemplate(self._root / file, file, signature)


class _ReportTemplate:
    """One template as it was when it was read."""

    def __init__(self, path: Path, file: str, signature: Signature) -> None:
        self.signature = signature
        self._file = file
        self._unsafe = problem_of_mode(signature[0], file=file, path=path)
        self._unreadable: Problem | None = None
        self._text = ""
        try:
            self._text = decode(read_bytes(path))
        except BadYaml as exc:
            self._unreadable = problem_of(exc, file)

    @cached_property
    def problems(self) -> tuple[Problem, ...]:
        """What is wrong with it."""
        wrong = self._unreadable or _problem_in(self._text, self._file)
        return tuple(problem for problem in (self._unsafe, wrong) if problem is not None)


def mail_names(files: Iterable[str]) -> set[str]:
    """Return the names of mail templates among paths."""
    names = (file.rpartition("/")[2] for file in files)
    return {name.removesuffix(MAIL_ENDING) for name in names if name.endswith(MAIL_ENDING)}


def _problem_in(text: str, file: str) -> Problem | None:
    try:
        check_template(text)
    except ExpressionError as exc:
        line, message = _line_and_message(str(exc).removeprefix(f"{quoted(text)}: "))
        return Problem(file=file, line=line, column=1, path="", message=message)
    return None


def _line_and_message(message: str) -> tuple[int, str]:
    head, _, rest = message.partition(": ")
    number = head.removeprefix("line ")
    return (int(number), rest) if head.startswith("line ") and number.isdigit() else (1, message)
