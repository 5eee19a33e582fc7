"""Reads `maintenance.yaml`, which lies beside `opsrunner.yaml`."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import field, replace
from datetime import date
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from opsrunner.config.checklist import Checklist
from opsrunner.config.folder import MAINTENANCE_FILE, Signature
from opsrunner.config.maintenance_keys import AudienceKeys, IncidentKeys, MaintenanceKeys, WindowKeys
from opsrunner.config.permissions import problem_of_mode
from opsrunner.config.positions import Path as Place
from opsrunner.config.references import Reference
from opsrunner.config.report import Report
from opsrunner.config.shelf import problem_of
from opsrunner.config.yaml12 import BadYaml, decode, read_bytes, read_yaml
from opsrunner.model.site import Problem
from opsrunner.model.window import Maintenance, ReviewItem
from opsrunner.records import dataclass


@dataclass(frozen=True, kw_only=True)
class MaintenanceDraft:
    """The file as far as it could be understood; `maintenance` is there only where nothing is wrong in it."""

    maintenance: Maintenance | None = None
    problems: tuple[Problem, ...] = ()
    references: tuple[Reference, ...] = ()
    names: Collection[str] | None = None
    """The windows that it names; None where that is not known."""
    text: str = ""

    def report(self) -> Report:
        """Return an empty report on this file."""
        return Report(MAINTENANCE_FILE, self.text)


NONE = MaintenanceDraft(maintenance=Maintenance(), names=())
"""What holds for a site without the file."""


@dataclass(frozen=True, kw_only=True)
class MaintenanceContext:
    """What reading the file needs of its site."""

    timezone: str
    today: date
    checklists: Mapping[str, Checklist] = field(default_factory=dict)


class MaintenanceFile:
    """Keeps what the file says, and its last good form.

    `last_text` returns the text that was last in force, for a file that is broken at the start.
    """

    def __init__(self, root: Path, *, last_text: Callable[[], str] | None = None) -> None:
        self._root, self._last_text = root, last_text
        self._good: MaintenanceDraft | None = None

    def read(self, signature: Signature | None, *, within: MaintenanceContext) -> MaintenanceDraft:
        """Return what the file says; `signature` is None where there is none."""
        return NONE if signature is None else self._read(signature, within)

    def in_force(self, draft: MaintenanceDraft, *, is_sound: bool, within: MaintenanceContext) -> MaintenanceDraft:
        """Return what holds: the file as it is where it `is_sound`, else its last good form."""
        if draft.maintenance is not None and is_sound:
            self._good = draft
        elif self._good is None:
            self._good = self._before(within)
        return self._good

    def _read(self, signature: Signature, within: MaintenanceContext) -> MaintenanceDraft:
        path = self._root / MAINTENANCE_FILE
        try:
            draft = read_maintenance(decode(read_bytes(path)), within=within)
        except BadYaml as exc:
            draft = MaintenanceDraft(problems=(problem_of(exc, MAINTENANCE_FILE),))
        unsafe = problem_of_mode(signature[0], file=MAINTENANCE_FILE, path=path)
        return replace(draft, maintenance=None, problems=(unsafe, *draft.problems)) if unsafe else draft

    def _before(self, within: MaintenanceContext) -> MaintenanceDraft:
        text = self._last_text() if self._last_text is not None else ""
        if not text:
            return NONE
        try:
            draft = read_maintenance(text, within=within)
        except BadYaml:
            return NONE
        return draft if draft.maintenance is not None else NONE


def read_maintenance(text: str, *, within: MaintenanceContext) -> MaintenanceDraft:
    """Return what the file says, with all of its mistakes. Raises BadYaml where it is not YAML at all."""
    report = Report(MAINTENANCE_FILE, text)
    data = read_yaml(text)
    keys = _keys({} if data is None else data, report, within)
    names = _names_in(data)
    if keys is None:
        return MaintenanceDraft(problems=report.problems(), names=names, text=text)
    references = tuple(_references(keys))
    review = _review(keys.incidents, within)
    if review is None:
        report.add(("incidents", "review"), f"unknown checklist '{keys.incidents.review}'")
    problems = report.problems()
    if problems:
        return MaintenanceDraft(problems=problems, references=references, names=names, text=text)
    windows = {name: window.to_window(name, timezone=within.timezone) for name, window in keys.windows.items()}
    maintenance = Maintenance(windows=windows, incidents=keys.incidents.to_rules(review or ()))
    return MaintenanceDraft(maintenance=maintenance, references=references, names=names, text=text)


def _keys(data: Any, report: Report, within: MaintenanceContext) -> MaintenanceKeys | None:
    if not isinstance(data, dict):
        report.add((), "the file must hold a mapping (key: value)", "begin with 'windows:'")
        return None
    try:
        return MaintenanceKeys.model_validate(data, context={"today": within.today})
    except ValidationError as exc:
        report.add_validation(exc, data=data, model=MaintenanceKeys)
        return None


def _names_in(data: Any) -> Collection[str] | None:
    """Return the names of windows, also where other things are wrong in the file."""
    windows = data.get("windows", {}) if isinstance(data, dict) else None
    return [name for name in windows if isinstance(name, str)] if isinstance(windows, dict) else None


def _review(keys: IncidentKeys, within: MaintenanceContext) -> tuple[ReviewItem, ...] | None:
    """Return the items of the review's checklist; None where there is none of that name."""
    checklist = within.checklists.get(keys.review)
    if checklist is None:
        return None if "review" in keys.model_fields_set else ()
    return tuple(ReviewItem(title=item.options.task, how=item.options.how) for item in checklist.items)


def _references(keys: MaintenanceKeys) -> Iterator[Reference]:
    for name, window in keys.windows.items():
        path: Place = ("windows", name)
        for position, host in enumerate(window.hosts):
            yield Reference(path=(*path, "hosts", position), noun="host", name=host)
        yield from _of_calendars(window, path)
        yield from _of_mails(window, path)
    yield from _of_mails(keys.incidents, ("incidents",))


def _of_calendars(window: WindowKeys, path: Place) -> Iterator[Reference]:
    rules = window.schedule if isinstance(window.schedule, tuple) else (window.schedule,)
    for position, rule in enumerate(rules):
        if rule is not None and rule.calendar:
            yield Reference(path=(*path, "schedule", position, "calendar"), noun="calendar", name=rule.calendar)


def _of_mails(keys: WindowKeys | IncidentKeys, path: Place) -> Iterator[Reference]:
    for position, audience in enumerate(keys.audience):
        yield _of_source(audience, (*path, "audience", position))
    yield Reference(path=(*path, "template"), noun="mail template", name=keys.template)
    for key in ("accountable", "approve_by"):
        yield Reference(path=(*path, key), noun="holder", name=getattr(keys, key))


def _of_source(audience: AudienceKeys, path: Place) -> Reference:
    return Reference(path=(*path, "source"), noun="source", name=audience.source)
