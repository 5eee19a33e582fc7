"""What a tick has to carry, and where its files are kept."""

from __future__ import annotations

import math
import os
import re
import stat
import tempfile
from collections.abc import Mapping
from pathlib import Path

from opsrunner.engine.task_words import field_words
from opsrunner.errors import Refused, UsageError
from opsrunner.mail.message import clean_text
from opsrunner.model.routine import EvidenceSpec, FormField
from opsrunner.model.task import Evidence, Task, TaskStatus

NOTE_LENGTH = 10_000
FILE_BYTES = 20_000_000
NAME_LENGTH = 100
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")
_NOTHING = EvidenceSpec()


def checked_evidence(task: Task, status: TaskStatus, evidence: Evidence, *, state: Path) -> Evidence:
    """Return the evidence, cleaned. Raises Refused where something is missing or out of its bounds.

    All that the task asks for is needed for `done`; a reason not to do it (`not_applicable`,
    `could_not`) needs the note only. What the machine would tick needs a note when a person does.
    """
    spec = task.evidence_spec or _NOTHING
    note = clean_text(evidence.note).strip()[:NOTE_LENGTH]
    if not note and task.done_when is not None:
        raise Refused(f"the machine ticks '{task.title}' by itself: say in a note why you do")
    if not note and spec.note == "required":
        raise Refused(f"'{task.title}' needs a note")
    _check_number(task, spec, evidence.number, is_needed=status is TaskStatus.DONE)
    _check_choice(task, spec, evidence.choice, is_needed=status is TaskStatus.DONE)
    form = _checked_form(task, spec, evidence.form, is_needed=status is TaskStatus.DONE)
    if not evidence.file and spec.file == "required" and status is TaskStatus.DONE:
        raise Refused(f"'{task.title}' needs a file")
    if evidence.file:
        _check_file(task, evidence.file, state=state)
    return Evidence(note=note, number=evidence.number, choice=evidence.choice, file=evidence.file, form=form)


def keep_file(path: Path, task: Task, *, state: Path) -> str:
    """Copy a file to where evidence is kept, for its owner alone; return its path below the state folder.

    The name is made harmless, and a file that is there is never replaced. Raises UsageError where
    `path` is no readable file of at most FILE_BYTES.
    """
    body = _read(path)
    folder = state / "evidence" / str(task.id)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    name = _UNSAFE.sub("_", path.name).lstrip("._-")[-NAME_LENGTH:].lstrip("._-") or "file"
    descriptor, draft = tempfile.mkstemp(dir=folder, prefix=".draft-")  # 0600 by itself
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(body)
            file.flush()
            os.fsync(file.fileno())
        kept = _link_to_free_name(Path(draft), folder, name)
    finally:
        Path(draft).unlink()
    return str(kept.relative_to(state))


def _check_number(task: Task, spec: EvidenceSpec, number: float | None, *, is_needed: bool) -> None:
    name = spec.number_name or "number"
    if number is None:
        if is_needed and spec.number == "required":
            raise Refused(f"'{task.title}' needs a number{f': {name}' if spec.number_name else ''}")
        return
    if not math.isfinite(number):
        raise Refused(f"{name} must be a finite number")
    if spec.minimum is not None and number < spec.minimum:
        raise Refused(f"{name} {number:g} is below {spec.minimum:g}")
    if spec.maximum is not None and number > spec.maximum:
        raise Refused(f"{name} {number:g} is above {spec.maximum:g}")


def _check_choice(task: Task, spec: EvidenceSpec, choice: str, *, is_needed: bool) -> None:
    known = ", ".join(spec.choice) or "none"
    if choice and choice not in spec.choice:
        raise Refused(f"'{choice}' is no choice of '{task.title}' (known: {known})")
    if is_needed and spec.choice and not choice:
        raise Refused(f"'{task.title}' needs a choice: {known}")


def _checked_form(
    task: Task, spec: EvidenceSpec, form: Mapping[str, float | str], *, is_needed: bool
) -> dict[str, float | str]:
    """Return the answers of a form, in its order. Raises Refused for one that is missing, or is not as it must be."""
    known = {field.name: field for field in spec.form}
    for name in form:
        if name not in known:
            named = ", ".join(known) or "none"
            raise Refused(f"'{task.title}' does not ask for '{name[:40]}' (known: {named})")
    answers: dict[str, float | str] = {}
    for field in spec.form:
        answer = form.get(field.name, "")
        if answer == "" or (isinstance(answer, str) and not answer.strip()):
            if is_needed and field.need == "required":
                raise Refused(f"'{task.title}' needs {field_words(field)}")
            continue
        answers[field.name] = _answer(field, answer)
    return answers


def _answer(field: FormField, answer: float | str) -> float | str:
    """Return an answer of its field's kind. Raises Refused."""
    if field.kind == "number":
        return _number_within(field, answer)
    text = clean_text(str(answer)).strip()[:NOTE_LENGTH]
    if field.kind == "choice" and text not in field.choice:
        raise Refused(f"'{text[:40]}' is no choice of {field.name} (known: {', '.join(field.choice)})")
    return text


def _number_within(field: FormField, answer: float | str) -> float:
    try:
        number = float(str(answer).strip().replace(",", "."))
    except ValueError as exc:
        raise Refused(f"{field.name}: '{str(answer)[:40]}' is no number") from exc
    low, high = field.minimum, field.maximum
    if not math.isfinite(number) or (low is not None and number < low) or (high is not None and number > high):
        raise Refused(f"{field_words(field)}: {number:g} is not within")
    return number


def _check_file(task: Task, name: str, *, state: Path) -> None:
    """Refuse whatever was not kept for this very task: a path from outside is never followed."""
    folder = Path("evidence") / str(task.id)
    path = Path(name)
    is_kept = path.parent == folder and not path.name.startswith(".") and (state / path).is_file()
    if not is_kept or (state / path).is_symlink():
        raise Refused(f"'{name}' was not attached to task {task.id}")


def _read(path: Path) -> bytes:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # a pipe would keep us waiting
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise UsageError(f"{path} is not a file")
            body = file.read(FILE_BYTES + 1)
    except (OSError, ValueError) as exc:
        raise UsageError(f"{path}: {getattr(exc, 'strerror', None) or exc}") from exc
    if len(body) > FILE_BYTES:
        raise UsageError(f"{path} is larger than {FILE_BYTES // 1_000_000} MB")
    return body


def _link_to_free_name(draft: Path, folder: Path, name: str) -> Path:
    """Give the draft its name, or the next one that is free: `photo.png`, `photo-2.png`."""
    stem, dot, ending = name.rpartition(".")
    for number in range(1, 1000):
        tried = name if number == 1 else f"{stem or ending}-{number}{dot + ending if stem else ''}"
        try:
            (folder / tried).hardlink_to(draft)
        except FileExistsError:
            continue
        return folder / tried
    raise UsageError(f"{folder} holds too many files of that name")
