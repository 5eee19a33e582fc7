"""My work: the tasks of one person, and all that is done to a task."""

from __future__ import annotations

import mimetypes
import tempfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator
from starlette.datastructures import UploadFile
from starlette.responses import FileResponse, Response

from opsrunner.engine.notes import LONGEST, leave_note
from opsrunner.engine.rights import Rights
from opsrunner.engine.task_texts import HOW_LENGTH, TITLE_LENGTH
from opsrunner.errors import NotFound, OpsrunnerError, Refused, StateError, UsageError
from opsrunner.model.task import Evidence, Task, TaskStatus
from opsrunner.web.asking import others_of
from opsrunner.web.cards import Cards, staff_of
from opsrunner.web.visit import Fields, Visit, local_moment, status_of

NOTE_HOURS = 24
"""A shift note is shown for so long."""
SHOWN_AS_PICTURE = ("image/png", "image/jpeg", "image/webp", "image/gif")


def _as_list(value: object) -> object:
    return value if isinstance(value, list) else [value]


class _Tick(Fields):
    mark: Literal["done", "not_applicable", "could_not"] = "done"
    note: str = ""
    number: str = ""
    choice: str = ""
    answer: Annotated[tuple[str, ...], BeforeValidator(_as_list)] = ()
    """Those of the task's form, in its order, '' for none. (A field named `form` would hide what browsers call so.)"""
    file: UploadFile | Literal[""] = ""
    struck: Annotated[tuple[int, ...], BeforeValidator(_as_list)] = ()
    back: str = "/"

    @property
    def chosen(self) -> UploadFile | None:
        """The file that was chosen: a field that nobody touched comes without a name."""
        return self.file if isinstance(self.file, UploadFile) and self.file.filename else None


class _Act(Fields):
    back: str = "/"


class _HandOver(Fields):
    to: str
    back: str = "/"


class _New(Fields):
    title: str
    whose: str = ""
    due: str = ""
    how: str = ""
    link: str = ""


class _Note(Fields):
    text: str


class _Opened(Fields):
    open: str = ""


async def my_work(visit: Visit) -> Response:
    """Show what is the reader's to do."""
    opened = visit.query(_Opened)
    me, opened_now = visit.person, visit.app.books.tasks.opened()
    cards = Cards(visit, opened_now)
    mine = [task for task in opened_now if cards.people.is_for(task, me, at=visit.now)]
    start_of_day = visit.now.astimezone(visit.zone).replace(hour=0, minute=0, second=0, microsecond=0)
    closed = visit.app.books.tasks.closed(since=start_of_day)
    done = [task for task in reversed(closed) if task.closed_by == me.id]
    late = sum(task.is_late(visit.now) for task in mine)
    return visit.page(
        "my_work.html",
        title="My work",
        count=len(mine),
        late=late,
        groups=cards.grouped(mine),
        done=[cards.of(task) for task in done],
        opened=opened.open,
        notes=[] if me.is_partner else visit.app.books.notes.since(visit.now - timedelta(hours=NOTE_HOURS))[:1],
        longest_note=LONGEST,
        staff=staff_of(visit),
    )


async def show(visit: Visit) -> Response:
    """Show one task whole, with what has happened to it."""
    return _task_page(visit, _task(visit))


def _task(visit: Visit) -> Task:
    """Return the task of the address. Raises NotFound, also where the reader may not know of it."""
    task = visit.app.books.tasks.get(visit.number("task"))
    Rights(visit.app.desk).require_seen(visit.person, task, at=visit.now)
    return task


def _task_page(
    visit: Visit, task: Task, *, sent: _Tick | None = None, refusal: OpsrunnerError | None = None
) -> Response:
    """Return the page of a task; with what was sent and why it was refused, where it was."""
    return visit.page(
        "task.html",
        status=status_of(refusal, 409),
        title=task.title,
        card=Cards(visit, [task]).of(task),
        others=others_of(visit, task),
        history=visit.app.books.audit.about(f"task {task.id}"),
        name_of=lambda person: visit.app.people.name_for(visit.person, person),
        staff=staff_of(visit),
        sent=sent,
        said=refusal.message if refusal else "",
    )


async def tick(visit: Visit) -> Response:
    """Mark a task; it is on the disk when the answer comes. What is refused stays in its fields."""
    sent, number = await visit.form(_Tick), visit.number("task")
    task = _task(visit)
    try:
        kept = await _keep(visit, sent.chosen, task) if sent.chosen else ""
        form = _form(sent.answer, task)
        evidence = Evidence(note=sent.note, number=_number(sent.number), choice=sent.choice, file=kept, form=form)
        await visit.write(
            lambda: visit.app.ticks.tick(
                number,
                actor=visit.person,
                status=TaskStatus(sent.mark),
                evidence=evidence,
                struck=sent.struck,
                at=visit.now,
                address=visit.address,
            )
        )
    except (Refused, StateError, UsageError) as exc:
        return _task_page(visit, _task(visit), sent=sent, refusal=exc)
    return visit.back(sent.back)


