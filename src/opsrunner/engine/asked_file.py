"""A question that becomes a routine: its file as people write theirs, put in place only when it is right."""

from __future__ import annotations

import os
import re
import stat
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import date
from pathlib import Path

from opsrunner.config.cross_checks import Known
from opsrunner.config.fields import check_name
from opsrunner.config.folder import ROUTINES, SITE_FILE
from opsrunner.config.inventories.reading import Inventories
from opsrunner.config.routine_file import RoutineContext, read_routine
from opsrunner.config.site_file import read_site
from opsrunner.config.yaml12 import BadYaml
from opsrunner.durable import sync_folder
from opsrunner.engine.asking import Question
from opsrunner.errors import Refused, UsageError
from opsrunner.ledger.books import Books
from opsrunner.model.site import Problem, Site
from opsrunner.records import dataclass

NAME_LENGTH = 80
_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_-]*\Z")
_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t"}


@dataclass(frozen=True, kw_only=True)
class NewFile:
    """What the file of a routine is made of."""

    name: str
    """The routine's id, and with `.yaml` the name of the file."""
    question: Question
    accountable: str
    daily_at: str | None = None
    """`HH:MM`; None: it is run by hand."""
    timeout_seconds: int
    most_at_once: int


def require_free(new: NewFile, *, site: Site, books: Books) -> None:
    """Raise UsageError unless the name can be a new routine's."""
    try:
        check_name(new.name)
    except ValueError as exc:
        raise UsageError(f"--save-as: {' '.join(str(exc).splitlines())}") from exc
    path = _path(site.root, new.name)
    if any(path.with_suffix(ending).exists() or path.with_suffix(ending).is_symlink() for ending in (".yaml", ".yml")):
        raise UsageError(f"--save-as: {ROUTINES}/{new.name}.yaml is there already; take another name")
    if books.routines.name(new.name) is not None:
        raise UsageError(f"--save-as: there was a routine {new.name}, and its history is kept; take another name")
    if not path.parent.is_dir():
        raise UsageError(f"--save-as: {path.parent} is not there; make the folder first")


def text_of(new: NewFile, *, site: Site) -> str:
    """Return the text of the file."""
    return "\n".join([*_for_editors(site), *_lines(new)]) + "\n"


def write_file(new: NewFile, *, site: Site, today: date) -> Path:
    """Write the file of a routine, and return where it lies. Raises Refused where it is not right, or cannot be.

    It is read as any other first, and never takes the place of one that is there.
    """
    text, path = text_of(new, site=site), _path(site.root, new.name)
    problems = _problems(text, new, site=site, today=today)
    if problems:
        raise Refused(f"the routine was not saved: {problems[0]}")
    try:
        with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=".", encoding="utf-8", newline="") as file:
            file.write(text)
            file.flush()
            os.fchmod(file.fileno(), _mode_beside(path.parent))
            os.fsync(file.fileno())
            os.link(file.name, path)  # unlike a move, it never overwrites
    except FileExistsError as exc:
        raise Refused(f"{path} is there already, so nothing was saved") from exc
    except OSError as exc:
        raise Refused(f"{path} cannot be written: {exc.strerror}") from exc
    with suppress(OSError):
        sync_folder(path.parent)
    return path


def _mode_beside(folder: Path) -> int:
    """Return the rights that a routine's file has there, else those of `opsrunner.yaml`; only its owner may write it.

    Who asks as root has to leave a file that the daemon's user can read; our umask, for the state, says nothing here.
    """
    for path in (*sorted(folder.glob("*.y*ml")), folder.parent / SITE_FILE):
        with suppress(OSError):
            status = path.stat()
            if stat.S_ISREG(status.st_mode):
                return stat.S_IMODE(status.st_mode) & 0o644 | stat.S_IRUSR | stat.S_IWUSR
    return stat.S_IRUSR | stat.S_IWUSR


def _path(root: Path, name: str) -> Path:
    return root / ROUTINES / f"{name}.yaml"


