"""Reads one file of `routines/`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, timedelta
from typing import Any, Literal

from pydantic import Field, ValidationError, model_validator

from opsrunner.config.checklist import Checklist
from opsrunner.config.fields import Keys, Name, Text, Texts
from opsrunner.config.on_rows import OnRowsKeys
from opsrunner.config.plain_secrets import note_plain_secrets
from opsrunner.config.positions import Path
from opsrunner.config.references import Reference
from opsrunner.config.report import Report
from opsrunner.config.schedule import CatchUpField, ScheduleField, WindowNames, to_schedule
from opsrunner.config.secret_places import SecretPlace
from opsrunner.config.step_file import StepReader, Steps
from opsrunner.config.yaml12 import Document, read_document
from opsrunner.model.routine import Routine
from opsrunner.model.schedule import CatchUp, OffsetRule, Schedule
from opsrunner.model.site import Problem
from opsrunner.model.window import MAINTENANCE
from opsrunner.records import dataclass

MOST_STEPS = 200
ONE_DAY = timedelta(days=1)


class RoutineKeys(Keys):
    """What a routine may say. `steps` are read on their own, each by its kind."""

    name: Text
    about: str = ""
    accountable: Text = Field(description="The role, roster or person that answers for it.")
    tags: Texts = ()
    schedule: ScheduleField = None
    on_rows: OnRowsKeys | None = None
    catch_up: CatchUpField = Field(default_factory=CatchUp)
    overlap: Literal["skip", "queue"] = "skip"
    only_in: WindowNames = Field(default=(), description="maintenance.NAME: due times outside of it are left out.")
    avoid: WindowNames = Field(default=(), description="maintenance.NAME: due times in it wait for its end.")
    steps: tuple[Any, ...] = Field(min_length=1, max_length=MOST_STEPS)
    renamed_from: Name | None = None

    @model_validator(mode="after")
    def _windows_need_a_schedule(self) -> RoutineKeys:
        if (self.only_in or self.avoid) and self.schedule is None:
            key = "only_in" if self.only_in else "avoid"
            raise ValueError(f"`{key}` says when a schedule counts, and there is none\nadd a schedule, or leave it out")
        return self


@dataclass(frozen=True, kw_only=True)
class RoutineContext:
    """What reading a routine needs of its site."""

    timezone: str
    today: date
    """For messages that show dates."""
    checklists: Mapping[str, Checklist]


@dataclass(frozen=True, kw_only=True)
class RoutineDraft:
    """A file as far as it could be understood; `routine` is there only where nothing is wrong in it."""

    id: str
    file: str
    text: str
    routine: Routine | None
    problems: tuple[Problem, ...]
    warnings: tuple[Problem, ...]
    references: tuple[Reference, ...]
    secrets: tuple[SecretPlace, ...]
    checklists: Mapping[str, Checklist | None]
    timezone: str

    def report(self) -> Report:
        """Return an empty report on this file."""
        return Report(self.file, self.text)


def read_routine(text: str, *, file: str, id_: str, within: RoutineContext) -> RoutineDraft:
    """Return what the file says, with all of its mistakes. Raises BadYaml where it is not YAML at all."""
    report, doubts = Report(file, text), Report(file, text)
    document = read_document(text)
    data = document.value
    keys = _keys(data, report, within)
    reader = StepReader(report=report, doubts=doubts, checklists=within.checklists)
    steps = _steps(document, reader)
    note_plain_secrets(data, text=text, doubts=doubts)
    schedule = _schedule(keys, within) if keys else Schedule()
    _note_past(schedule, doubts, today=within.today)
    routine = None
    if keys is not None and not report:
        routine = _routine(keys, schedule, steps, file=file, id_=id_)
    return RoutineDraft(
        id=id_,
        file=file,
        text=text,
        routine=routine,
        problems=report.problems(),
        warnings=doubts.problems(),
        references=(*_names(data, schedule), *_names_of_rows(data), *steps.references),
        secrets=tuple(steps.secrets),
        checklists=steps.checklists,
        timezone=within.timezone,
    )


def broken_draft(problem: Problem, *, id_: str, within: RoutineContext) -> RoutineDraft:
    """Return the draft of a file that could not be read at all."""
    return RoutineDraft(
        id=id_,
        file=problem.file,
        text="",
        routine=None,
        problems=(problem,),
        warnings=(),
        references=(),
        secrets=(),
        checklists={},
        timezone=within.timezone,
    )


def _keys(data: Any, report: Report, within: RoutineContext) -> RoutineKeys | None:
    if not isinstance(data, dict):
        wrong = "the file is empty" if data is None else "the file must hold a mapping (key: value)"
        report.add((), wrong, "begin with 'name: …'")
        return None
    try:
        return RoutineKeys.model_validate(data, context={"today": within.today})
    except ValidationError as exc:
        report.add_validation(exc, data=data, model=RoutineKeys)
        return None


def _schedule(keys: RoutineKeys, within: RoutineContext) -> Schedule:
    schedule = to_schedule(keys.schedule, timezone=within.timezone)
    return replace(schedule, only_in=keys.only_in, avoid=keys.avoid)


def _steps(document: Document, reader: StepReader) -> Steps:
    raw_steps = document.value.get("steps") if isinstance(document.value, dict) else None
    if not isinstance(raw_steps, list):
        return Steps()
    return reader.read(raw_steps[:MOST_STEPS], document.lines_of(raw_steps))


def _names(data: Any, schedule: Schedule) -> tuple[Reference, ...]:
    names = []
    accountable = data.get("accountable") if isinstance(data, dict) else None
    if isinstance(accountable, str) and accountable:
        names.append(Reference(path=("accountable",), noun="holder", name=accountable))
    for position, rule in enumerate(schedule.rules):
        path: Path = ("schedule", position)
        if rule.frame.calendar != "business":
            names.append(Reference(path=(*path, "calendar"), noun="calendar", name=rule.frame.calendar))
        if isinstance(rule, OffsetRule):
            names.append(_of(rule.of, (*path, "of")))
    for key, windows in (("only_in", schedule.only_in), ("avoid", schedule.avoid)):
        names += [_of(window, (key, position)) for position, window in enumerate(windows)]
    return tuple(names)


def _of(name: str, path: Path) -> Reference:
    """Return the reference to a routine, or to a maintenance window."""
    if name.startswith(MAINTENANCE):
        return Reference(path=path, noun="window", name=name.removeprefix(MAINTENANCE))
    return Reference(path=path, noun="routine", name=name)


def _names_of_rows(data: Any) -> tuple[Reference, ...]:
    rows = data.get("on_rows") if isinstance(data, dict) else None
    source = rows.get("source") if isinstance(rows, dict) else None
    return (Reference(path=("on_rows", "source"), noun="source", name=source),) if isinstance(source, str) else ()


def _note_past(schedule: Schedule, doubts: Report, *, today: date) -> None:
    """Note each rule that has ended; a day is over everywhere on earth when the next one is over in UTC."""
    for position, rule in enumerate(schedule.rules):
        until = rule.frame.until
        if until is not None and until < today - ONE_DAY:
            message = f"{until} lies in the past, so this is never due again"
            doubts.add(("schedule", position, "until"), message, "move it, or remove the rule")


def _routine(keys: RoutineKeys, schedule: Schedule, steps: Steps, *, file: str, id_: str) -> Routine:
    return Routine(
        id=id_,
        name=keys.name,
        about=keys.about,
        accountable=keys.accountable,
        tags=keys.tags,
        schedule=schedule,
        on_rows=keys.on_rows.to_on_rows() if keys.on_rows is not None else None,
        catch_up=keys.catch_up,
        overlap=keys.overlap,
        steps=tuple(steps.plans),
        renamed_from=keys.renamed_from,
        file=file,
    )
