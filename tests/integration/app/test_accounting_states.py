"""Planner and ledger as a state machine: whatever happens, every due time is accounted for exactly once.

The parts are the real ones: ledger, loader, planner, runner, recovery. Time, and how long steps take, are the
test's. What is due is told by a model of its own that walks days and minutes, not by the planner's code.
"""

from __future__ import annotations

import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from opsrunner.app import open_app
from opsrunner.engine.forecast import Forecast, forecast
from opsrunner.errors import StateError
from opsrunner.model.outcome import Outcome, StepStatus
from opsrunner.steps.base import Means, StepCall
from opsrunner.testing import FakeClock, ScriptedStep, failing, scripted_kind

from .unwritten import no_edit_is_written

ZONES = ("Europe/Oslo", "America/New_York", "Australia/Lord_Howe", "UTC")
STARTS = (  # a second past the minute, some days before clocks change or a year ends
    datetime(2026, 10, 22, 9, 0, 1, tzinfo=UTC),
    datetime(2027, 3, 25, 20, 30, 1, tzinfo=UTC),
    datetime(2026, 12, 29, 23, 59, 1, tzinfo=UTC),
)
DAYS_OFF = (*(date(2026, 10, day) for day in (28, 29, 30)), date(2027, 1, 1), date(2027, 3, 29), date(2027, 3, 30))
DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)
SECOND = timedelta(seconds=1)
WEEK = 7 * DAY
Due = tuple[datetime, datetime]
"""When an occurrence is planned, and its nominal moment."""


# What is due: walked day by day, minute by minute.


def on_the_wall(day: date, hour: int, minute: int, zone: str) -> datetime:
    """Return when a wall clock shows a time; the first of two, and the end of the gap where it never does."""
    wall = datetime(day.year, day.month, day.day, hour, minute)
    shown = [moment for fold in (0, 1) if (moment := wall.replace(tzinfo=ZoneInfo(zone), fold=fold).astimezone(UTC))]
    real = [moment for moment in shown if moment.astimezone(ZoneInfo(zone)).replace(tzinfo=None) == wall]
    if real:
        return min(real)
    before = min(shown)
    offset = before.astimezone(ZoneInfo(zone)).utcoffset()
    while before.astimezone(ZoneInfo(zone)).utcoffset() == offset:
        before += MINUTE
    return before


def days_between(after: datetime, until: datetime) -> Iterator[date]:
    for number in range((until - after).days + 6):
        yield (after - 2 * DAY).date() + number * DAY


def moved(day: date) -> date:
    if day not in DAYS_OFF:
        return day
    while day in DAYS_OFF or day.weekday() >= 5:
        day += DAY
    return day


def at_times(*times: tuple[int, int], days: Callable[[date], bool] = lambda _: True) -> Callable[..., list[Due]]:
    def due(after: datetime, until: datetime, zone: str) -> list[Due]:
        found = {on_the_wall(day, *clock, zone) for day in days_between(after, until) if days(day) for clock in times}
        return sorted((moment, moment) for moment in found if after < moment <= until)

    return due


