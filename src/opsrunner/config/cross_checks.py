"""Checks that need more than one file: names that are used but not defined, circles, double claims."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from opsrunner.config.checklist import Checklist
from opsrunner.config.mistakes import did_you_mean
from opsrunner.config.references import WORDS, Noun, Reference, of_people
from opsrunner.config.report import Report
from opsrunner.config.routine_file import RoutineDraft
from opsrunner.model.schedule import Calendar, OffsetRule
from opsrunner.model.site import Problem
from opsrunner.records import dataclass
from opsrunner.schedules.window_rules import is_of_window


@dataclass(frozen=True, kw_only=True)
class Known:
    """All that files may refer to; a noun that is not here is not checked."""

    names: Mapping[Noun, Collection[str]]

    def note_unknown(self, references: Iterable[Reference], report: Report) -> None:
        """Note every name that nothing has."""
        for reference in references:
            known = self.names.get(reference.noun)
            if known is not None and reference.name not in known:
                message = f"unknown {WORDS[reference.noun]} '{reference.name}'"
                report.add(reference.path, message, did_you_mean(reference.name, known))


def list_problems(checklists: Iterable[Checklist], known: Known) -> dict[str, tuple[Problem, ...]]:
    """Return what is wrong with checklists that read well, by their names."""
    found: dict[str, tuple[Problem, ...]] = {}
    for checklist in checklists:
        report = checklist.report()
        known.note_unknown(of_people(checklist.defaults, ()), report)
        for position, item in enumerate(checklist.items):
            known.note_unknown(of_people(item.options, ("tasks", position)), report)
        if report:
            found[checklist.id] = report.problems()
    return found


def routine_problems(drafts: Mapping[str, RoutineDraft], known: Known) -> dict[str, tuple[Problem, ...]]:
    """Return what is wrong with routines among the others and in their site, by their ids."""
    circles = _circles(drafts)
    renamed: dict[str, str] = {}
    found: dict[str, tuple[Problem, ...]] = {}
    for id_, draft in drafts.items():
        report = draft.report()
        known.note_unknown(draft.references, report)
        if id_ in circles:
            report.add(("schedule",), f"the offsets go in a circle: {circles[id_]}")
        _note_rename(draft, drafts, renamed, report)
        _note_drills(draft, drafts, report)
        _note_windows_of_others(draft, drafts, report)
        if report:
            found[id_] = report.problems()
    return found


def idle_holidays(drafts: Iterable[RoutineDraft], calendars: Mapping[str, Calendar]) -> Iterator[Problem]:
    """Yield, once a routine, an `on_holiday` that does nothing: its calendar knows no holiday at all."""
    empty = {name for name, calendar in calendars.items() if not (calendar.country or calendar.days_off)}
    for draft in drafts:
        rules = draft.routine.schedule.rules if draft.routine else ()
        idle = [at for at, rule in enumerate(rules) if rule.frame.on_holiday != "run" and rule.frame.calendar in empty]
        if idle:
            name = rules[idle[0]].frame.calendar
            report = draft.report()
            message = f"does nothing, as the calendar '{name}' has neither country nor days_off"
            hint = f"write calendars: {{{name}: {{country: NO}}}} in opsrunner.yaml, with your own country"
            report.add(("schedule", idle[0], "on_holiday"), message, hint)
            yield from report.problems()


def _note_rename(
    draft: RoutineDraft, drafts: Mapping[str, RoutineDraft], renamed: dict[str, str], report: Report
) -> None:
    former = draft.routine.renamed_from if draft.routine else None
    if former is None:
        return
    if former in drafts:
        report.add(("renamed_from",), f"the routine '{former}' still exists", "remove its file, or this line")
    elif former in renamed:
        report.add(("renamed_from",), f"'{renamed[former]}' says too that it was '{former}'")
    renamed.setdefault(former, draft.id)


def _note_windows_of_others(draft: RoutineDraft, drafts: Mapping[str, RoutineDraft], report: Report) -> None:
    """Note what goes by a routine that goes by a window: it would not move with that."""
    for position, rule in enumerate(draft.routine.schedule.rules if draft.routine else ()):
        other = drafts.get(rule.of) if isinstance(rule, OffsetRule) else None
        rules = other.routine.schedule.rules if other is not None and other.routine is not None else ()
        window = next((one.of for one in rules if is_of_window(one)), None)
        if other is not None and window is not None:
            message = f"'{other.id}' goes by {window}, and what goes by it would not move with the window"
            report.add(("schedule", position, "of"), message, f"write of: {window}, with the whole offset")


def _note_drills(draft: RoutineDraft, drafts: Mapping[str, RoutineDraft], report: Report) -> None:
    """Note the drills of what no step makes or checks. Of a file with mistakes nobody knows what it would make."""
    for position, step in enumerate(draft.routine.steps if draft.routine else ()):
        if step.kind != "restore_drill" or not isinstance(step.options.get("of"), str):
            continue
        routine, _, wanted = step.options["of"].rpartition("/")
        made_by = drafts.get(routine or draft.id)
        path = ("steps", position, step.kind, "of")
        kind = "backup_check" if step.options.get("with") else "backup"
        if made_by is None:
            report.add(path, f"unknown routine '{routine}'", did_you_mean(routine, drafts))
        elif made_by.routine is not None:
            fitting = [one.id for one in made_by.routine.steps if one.kind == kind]
            if wanted not in fitting:
                where = f" in {routine}" if routine else ""
                report.add(path, f"there is no {kind} step '{wanted}'{where}", _drill_hint(made_by, wanted, fitting))


def _drill_hint(made_by: RoutineDraft, wanted: str, fitting: Sequence[str]) -> str:
    kinds = {one.id: one.kind for one in made_by.routine.steps} if made_by.routine else {}
    if kinds.get(wanted) == "backup_check":
        return "it is a backup_check: say with which command its backups are restored, by 'with'"
    if kinds.get(wanted) == "backup":
        return "it is a backup of ours, which needs no 'with'"
    return did_you_mean(wanted, fitting)


def _circles(drafts: Mapping[str, RoutineDraft]) -> dict[str, str]:
    """Return the routines that wait for themselves, each with its way round: `a → b → a`."""
    targets = {id_: targets for id_, draft in drafts.items() if (targets := _targets(draft))}
    circles = {}
    for start in targets:
        way = _way_back(start, targets)
        if way:
            circles[start] = " → ".join(way)
    return circles


def _targets(draft: RoutineDraft) -> list[str]:
    rules = draft.routine.schedule.rules if draft.routine else ()
    return [rule.of for rule in rules if isinstance(rule, OffsetRule)]


def _way_back(start: str, targets: Mapping[str, list[str]]) -> list[str]:
    ways = [[start, target] for target in targets[start]]
    seen: set[str] = set()
    while ways:
        way = ways.pop()
        if way[-1] == start:
            return way
        if way[-1] not in seen:
            seen.add(way[-1])
            ways.extend([*way, target] for target in targets.get(way[-1], ()))
    return []
