"""How each host stands: what reaches it, and how that ended there last."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from opsrunner.engine.automated import THIS_MACHINE
from opsrunner.engine.desk import Desk
from opsrunner.engine.finding_words import hosts_of
from opsrunner.engine.host_audits import HostAudit, host_audit, host_audits
from opsrunner.engine.moment_words import count_words
from opsrunner.engine.standing_copies import is_in_time
from opsrunner.engine.status_words import WORST_FIRST, tone_of
from opsrunner.errors import StepFailed
from opsrunner.ledger.host_parts import HostPart
from opsrunner.model.digest import Tone
from opsrunner.model.outcome import StepStatus, worst
from opsrunner.model.routine import Routine, StepPlan
from opsrunner.model.site import Host, Site
from opsrunner.model.task import Task
from opsrunner.records import dataclass
from opsrunner.steps.fan_out import select_hosts

LAST_RUNS = 2
"""In the list of all hosts, so many runs of each routine are looked at: one may still be under way."""
RUNS_OF_ONE = 20
MOST_RUNS = 200
"""On the page of one host, so many runs are looked at in all."""


@dataclass(frozen=True, kw_only=True)
class Reach:
    """A step that reaches a host, and how it last ended there; None: not within the runs that were looked at."""

    routine: Routine
    step: StepPlan
    last: HostPart | None
    is_late: bool = False
    """The routine was due again since, and the step did not come to the host."""

    @property
    def tone(self) -> Tone:
        """How it stands; what was fine the last time is nothing that is known once it should have been asked again."""
        tone = "nothing" if self.last is None else tone_of(self.last.status.value)
        return "nothing" if tone == "fine" and self.is_late else tone


@dataclass(frozen=True, kw_only=True)
class HostStanding:
    """A host with what reaches it, worst first, and the open tasks about it."""

    host: Host
    reaches: tuple[Reach, ...]
    tasks: tuple[Task, ...]
    is_trusted: bool = True
    """Whether its key is; this machine needs none."""
    audit: HostAudit = HostAudit()
    """What audits know of it."""

    @property
    def tone(self) -> Tone:
        """The worst of what reaches it; fine only where every step that reaches it was."""
        tones: list[Tone] = [reach.tone for reach in self.reaches]
        if not self.is_trusted and self.reaches:
            tones.append("look")
        first: Tone = min([*tones, "nothing"], key=WORST_FIRST.__getitem__)
        return "nothing" if first == "fine" and "nothing" in tones else first

    @property
    def wrong(self) -> tuple[Reach, ...]:
        """What failed there, or wants a look."""
        return tuple(reach for reach in self.reaches if reach.tone in ("failed", "look"))

    @property
    def fine(self) -> tuple[Reach, ...]:
        """What went well there."""
        return tuple(reach for reach in self.reaches if reach.tone == "fine")

    @property
    def not_asked(self) -> int:
        """How many steps did not come to it within the runs that were looked at, or since they last should have."""
        return sum(reach.tone == "nothing" for reach in self.reaches)


def hosts_by_standing(desk: Desk, *, trusted: Mapping[str, bool], at: datetime) -> list[HostStanding]:
    """Return every host of the inventory, those that want a look first; `trusted` tells whose keys are.

    This machine is among them where a step names it as a host.
    """
    site = desk.site()
    reaching = steps_that_reach(site)
    routines = sorted({routine.id for steps in reaching.values() for routine, _ in steps})
    last = {(part.host, part.routine, part.step): part for part in desk.books.host_parts.last(routines, runs=LAST_RUNS)}
    tasks, audits = _tasks_by_host(desk), host_audits(desk, at=at)
    is_late = _lateness(desk, at)
    found = [
        HostStanding(
            host=host,
            reaches=_reaches(host, reaching.get(host.name, ()), last, is_late=is_late),
            tasks=tuple(tasks.get(host.name, ())),
            is_trusted=trusted.get(host.name, True),
            audit=audits.get(host.name, HostAudit()),
        )
        for host in inventory(site).values()
        if not host.is_local or host.name in reaching
    ]
    return sorted(found, key=lambda one: (WORST_FIRST[one.tone], one.host.is_local, one.host.name))


@dataclass(frozen=True, kw_only=True)
class Visited:
    """A run that came to a host, with how its steps ended there."""

    parts: tuple[HostPart, ...]

    @property
    def newest(self) -> HostPart:
        """The step that ended last."""
        return self.parts[0]

    @property
    def status(self) -> StepStatus:
        """The worst of its steps."""
        return worst([part.status for part in self.parts])

    @property
    def said(self) -> str:
        """What its steps said, the steps that did not end well by their names; those that did, where all did."""
        wrong = [part for part in self.parts if part.status is not StepStatus.SUCCEEDED]
        if not wrong:
            return ", ".join(part.step for part in reversed(self.parts))
        return "; ".join(f"{part.step}: {part.message}" if part.message else part.step for part in reversed(wrong))


@dataclass(frozen=True, kw_only=True)
class HostHistory:
    """One host, with what has ended there of late."""

    standing: HostStanding
    visits: tuple[Visited, ...]
    """Newest first."""
    runs: int
    """So many runs of each routine that reaches it were looked at."""


def host_history(desk: Desk, host: Host, *, is_trusted: bool, at: datetime) -> HostHistory:
    """Return how a host stands and what ended there."""
    steps = steps_that_reach(desk.site()).get(host.name, [])
    routines = sorted({routine.id for routine, _ in steps})
    runs = max(LAST_RUNS, min(RUNS_OF_ONE, MOST_RUNS // max(1, len(routines))))
    parts = desk.books.host_parts.of_host(host.name, routines, runs=runs)
    last: dict[tuple[str, str, str], HostPart] = {}
    visits: dict[int, list[HostPart]] = {}
    for part in parts:
        last.setdefault((part.host, part.routine, part.step), part)
        visits.setdefault(part.run, []).append(part)
    standing = HostStanding(
        host=host,
        reaches=_reaches(host, steps, last, is_late=_lateness(desk, at)),
        tasks=tuple(_tasks_by_host(desk).get(host.name, ())),
        is_trusted=is_trusted,
        audit=host_audit(desk, host.name, at=at),
    )
    came = tuple(Visited(parts=tuple(ended)) for ended in visits.values())
    return HostHistory(standing=standing, visits=came, runs=runs)


def inventory(site: Site) -> dict[str, Host]:
    """Return the hosts of the site, and this machine."""
    return {**site.hosts, THIS_MACHINE.name: THIS_MACHINE}


def steps_that_reach(site: Site) -> dict[str, list[tuple[Routine, StepPlan]]]:
    """Return, by the name of a host, the steps that reach it; a step that names its hosts by a template is left out."""
    found: dict[str, list[tuple[Routine, StepPlan]]] = defaultdict(list)
    hosts = inventory(site)
    for routine in site.routines.values():
        for step in routine.steps:
            for host in _hosts_of(step, hosts):
                found[host.name].append((routine, step))
    return found


def hosts_verdict(standings: Sequence[HostStanding]) -> str:
    """Return the headline of the list of hosts."""
    remote = [one for one in standings if not one.host.is_local]
    if not remote:
        return "No hosts but this machine"
    total = count_words(len(remote), "host")
    wrong = sum(one.tone in ("failed", "look") for one in remote)
    if wrong:
        return f"{wrong} of {total} {'wants' if wrong == 1 else 'want'} a look"
    fine = sum(one.tone == "fine" for one in remote)
    if not fine:
        was_asked = any(reach.last is not None for one in remote for reach in one.reaches)
        return f"None of {total} was asked {'of late' if was_asked else 'yet'}"
    return f"{fine} of {total} {'is' if fine == 1 else 'are'} fine"


def _hosts_of(step: StepPlan, hosts: Mapping[str, Host]) -> list[Host]:
    if not step.asks_hosts:
        return []
    wanted = step.options.get("hosts", ())
    try:
        return select_hosts(wanted if isinstance(wanted, str) else tuple(wanted), hosts)
    except StepFailed:
        return []


def _reaches(
    host: Host,
    steps: Sequence[tuple[Routine, StepPlan]],
    last: Mapping[tuple[str, str, str], HostPart],
    *,
    is_late: Callable[[Routine, datetime], bool],
) -> tuple[Reach, ...]:
    found = []
    for routine, step in steps:
        part = last.get((host.name, routine.id, step.id))
        late = part is not None and is_late(routine, part.at)
        found.append(Reach(routine=routine, step=step, last=part, is_late=late))
    return tuple(sorted(found, key=lambda one: (WORST_FIRST[one.tone], one.routine.name.casefold(), one.step.id)))


def _lateness(desk: Desk, now: datetime) -> Callable[[Routine, datetime], bool]:
    """Return what tells whether a routine was due again since a moment; all hosts of a run share it, so once for all.

    Nothing is late that runs by hand alone: no schedule says when.
    """
    almanac = desk.almanac()
    known: dict[tuple[str, datetime], bool] = {}

    def is_late(routine: Routine, at: datetime) -> bool:
        if not routine.schedule.rules:
            return False
        if (routine.id, at) not in known:
            known[routine.id, at] = not is_in_time(routine, at, now=now, almanac=almanac)
        return known[routine.id, at]

    return is_late


def _tasks_by_host(desk: Desk) -> dict[str, list[Task]]:
    """Return the open tasks about each host: follow-ups keyed by it, and tasks about findings that it has."""
    found: dict[str, list[Task]] = defaultdict(list)
    hosts = inventory(desk.site())
    for task in desk.books.tasks.opened():
        for host in hosts_of(task):
            if host in hosts:
                found[host].append(task)
    return found