def every_hours(hours: int) -> Callable[..., list[Due]]:
    def due(after: datetime, until: datetime, zone: str) -> list[Due]:
        step = hours * 3600
        first = int(after.timestamp()) // step + 1
        moments = (
            datetime.fromtimestamp(number * step, UTC) for number in range(first, int(until.timestamp()) // step + 1)
        )
        return [(moment, moment) for moment in moments]

    return due


def shifted(after: datetime, until: datetime, zone: str) -> list[Due]:
    pairs = (
        (on_the_wall(moved(day), 9, 0, zone), on_the_wall(day, 9, 0, zone)) for day in days_between(after - WEEK, until)
    )
    return sorted(pair for pair in pairs if after < pair[0] <= until)


HELD_UP = ("overlap", "queued", "paused", "frozen")
"""What may become of a start that is in another one's way: its turn may come when its routine is held."""
SCHEDULES: Mapping[str, Callable[..., list[Due]]] = {
    '{every: day, at: "02:30"}': at_times((2, 30)),
    '{every: day, at: ["01:15", "02:00", "13:00"]}': at_times((1, 15), (2, 0), (13, 0)),
    "{every: 6h}": every_hours(6),
    "{every: 1h}": every_hours(1),
    '{cron: "*/20 9,10 * * 1-5"}': at_times(
        *((hour, minute) for hour in (9, 10) for minute in (0, 20, 40)), days=lambda day: day.weekday() < 5
    ),
    '{every: day, at: "09:00", on_holiday: next business day}': shifted,
}


@dataclass(frozen=True, kw_only=True)
class File:
    """One routine's file, as the test wrote it."""

    schedule: str = "{every: 6h}"
    policy: str = "latest"
    within_hours: int | None = None
    overlap: str = "skip"
    is_long: bool = False
    after_crash: str = "ask"
    tagged: bool = False
    renamed_from: str = ""
    broken: bool = False

    def text(self) -> str:
        """Return the file."""
        if self.broken:
            return "name: [broken\n"
        within = f", within: {self.within_hours}h" if self.within_hours is not None else ""
        return (
            f"name: Routine\naccountable: boss\nschedule: {self.schedule}\n"
            f"catch_up: {{policy: {self.policy}{within}}}\noverlap: {self.overlap}\n"
            + ("tags: [changes]\n" if self.tagged else "")
            + (f"renamed_from: {self.renamed_from}\n" if self.renamed_from else "")
            + f"steps:\n  - scripted: {{say: {'long' if self.is_long else 'short'}}}\n"
            + f"    after_crash: {self.after_crash}\n"
        )


FILES = st.builds(
    File,
    schedule=st.sampled_from(sorted(SCHEDULES)),
    policy=st.sampled_from(["latest", "all", "skip"]),
    within_hours=st.sampled_from([None, None, 2, 30]),
    overlap=st.sampled_from(["skip", "queue"]),
    is_long=st.sampled_from([False, False, True]),
    after_crash=st.sampled_from(["ask", "rerun"]),
    tagged=st.booleans(),
)


@dataclass
class Pause:
    """A pause, as the test asked for it."""

    since: datetime
    until: datetime
    ended: datetime | None = None

    def covers(self, moment: datetime) -> bool:
        return self.since <= moment < self.until and (self.ended is None or moment < self.ended)


@dataclass
class Watched:
    """A routine in force: accounted for up to `mark`. A broken file keeps the site's zone of its last good reading."""

    file: File
    mark: datetime
    zone: str

    def due(self, after: datetime, until: datetime) -> list[Due]:
        return SCHEDULES[self.file.schedule](after, until, self.zone)

    def window(self, latest: datetime) -> timedelta:
        """Return how late an occurrence may run."""
        if self.file.within_hours is not None:
            return timedelta(hours=self.file.within_hours)
        if self.file.policy == "all":
            return WEEK
        return min(WEEK, self.due(latest, latest + 2 * WEEK)[0][0] - latest)


@dataclass(frozen=True, kw_only=True)
class Expected:
    """What the record of an occurrence must say. A start may be held up by a run of the routine."""

    planned: datetime
    verdict: str
    reason: str = ""
    trigger: str = "schedule"
    may_overlap: bool = False


@dataclass
class Model:
    """What must be in the ledger."""

    zone: str = "UTC"
    freeze: tuple[date, date] | None = None
    force: dict[str, Watched] = field(default_factory=dict)
    pauses: dict[str, list[Pause]] = field(default_factory=dict)
    skips: dict[str, set[datetime]] = field(default_factory=dict)
    expected: dict[tuple[str, datetime], Expected] = field(default_factory=dict)
    known: set[str] = field(default_factory=set)

    def account(self, now: datetime, active: set[str]) -> None:
        """Say what becomes of everything that is due until `now`. `active` names routines with a run under way."""
        for name, watched in self.force.items():
            due = watched.due(watched.mark, now)
            held = {pair: self._held(name, watched.file, pair) for pair in due}
            free = {planned: nominal for planned, nominal in due if not held[planned, nominal]}
            for planned, nominal in due:
                if held[planned, nominal]:
                    said = Expected(planned=planned, verdict="skipped", reason=held[planned, nominal])
                elif free[planned] != nominal:
                    said = Expected(planned=planned, verdict="skipped", reason="coalesced")
                else:
                    said = self._late(watched, planned, max(free), now)
                    if said.trigger == "catch_up" and (reason := self._held_at(name, watched.file, now)):
                        said = Expected(planned=planned, verdict="skipped", reason=reason)
                    said = replace(said, may_overlap=name in active or len(free) > 1)
                self.expected.setdefault((name, nominal), said)
            watched.mark = max(watched.mark, now)

    def _held(self, name: str, file: File, due: Due) -> str:
        planned, nominal = due
        if nominal in self.skips.get(name, ()):
            return "asked"
        return self._held_at(name, file, planned)

    def _held_at(self, name: str, file: File, moment: datetime) -> str:
        if any(pause.covers(moment) for pause in self.pauses.get(name, ())):
            return "paused"
        day = moment.astimezone(ZoneInfo(self.zone)).date()
        return "frozen" if file.tagged and self.freeze and self.freeze[0] <= day <= self.freeze[1] else ""

    @staticmethod
    def _late(watched: Watched, planned: datetime, latest: datetime, now: datetime) -> Expected:
        file = watched.file
        is_late = now - planned > MINUTE
        missed = ""
        if file.policy == "skip":
            missed = "policy" if is_late else ""
        elif file.policy == "all":
            missed = "window" if is_late and now - planned > watched.window(planned) else ""
        elif now - latest > watched.window(latest) and now - latest > MINUTE:
            missed = "window"
        elif planned != latest:
            missed = "coalesced"
        if missed:
            return Expected(planned=planned, verdict="missed", reason=missed)
        return Expected(planned=planned, verdict="run", trigger="catch_up" if is_late else "schedule")

    def reload(self, files: Mapping[str, File], now: datetime, put_off: Mapping[str, str], *, is_new: bool) -> None:
        """Put files in force; a broken one leaves what is in force. `put_off` go by their former names for now.

        A daemon that `is_new` does not know what waited under the files before.
        """
        files = {put_off.get(name, name): file for name, file in files.items()}
        for name, file in files.items():
            if file.renamed_from in self.known and name not in self.known and not file.broken:
                self._rename(file.renamed_from, name)
        good = {name: file for name, file in files.items() if not file.broken}
        kept = {name: self.force[name] for name, file in files.items() if file.broken and name in self.force}
        before = self.force
        self.force = kept | {
            name: Watched(file, before[name].mark if name in before else now, self.zone) for name, file in good.items()
        }
        self.known |= self.force.keys()
        if is_new or not files.keys() <= self.known:  # what is new and broken may be what is gone, by another name
            before = {name: watched for name, watched in before.items() if name in self.force and not is_new}
        for name in before:
            self._account_for_waiting(name, before[name], self.force.get(name), now)

    def _account_for_waiting(self, name: str, before: Watched, watched: Watched | None, now: datetime) -> None:
        """Say what becomes of what was due, was moved to later, and is not to come under the file as it is now.

        There is none `watched` where the file was removed.
        """
        due = watched.due(now - 2 * WEEK, now + 2 * WEEK) if watched else []
        coming = {nominal: planned for planned, nominal in due}
        for _, nominal in before.due(now, now + WEEK):
            if nominal <= now and nominal not in coming:
                said = Expected(planned=nominal, verdict="skipped", reason="edited")
                self.expected.setdefault((name, nominal), said)
            elif nominal <= now and coming[nominal] <= now:
                said = Expected(planned=coming[nominal], verdict="late", may_overlap=True)
                self.expected.setdefault((name, nominal), said)

    def _rename(self, old: str, new: str) -> None:
        tables: tuple[dict[str, Any], ...] = (self.force, self.pauses, self.skips)
        for table in tables:
            if old in table:
                table[new] = table.pop(old)
        self.known = self.known - {old} | {new}
        self.expected = {(new if name == old else name, at): said for (name, at), said in self.expected.items()}

    def set_back(self, now: datetime) -> None:
        """Take back what was said of times that have not come."""
        for watched in self.force.values():
            watched.mark = min(watched.mark, now)
        for pause in (pause for pauses in self.pauses.values() for pause in pauses):
            pause.since = min(pause.since, now)
            pause.ended = None if pause.ended is None else min(pause.ended, now)


class Killed(BaseException):
    """The process is gone."""


class Machine(RuleBasedStateMachine):
    """A daemon that lives, dies, and is meddled with."""

    folder: str = "/dev/shm" if Path("/dev/shm").is_dir() else tempfile.gettempdir()

    @initialize(
        start=st.sampled_from(STARTS), zone=st.sampled_from(ZONES), files=st.lists(FILES, min_size=1, max_size=3)
    )
    def begin(self, start: datetime, zone: str, files: list[File]) -> None:
        self.root = Path(tempfile.mkdtemp(dir=self.folder))
        self.clock = FakeClock(start)
        self.born = start
        self.model = Model(zone=zone)
        self.released, self.blocked = set[int](), set[int]()
        self.finals = dict[int, tuple[Any, ...]]()
        self.count = 0
        self.files = dict[str, File]()
        self.removed = dict[str, File]()
        self.freeze: tuple[date, date] | None = None
        self.zone = zone
        self.latest = start
        self.stepped_minutes = 0  # since the last pass
        (self.root / "routines").mkdir(mode=0o700)
        self.scripted = scripted_kind(ScriptedStep(answers=[self.work]))
        self.scripted.__enter__()
        self.is_up = self.is_held = False
        self.write_site()
        for file in files:
            self.write(self.fresh(), file)
        self.open()

    def teardown(self) -> None:
        if hasattr(self, "scripted"):
            self.let_go()
            self.scripted.__exit__(None, None, None)
            shutil.rmtree(self.root, ignore_errors=True)

    # The house.

    def work(self, call: StepCall, means: Means) -> Outcome:
        """Be a step: a long one ends when it is released, or its daemon does."""
        life = self.life
        while call.options.say == "long" and call.run_id not in self.released:
            self.blocked.add(call.run_id)
            if life.is_set():
                raise failing("the daemon is gone")
            if means.stopping.is_set():
                self.blocked.discard(call.run_id)
                return Outcome(status=StepStatus.INTERRUPTED, message="stopped")
            time.sleep(0.0005)
        self.blocked.discard(call.run_id)
        return Outcome(status=StepStatus.SUCCEEDED)

    def fresh(self) -> str:
        self.count += 1
        return f"routine-{self.count}"

    def write(self, name: str, file: File | None) -> None:
        path = self.root / "routines" / f"{name}.yaml"
        if file is None:
            self.files.pop(name)
            path.unlink()
            return
        self.files[name] = file
        new = path.with_suffix(".new")
        new.write_text(file.text(), encoding="utf-8")
        new.chmod(0o600)
        new.rename(path)

    def write_site(self) -> None:
        first_last = self.freeze
        freezes = (
            f"freezes: [{{from: {first_last[0]}, until: {first_last[1]}, tags: [changes], reason: A test}}]\n"
            if first_last
            else ""
        )
        path = self.root / "opsrunner.yaml"
        path.with_suffix(".new").write_text(
            f"site: Example\ntimezone: {self.zone}\nmail: {{from: ops@example.com}}\n"
            "people:\n  boss: {name: The owner, email: owner@example.com, roles: [owner]}\n"
            f"calendars:\n  business: {{days_off: [{', '.join(map(str, DAYS_OFF))}]}}\n{freezes}",
            encoding="utf-8",
        )
        path.with_suffix(".new").chmod(0o600)
        path.with_suffix(".new").rename(path)

    def open(self) -> None:
        self.life = threading.Event()
        self.blocked.clear()
        self.app = open_app(self.root, clock=self.clock)
        service = self.app.daemon_parts()
        self.daemon, self.workers = service.daemon, service.workers
        self.is_up = True
        self.daemon.begin()
        if not self.is_held:
            self.reload(is_new=True)
        self.one_pass()

    def reload(self, *, is_new: bool = False) -> None:
        """Follow a reload, which happens now."""
        self.model.zone, self.model.freeze = self.zone, self.freeze
        in_force = self.app.site.routines
        put_off = {  # a run of the former name is under way
            name: file.renamed_from
            for name, file in self.files.items()
            if file.renamed_from in in_force and name not in in_force
        }
        self.model.reload(self.files, self.clock.now(), put_off, is_new=is_new)

    def settle(self, *, or_when: Callable[[], bool] = lambda: False) -> None:
        """Wait until every run has ended or is in a long step."""
        deadline = time.monotonic() + 10
        while set(self.workers.busy()) - (self.blocked - self.released) and not or_when():
            assert time.monotonic() < deadline, self.workers.busy()
            time.sleep(0.0005)

    def one_pass(self, *, with_forecast: bool = False, is_written: bool = True) -> None:
        """Do one pass of the daemon, and in the model what it must come to; without room no edit `is_written`."""
        now = self.clock.now()
        foretold = self.foretell(now) if with_forecast else None
        active = {run.routine for run in self.app.books.runs.active()}
        with nullcontext() if is_written else no_edit_is_written(self.app.books):
            for _ in range(2):  # a pass that starts something leaves the rest to the next look
                with nullcontext() if is_written else suppress(StateError):
                    self.daemon.work_once()
        if not self.is_held:
            self.stepped_minutes = 0
            if now < self.latest:
                self.take_back(now)
            self.latest = now
            self.model.account(now, active)
            if is_written:
                self.reload()
            self.model.account(now, active)
        self.settle()
        if foretold is not None:
            self.compare(foretold, now)

    def take_back(self, now: datetime) -> None:
        self.model.set_back(now)
        rows = self.rows()
        for key, said in list(self.model.expected.items()):
            may_stand = said.verdict in ("run", "late")
            if said.planned > now and (not may_stand or (said.may_overlap and key not in rows)):
                del self.model.expected[key]

    def pass_soon(self) -> None:
        """Let a few seconds pass, enough to see files and requests, then work."""
        self.clock.move(seconds=6)
        self.one_pass()
        self.clock.move(seconds=54)
        self.one_pass()

    def let_go(self) -> None:
        """End the process without a goodbye: from here on nothing it does is written."""
        if not self.is_up:
            return
        self.is_up = False
        refuse(self.app.books)
        self.life.set()
        self.app.draining.set()
        self.app.hurry.set()
        self.workers.close(grace_seconds=0, hurry=self.app.hurry)
        self.app.close()

    def rows(self) -> dict[tuple[str, datetime], Any]:
        return {
            (row["routine"], datetime.fromisoformat(row["nominal_at"])): row
            for row in self.app.books.ledger.all("SELECT * FROM runs WHERE nominal_at IS NOT NULL")
        }

    def foretell(self, now: datetime) -> list[Forecast]:
        planned_at = self.app.books.service.planned_at() or now
        return self.forecast(planned_at, now, planned_at)

    def forecast(self, after: datetime, until: datetime, now: datetime) -> list[Forecast]:
        app = self.app
        return forecast(app.site, app.almanac, from_=after, until=until, now=now, books=app.books, people=app.people)

    def compare(self, foretold: list[Forecast], now: datetime) -> None:
        """What was said to come is what the pass did, and each was said once."""
        rows = self.rows()
        assert len({(one.routine, one.nominal_at) for one in foretold}) == len(foretold)
        for one in foretold:
            row = rows[one.routine, one.nominal_at]
            assert datetime.fromisoformat(row["planned_at"]) == one.planned_at
            if one.run is None and one.status == "skipped":
                assert (row["status"], row["reason"]) == ("skipped", one.reason)
            elif one.run is None:
                assert row["started_at"] or row["reason"] in HELD_UP, dict(row)

    # What happens.

    @precondition(lambda self: self.is_up and not self.is_held)
    @rule(minutes=st.sampled_from([1, 7, 60, 400, 1500, 4000]))
    def tick_on_time(self, minutes: int) -> None:
        """Time passes, and the daemon wakes for whatever is due."""
        until = self.clock.now() + minutes * MINUTE
        for _ in range(60):
            coming = [
                planned for watched in self.model.force.values() for planned, _ in watched.due(self.clock.now(), until)
            ]
            if not coming:
                break
            self.clock.set(min(coming) + SECOND)
            self.one_pass(with_forecast=True)
        self.clock.set(max(until, self.clock.now()))
        self.one_pass()

    @precondition(lambda self: self.is_up and not self.is_held)
    @rule(hours=st.sampled_from([1, 5, 26, 80, 200]))
    def sleep(self, hours: int) -> None:
        """The machine sleeps over what is due."""
        self.clock.move(hours=hours)
        self.one_pass()

    @precondition(lambda self: self.is_up)
    @rule()
    def stop(self) -> None:
        """The daemon is told to stop."""
        self.app.draining.set()
        self.app.hurry.set()
        self.workers.close(grace_seconds=0, hurry=self.app.hurry)
        self.app.close()
        self.is_up = False

    @precondition(lambda self: self.is_up)
    @rule()
    def crash(self) -> None:
        self.let_go()

    @precondition(lambda self: self.is_up and not self.is_held)
    @rule(after=st.integers(0, 12), minutes=st.sampled_from([1, 60, 500]))
    def crash_within_a_pass(self, after: int, minutes: int) -> None:
        """The process dies before one of the transactions of a pass."""
        self.pass_soon()
        self.clock.move(minutes=minutes)
        now = self.clock.now()
        active = {run.routine for run in self.app.books.runs.active()}
        with killed_after(self.app.books, after) as is_killed:
            try:
                self.daemon.work_once()
                self.daemon.work_once()
                self.settle(or_when=is_killed)
            except Killed:
                pass
        planned_at = self.app.books.service.planned_at()
        self.let_go()
        if planned_at == now:
            self.model.account(now, active)
            self.latest = now

    @precondition(lambda self: not self.is_up)
    @rule(hours=st.sampled_from([0, 0, 1, 10, 30, 200]), reboots=st.booleans())
    def start(self, hours: int, reboots: bool) -> None:
        self.clock.move(hours=hours, seconds=0 if hours else 60)
        if reboots:
            self.clock.reboot()
        self.open()

    @rule(data=st.data(), to=FILES)
    def edit(self, data: st.DataObject, to: File) -> None:
        names = [name for name, file in self.files.items() if not file.broken]
        if names:
            name = data.draw(st.sampled_from(names))
            self.write(name, replace(to, renamed_from=self.files[name].renamed_from))
            self.notice()

    @precondition(lambda self: self.is_up and not self.is_held)
    @rule(data=st.data(), to=FILES, zone=st.sampled_from(ZONES), minutes=st.sampled_from([0, 60, 400, 1500]))
    def edit_while_there_is_no_room(self, data: st.DataObject, to: File, zone: str, minutes: int) -> None:
        """The edit cannot be written for a while, and what is due then goes by what was in force."""
        names = [name for name, file in self.files.items() if not file.broken]
        if names:
            name = data.draw(st.sampled_from(names))
            self.write(name, replace(to, renamed_from=self.files[name].renamed_from))
            self.zone = zone
            self.write_site()
            for seconds in (5, 60 * minutes, 5):
                self.clock.move(seconds=seconds)
                self.one_pass(is_written=False)
            self.clock.move(seconds=50)
            self.one_pass()

    @precondition(lambda self: self.is_up and not self.is_held)
    @rule(data=st.data(), to=st.none() | FILES)
    def edit_or_remove_in_the_second_that_it_is_due(self, data: st.DataObject, to: File | None) -> None:
        names = [name for name, file in self.files.items() if name in self.model.force and not file.broken]
        if names:
            self.pass_soon()
            name = data.draw(st.sampled_from(names))
            if to is None and not self.files[name].renamed_from:
                self.removed[name] = self.files[name]
            new = None if to is None else replace(to, renamed_from=self.files[name].renamed_from)
            self.clock.set(self.model.force[name].due(self.clock.now(), self.clock.now() + WEEK)[0][0] + SECOND)
            self.write(name, new)
            self.one_pass()

    @rule(file=FILES)
    def add(self, file: File) -> None:
        if len(self.files) < 4:
            self.write(self.fresh(), file)
            self.notice()

    @rule(data=st.data())
    def break_or_mend(self, data: st.DataObject) -> None:
        names = [name for name in self.files if name in self.model.force]
        if names:
            name = data.draw(st.sampled_from(names))
            file = self.files[name]
            self.write(name, replace(file, broken=not file.broken))
            self.notice()

    @rule(data=st.data())
    def rename(self, data: st.DataObject) -> None:
        names = [name for name, file in self.files.items() if name in self.model.force and not file.broken]
        if names:
            old, new = data.draw(st.sampled_from(names)), self.fresh()
            file = self.files[old]
            self.write(old, None)
            self.write(new, replace(file, renamed_from=old))
            self.notice(whole=True)

    @rule(data=st.data())
    def rename_with_a_mistake(self, data: st.DataObject) -> None:
        """The new file is mended soon."""
        names = [name for name, file in self.files.items() if name in self.model.force and not file.broken]
        if names:
            old, new = data.draw(st.sampled_from(names)), self.fresh()
            file = replace(self.files[old], renamed_from=old)
            self.write(old, None)
            self.write(new, replace(file, broken=True))
            self.notice(whole=True)
            self.write(new, file)
            self.notice(whole=True)

    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        names = [name for name, file in self.files.items() if not file.broken and not file.renamed_from]
        if names:
            name = data.draw(st.sampled_from(names))
            self.removed[name] = self.files[name]
            self.write(name, None)
            self.notice()

    @rule(data=st.data())
    def bring_back(self, data: st.DataObject) -> None:
        if self.removed:
            name = data.draw(st.sampled_from(sorted(self.removed)))
            self.write(name, self.removed.pop(name))
            self.notice()

    @rule(zone=st.sampled_from(ZONES))
    def move_zone(self, zone: str) -> None:
        self.zone = zone
        self.write_site()
        self.notice()

    @rule(days=st.integers(-1, 3), length=st.integers(0, 4), lifted=st.booleans())
    def freeze_a_while(self, days: int, length: int, lifted: bool) -> None:
        first = self.clock.now().date() + days * DAY
        self.freeze = None if lifted else (first, first + length * DAY)
        self.write_site()
        self.notice()

    def notice(self, *, whole: bool = False) -> None:
        """Let a daemon that lives see the change."""
        if self.is_up and (not self.is_held or whole):
            self.pass_soon()

    @precondition(lambda self: self.is_up and self.model.force)
    @rule(data=st.data(), hours=st.sampled_from([1, 9, 50]))
    def pause(self, data: st.DataObject, hours: int) -> None:
        self.hold_up(data.draw(st.sampled_from(sorted(self.model.force))), hours=hours)

    def hold_up(self, name: str, *, hours: int) -> None:
        now = self.clock.now()
        until = now + timedelta(hours=hours)
        self.app.books.holds.pause(name, until=until, reason="a test", actor="boss", at=now)
        self.end_pauses(name, now)
        self.model.pauses.setdefault(name, []).append(Pause(now, until))

    @precondition(lambda self: self.is_up and self.model.force)
    @rule(data=st.data())
    def resume(self, data: st.DataObject) -> None:
        name, now = data.draw(st.sampled_from(sorted(self.model.force))), self.clock.now()
        self.app.books.holds.resume(name, actor="boss", at=now)
        self.end_pauses(name, now)

    def end_pauses(self, name: str, now: datetime) -> None:
        for pause in self.model.pauses.get(name, ()):
            if pause.ended is None and pause.until > now:
                pause.ended = now

    @precondition(lambda self: self.is_up and not self.is_held and self.model.force)
    @rule(data=st.data())
    def skip_next(self, data: st.DataObject) -> None:
        name, now = data.draw(st.sampled_from(sorted(self.model.force))), self.clock.now()
        coming = self.model.force[name].due(now, now + WEEK)
        nominal = coming[0][1]
        self.app.books.holds.skip(name, nominal_at=nominal, reason="a test", actor="boss", at=now)
        self.model.skips.setdefault(name, set()).add(nominal)

    @precondition(lambda self: self.is_up and self.blocked)
    @rule()
    def end_long_runs(self) -> None:
        self.released |= set(self.blocked)
        self.settle()
        if not self.is_held:
            self.pass_soon()

    @rule(minutes=st.sampled_from([-1300, -120, -30, -1, 1, 30, 120, 1300]))
    def step_a_little(self, minutes: int) -> None:
        """The clock is set, by less than a day: it is believed at once."""
        if abs(self.stepped_minutes + minutes) > 1300:
            return
        self.stepped_minutes += minutes
        self.clock.step(minutes=minutes)
        if self.is_up:
            self.one_pass()

    @precondition(lambda self: self.is_up and not self.is_held)
    @rule(hours=st.sampled_from([2, 7, 21]), pauses=st.booleans(), file=FILES)
    def step_ahead_and_back(self, hours: int, pauses: bool, file: File) -> None:
        """The clock is ahead for a while, people go by it, and then it is set right."""
        self.one_pass()
        self.clock.step(hours=hours)
        self.one_pass()
        if len(self.files) < 4:
            self.write(self.fresh(), file)
            self.pass_soon()
        if pauses:
            for name in sorted(self.model.force):
                self.hold_up(name, hours=50)
        self.clock.step(hours=-hours)
        self.one_pass()

    @precondition(lambda self: self.is_up and not self.is_held)
    @rule(days=st.sampled_from([2, 9, 4000, -2, -9]), minutes=st.sampled_from([0, 1, 9]), restarts=st.booleans())
    def step_far_and_back(self, days: int, minutes: int, restarts: bool) -> None:
        """The clock is wrong by days for some minutes: nothing happens for it."""
        self.one_pass()
        before = {
            key: tuple(row) for key, row in self.rows().items() if row["finished_at"] or row["status"] == "waiting"
        }
        self.clock.step(days=days)
        self.is_held = True
        if restarts:
            self.let_go()
            self.open()
        self.one_pass()
        self.clock.move(minutes=minutes)
        self.one_pass()
        after = {
            key: tuple(row) for key, row in self.rows().items() if row["finished_at"] or row["status"] == "waiting"
        }
        assert after == before
        assert not self.daemon.is_healthy()
        self.is_held = False
        self.clock.step(days=-days)
        if restarts:
            self.reload_after_hold()
        self.one_pass()
        assert self.daemon.is_healthy()

    def reload_after_hold(self) -> None:
        """A daemon that began under a clock in doubt puts the site in force when it is over."""
        self.reload(is_new=True)

    @precondition(lambda self: self.is_up and not self.is_held)
    @rule(days=st.sampled_from([2, 9, 20, -2, -9]))
    def step_far_for_good(self, days: int) -> None:
        """The clock is set by days and stays: it is believed after ten minutes, unless it is before the ledger."""
        self.one_pass()
        now = self.clock.now()
        is_wrong = now + days * DAY < self.born + DAY
        if is_wrong:
            return
        self.is_held = True
        self.clock.step(days=days)
        self.one_pass()
        self.clock.move(minutes=9)
        self.one_pass()
        self.is_held = False
        self.clock.move(minutes=1)
        self.one_pass()

    # What must hold, always.

    @invariant()
    def each_due_time_has_its_record(self) -> None:
        if not getattr(self, "is_up", False):
            return
        rows = self.rows()
        expected = self.model.expected
        unknown, missing = sorted(rows.keys() - expected.keys()), sorted(expected.keys() - rows.keys())
        assert (unknown, missing) == ([], [])
        for key, said in expected.items():
            row = rows[key]
            assert datetime.fromisoformat(row["planned_at"]) == said.planned, (key, dict(row))
            if said.verdict == "late":
                continue  # by its policy, what holds it, and what is in its way
            if said.verdict != "run":
                assert (row["status"], row["reason"]) == (said.verdict, said.reason), (key, said, dict(row))
            elif not said.may_overlap:
                assert row["started_at"], (key, said, dict(row))
                assert row["trigger"] == said.trigger, (key, said, dict(row))
            else:
                assert row["started_at"] or row["reason"] in HELD_UP, (key, said, dict(row))

    @invariant()
    def what_is_final_stays_and_nothing_succeeds_twice(self) -> None:
        if not getattr(self, "is_up", False):
            return
        ledger = self.app.books.ledger
        finals = {
            row["id"]: (row["nominal_at"], row["status"], row["reason"], row["finished_at"])
            for row in ledger.all("SELECT * FROM runs WHERE finished_at IS NOT NULL")
        }
        for run, said in self.finals.items():
            assert finals.get(run, said) == said
            assert run in finals or said[1] in ("skipped", "missed"), said
        self.finals = finals
        running = [run for run in self.app.books.runs.active() if run.status.value == "running"]
        assert len({run.routine for run in running}) == len(running)
        assert {run.id for run in running} == set(self.workers.busy())
        assert ledger.all("SELECT run FROM steps WHERE status = 'succeeded' GROUP BY run HAVING count(*) > 1") == []

    @invariant()
    def the_calendar_of_the_past_is_the_ledger(self) -> None:
        if not getattr(self, "is_up", False) or self.is_held:
            return
        now = self.clock.now()
        shown = self.forecast(now - 4 * DAY, now, now)
        kept = {
            (key, row["status"], row["reason"])
            for key, row in self.rows().items()
            if now - 4 * DAY < datetime.fromisoformat(row["planned_at"]) <= now
        }
        assert {((one.routine, one.nominal_at), one.status, one.reason) for one in shown} == kept
        assert len(shown) == len(kept)


def refuse(books: Any) -> None:
    """Let nothing more be written: the process is dead."""

    @contextmanager
    def transaction(**_: object) -> Iterator[None]:
        raise StateError("the process is gone")
        yield

    books.ledger.transaction = books.transaction = transaction


@contextmanager
def killed_after(books: Any, count: int) -> Iterator[Callable[[], bool]]:
    """Kill the process before transaction number `count` from here; its threads write nothing from then on."""
    plain, left = books.ledger.transaction, [count]
    main = threading.current_thread()

    @contextmanager
    def transaction(**keywords: Any) -> Iterator[None]:
        if getattr(books.ledger._local, "writes", False):
            yield
            return
        if left[0] <= 0:
            if threading.current_thread() is main:
                raise Killed
            raise StateError("the process is gone")
        left[0] -= 1
        with plain(**keywords):
            yield

    books.ledger.transaction = books.transaction = transaction
    try:
        yield lambda: left[0] <= 0
    finally:
        left[0] = 0


def play(examples: int, steps: int) -> None:
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_every_due_time_is_accounted_for_once_whatever_happens() -> None:
    play(examples=25, steps=25)


@pytest.mark.soak
def test_every_due_time_is_accounted_for_once_over_long_lives() -> None:
    play(examples=250, steps=60)
    print("250 lives of up to 60 acts each: every due time has its one record")