async def undo(visit: Visit) -> Response:
    """Take a tick back."""
    return await _act(visit, visit.app.ticks.undo)


async def claim(visit: Visit) -> Response:
    """Make a task the reader's."""
    return await _act(visit, visit.app.ticks.claim)


async def hand_over(visit: Visit) -> Response:
    """Give a task to somebody, or back to its role."""
    sent, number = await visit.form(_HandOver), visit.number("task")
    await visit.write(
        lambda: visit.app.ticks.hand_over(
            number, sent.to or None, actor=visit.person, at=visit.now, address=visit.address
        )
    )
    return visit.back(sent.back)


async def new(visit: Visit) -> Response:
    """Show the form of an ad-hoc task."""
    return _new_page(visit)


def _new_page(visit: Visit, *, sent: _New | None = None, refusal: OpsrunnerError | None = None) -> Response:
    site = visit.app.site
    roles = sorted({role for person in site.people.values() for role in person.roles} - {"viewer"})
    return visit.page(
        "task_new.html",
        status=status_of(refusal, 400),
        title="Add a task",
        names=[*roles, *site.rosters],
        staff=staff_of(visit),
        longest=TITLE_LENGTH,
        longest_how=HOW_LENGTH,
        sent=sent,
        said=refusal.message if refusal else "",
    )


async def add(visit: Visit) -> Response:
    """Open an ad-hoc task. What is refused stays in its fields."""
    sent = await visit.form(_New)
    is_person = sent.whose in visit.app.site.people
    try:
        due = local_moment(sent.due, visit.zone) if sent.due else None
        await visit.write(
            lambda: visit.app.ticks.add(
                sent.title,
                actor=visit.person,
                at=visit.now,
                role="" if is_person else sent.whose,
                person=sent.whose if is_person else None,
                due=due,
                how=sent.how,
                link=sent.link,
                address=visit.address,
            )
        )
    except (NotFound, Refused, StateError, UsageError) as exc:
        return _new_page(visit, sent=sent, refusal=exc)
    return visit.back("/")


async def add_note(visit: Visit) -> Response:
    """Leave a note for the next shift."""
    text = (await visit.form(_Note)).text
    await visit.write(lambda: leave_note(visit.app.desk, text, person=visit.person, at=visit.now))
    return visit.back("/")


async def evidence_file(visit: Visit) -> Response:
    """Hand out the file that a tick carries: a picture to be looked at, anything else to be kept."""
    task = _task(visit)
    path = visit.app.state / task.evidence.file
    folder = visit.app.state / "evidence" / str(task.id)
    if not task.evidence.file or path.parent != folder or path.is_symlink() or not path.is_file():
        raise NotFound("this task has no file")
    kind, _ = mimetypes.guess_type(path.name)
    is_picture = kind in SHOWN_AS_PICTURE
    return FileResponse(
        path,
        media_type=kind if is_picture else "application/octet-stream",
        filename=path.name,
        content_disposition_type="inline" if is_picture else "attachment",
    )


async def _act(visit: Visit, act: Callable[..., Task]) -> Response:
    sent, number = await visit.form(_Act), visit.number("task")
    await visit.write(lambda: act(number, actor=visit.person, at=visit.now, address=visit.address))
    return visit.back(sent.back)


async def _keep(visit: Visit, file: UploadFile, task: Task) -> str:
    """Keep an uploaded file as evidence under its own name, made harmless."""
    body, told = await file.read(), file.filename or ""

    def keep() -> str:
        with tempfile.TemporaryDirectory(dir=visit.app.state) as folder:
            path = Path(folder) / _file_name(told)
            path.write_bytes(body)
            return visit.app.ticks.attach(path, task)

    return await visit.write(keep)


def _form(answers: tuple[str, ...], task: Task) -> dict[str, float | str]:
    """Return the answers of a form by its fields' names. Raises UsageError where they are not one a field."""
    fields = task.evidence_spec.form if task.evidence_spec else ()
    if answers and len(answers) != len(fields):
        raise UsageError("this form is not the task's any more: load the page again")
    return {field.name: answer for field, answer in zip(fields, answers, strict=False) if answer.strip()}


def _file_name(told: str) -> str:
    """Return the last part of a name that a browser told, short enough for a file."""
    last = told.replace("\\", "/").rpartition("/")[2].replace("\0", "")
    return last.encode()[-200:].decode(errors="ignore").strip(". ") or "file"


def _number(text: str) -> float | None:
    if not text.strip():
        return None
    try:
        return float(text.strip().replace(",", "."))
    except ValueError as exc:
        raise UsageError(f"'{text[:40]}' is no number") from exc
