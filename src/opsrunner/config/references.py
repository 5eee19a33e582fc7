"""Names that one file uses and another defines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal, TypeAlias

from opsrunner.config.positions import Path
from opsrunner.model.routine import StepPlan
from opsrunner.records import dataclass
from opsrunner.schedules.working_time import AROUND_THE_CLOCK
from opsrunner.steps.task import TaskDefaults, TaskOptions

Noun: TypeAlias = Literal[
    "holder", "person", "host", "source", "store", "mail template", "routine", "window", "calendar"
]

WORDS: Mapping[Noun, str] = {
    "holder": "role, roster or person",
    "person": "person",
    "host": "host or group",
    "source": "source",
    "store": "store",
    "mail template": "mail template",
    "routine": "routine",
    "window": "maintenance window",
    "calendar": "calendar",
}

_AUDIT: Mapping[str, Noun] = {"hosts": "host", "tasks.role": "holder"}
_OPTIONS: Mapping[str, Mapping[str, Noun]] = {
    "ssh": {"hosts": "host"},
    "patch_audit": _AUDIT,
    "capacity": _AUDIT,
    "hardening": _AUDIT,
    "ask": _AUDIT,
    "query": {"source": "source"},
    "backup": {"to": "store", "also_to": "store", "host": "host"},
    "backup_check": {"store": "store", "host": "host", "expect.source": "source", "expect.hosts": "host"},
    "restore_drill": {"store": "store"},
    "offer_check": {"source": "source"},
    "ticket_clocks": {"source": "source", "customers": "source", "calendar": "calendar"},
    "sample_rows": {"source": "source"},
    "scorecard": {"source": "source", "contract.calendar": "calendar"},
    "cover": {"calendar": "calendar"},
    "notice": {"source": "source", "template": "mail template", "log.source": "source"},
    "email": {"template": "mail template", "to": "holder"},
}
"""Options of step kinds that name something of the site; `a.b` is b of the mapping a."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Reference:
    """A name as it is used at `path` of a file."""

    path: Path
    noun: Noun
    name: str


def of_options(step: StepPlan, path: Path, *, beside: bool) -> Iterator[Reference]:
    """Return the names in the options of `step`, which stands at `path`; templates are left to the run."""
    inside = path if beside else (*path, step.kind)
    for option, noun in _OPTIONS.get(step.kind, {}).items():
        above, _, own = option.rpartition(".")
        options = step.options.get(above) if above else step.options
        if isinstance(options, Mapping) and own in options:
            yield from _named(options[own], (*inside, *option.split(".")), noun)
    yield from _of_lists(step, inside)
    yield from _of_finding_tasks(step.options.get("tasks"), (*inside, "tasks", "escalate"))
    if step.kind == "expiries":
        yield from _of_places(step.options.get("from"), (*inside, "from"))


def _of_lists(step: StepPlan, path: Path) -> Iterator[Reference]:
    """Return the names in mappings that an option holds several of: what a trend counts, targets by priority."""
    if step.kind == "trend":
        counted = step.options.get("of")
        one_by_one = [((*path, "of", at), one) for at, one in enumerate(counted)] if isinstance(counted, list) else []
        for where, one in one_by_one or [((*path, "of"), counted)]:
            if isinstance(one, Mapping) and "source" in one:
                yield from _named(one["source"], (*where, "source"), "source")
    targets = step.options.get("targets") if step.kind == "ticket_clocks" else None
    for name, target in targets.items() if isinstance(targets, Mapping) else ():
        if isinstance(target, Mapping) and "calendar" in target:
            yield from _named(target["calendar"], (*path, "targets", name, "calendar"), "calendar")


def _of_finding_tasks(tasks: Any, path: Path) -> Iterator[Reference]:
    """Return who hears of the tasks that an audit opens."""
    rungs = tasks.get("escalate") if isinstance(tasks, Mapping) else None
    for position, rung in enumerate(rungs or ()):
        if isinstance(rung, Mapping) and "to" in rung:
            yield from _named(rung["to"], (*path, position, "to"), "holder")


def _of_places(places: Any, path: Path) -> Iterator[Reference]:
    """Return the sources that places take names and dates from."""
    for position, place in enumerate(places if isinstance(places, list | tuple) else ()):
        for form in ("", "rdap", "tls"):
            keys = place.get(form) if form and isinstance(place, Mapping) else place
            if isinstance(keys, Mapping) and "source" in keys:
                where = (*path, position, form, "source") if form else (*path, position, "source")
                yield from _named(keys["source"], where, "source")


def of_people(options: TaskDefaults, path: Path) -> Iterator[Reference]:
    """Return who is named in the options of a task or list, which stand at `path`."""
    if options.role:
        yield Reference(path=(*path, "role"), noun="holder", name=options.role)
    for position, rung in enumerate(options.escalate or ()):
        yield Reference(path=(*path, "escalate", position, "to"), noun="holder", name=rung.to)
    if isinstance(options, TaskOptions) and options.approve:
        yield Reference(path=(*path, "approve", "by"), noun="holder", name=options.approve.by)


def _named(value: Any, path: Path, noun: Noun) -> Iterator[Reference]:
    names: Iterable[tuple[Path, Any]] = (
        [((*path, position), item) for position, item in enumerate(value)]
        if isinstance(value, list | tuple)
        else [(path, value)]
    )
    for where, name in names:
        if not isinstance(name, str):
            continue
        is_name = "{{" not in name and "{%" not in name
        is_known = (noun == "holder" and "@" in name) or (noun == "calendar" and name == AROUND_THE_CLOCK)
        if is_name and not is_known:
            yield Reference(path=where, noun=noun, name=name)