def _for_editors(site: Site) -> Iterator[str]:
    """Yield the line by which an editor finds the schema, where it lies in the site."""
    for folder in ("schema", "docs/schema"):
        if (site.root / folder / "routine.json").is_file():
            yield f"# yaml-language-server: $schema=../{folder}/routine.json"
            return


def _lines(new: NewFile) -> Iterator[str]:
    question = new.question
    hosts = sorted(question.hosts)
    yield f"name: {quoted(_title(question))}"
    yield "about: Asked by hand once, and kept. Who answers otherwise gets a task, and each run keeps it up to date."
    yield f"accountable: {_word(new.accountable)}"
    if new.daily_at is not None:
        yield f"schedule: {{every: day, at: {quoted(new.daily_at)}}}"
    else:
        yield "# It has no schedule: opsrunner run asks it. To be asked by itself every day:"
        yield '# schedule: {every: day, at: "06:00"}'
    yield f"renamed_from: {question.id}  # its history and its open task come from there"
    yield "steps:"
    yield "  - id: ask  # another id would begin a history of its own"
    yield "    ask:"
    named = ", ".join(map(_word, hosts))
    yield f"      hosts: {named if len(hosts) == 1 else f'[{named}]'}"
    yield from _command(question.command)
    if question.expect is not None:
        yield f"      expect: {quoted(question.expect)}"
    if question.exit_codes:
        codes = sorted(question.exit_codes)
        yield f"      exit: {codes[0] if len(codes) == 1 else codes}"
    if question.expect is None and not question.exit_codes:
        yield "      # What more than half of them say counts as right. To say it yourself:"
        yield "      # expect: TEXT that a right answer holds, or exit: 0"
    yield f"      max_parallel: {new.most_at_once}"
    yield "      # tasks: {role: ROLE} gives the tasks to somebody else, tasks: {open: false} opens none."
    yield f"    timeout: {new.timeout_seconds}s"


def _title(question: Question) -> str:
    line = " ".join(question.command.split())
    return line if len(line) <= NAME_LENGTH else f"{line[: NAME_LENGTH - 1]}…"


def _command(command: str) -> Iterator[str]:
    """Yield the command as a block where it reads well as one, else as one line in quotes."""
    lines = command.split("\n")
    if len(lines) > 1 and all(_reads_well(line) for line in lines) and not lines[0].startswith(" ") and lines[0]:
        yield "      run: |-" if lines[-1] else "      run: |+"
        yield from (f"        {line}" if line else "" for line in (lines if lines[-1] else lines[:-1]))
    else:
        yield f"      run: {quoted(command)}"


def _reads_well(line: str) -> bool:
    return line.isprintable() and line == line.rstrip()


def _word(text: str) -> str:
    return text if _PLAIN.match(text) and text not in ("true", "false", "null") else quoted(text)


def quoted(text: str) -> str:
    """Return a text as a double-quoted scalar of YAML, with all escaped that cannot be seen."""
    return f'"{"".join(_escaped(sign) for sign in text)}"'


def _escaped(sign: str) -> str:
    if sign in _ESCAPES:
        return _ESCAPES[sign]
    if sign.isprintable():
        return sign
    code = ord(sign)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _problems(text: str, new: NewFile, *, site: Site, today: date) -> Sequence[Problem | str]:
    """Return what is wrong with the text as a routine of the site; also where it does not say what was asked."""
    within = RoutineContext(timezone=site.timezone, today=today, checklists={})
    try:
        draft = read_routine(text, file=f"{ROUTINES}/{new.name}.yaml", id_=new.name, within=within)
    except BadYaml as exc:
        return [f"a file cannot hold this command: {exc}"]
    names = read_site(site.root, signature=None, inventories=Inventories(site.root)).names
    report = draft.report()
    if names is not None:
        Known(names=names.defined()).note_unknown(draft.references, report)
    problems = [*draft.problems, *report.problems()]
    if problems or draft.routine is None:
        return problems
    said = draft.routine.steps[0].options
    asked = new.question.options
    return [] if {name: said.get(name) for name in asked} == asked else ["its file would not say the same"]
