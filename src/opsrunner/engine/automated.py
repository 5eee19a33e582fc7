"""Automated steps of a run: their means, their output files, and what is told of their end."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from opsrunner.clock import Clock
from opsrunner.engine.alerts import Alerts
from opsrunner.engine.copies_in_use import CopiesInUse
from opsrunner.engine.findings import FindingTasks
from opsrunner.engine.follow_ups import FollowUps
from opsrunner.engine.masking import mask_failure, mask_outcome
from opsrunner.engine.notices import NoticeHouse
from opsrunner.engine.outputs import output_file
from opsrunner.engine.people import People
from opsrunner.engine.stopping import StopWord
from opsrunner.engine.turns import Done, Tools, Turn, run_step
from opsrunner.engine.whole_steps import goes_through_all
from opsrunner.errors import OpsrunnerError, StepFailed
from opsrunner.fleet.fleet import Fleet
from opsrunner.ledger.books import Books
from opsrunner.ledger.codec import outcome_to_text
from opsrunner.ledger.whole_copies import copy_ledger
from opsrunner.model.backup import CopyNote
from opsrunner.model.finding import Audited
from opsrunner.model.look import Look
from opsrunner.model.mail import NewMail
from opsrunner.model.outcome import Outcome, Row, StepStatus
from opsrunner.model.routine import Routine, StepPlan
from opsrunner.model.run import Run
from opsrunner.model.site import Host, Site, Source
from opsrunner.model.ticket import TicketLook
from opsrunner.notices.reporting import NoticeReport
from opsrunner.packaged import library
from opsrunner.records import dataclass
from opsrunner.schedules.almanac import Almanac
from opsrunner.schedules.working_time import time_of
from opsrunner.secrets import Vault
from opsrunner.steps.base import Means, StepCall
from opsrunner.steps.kinds import KINDS
from opsrunner.steps.team import Team
from opsrunner.stores.base import Store
from opsrunner.templates.environments import render_options, render_text

MOST_OUTCOME_BYTES = 8_000_000
THIS_MACHINE = Host(name="local", address="127.0.0.1")
TELLS_CUSTOMERS = frozenset({"notice", "suppress"})
"""The kinds that are given what notices may use."""


@dataclass(frozen=True, kw_only=True)
class Automated:
    """Everything an automated step needs; one for all runs."""

    books: Books
    clock: Clock
    site: Callable[[], Site]
    state: Path
    vault: Vault
    fleet: Fleet
    read_source: Callable[[Source, Mapping[str, Any]], tuple[Row, ...]]
    stream_source: Callable[[Source, Mapping[str, Any]], Generator[Row]]
    people: People
    follow_ups: FollowUps
    findings: FindingTasks
    notices: NoticeHouse
    alerts: Alerts
    almanac: Callable[[], Almanac]
    open_store: Callable[[str], Store]
    """Open a store of the site; raises NotFound, StoreFailed."""
    history_of: Callable[[str], str]
    """Tell by which id the history of a routine stands."""
    is_trial: bool = False
    """Mails stay here, whatever the site says."""

    def prepare(
        self,
        run: Run,
        routine: Routine,
        plan: StepPlan,
        *,
        context: Mapping[str, Any],
        workdir: Path,
        stop: StopWord,
    ) -> Callable[[], Done]:
        """Return what runs a step to its end, with all made ready that can be before it is entered.

        What it gives never raises ours: every failure is an outcome.
        """
        ahead = self._first_call(run, routine, plan, context=context, workdir=workdir)
        mails: list[NewMail] = []
        notes: list[CopyNote] = []
        audits: list[Audited] = []
        tickets: list[TicketLook] = []
        told: list[NoticeReport] = []
        looks: list[Look] = []
        means = replace(
            self._means(self.site(), stop, mails, notes),
            found=audits.append,
            looked=looks.append,
            looked_at_tickets=tickets.append,
            notices=self.notices.means(routine, told.append) if plan.kind in TELLS_CUSTOMERS else None,
        )

        def attempt(turn: Turn) -> tuple[Outcome, Sequence[NewMail]]:
            call = ahead.pop() if ahead else self._call(run, routine, plan, turn=turn, workdir=workdir)
            mails.clear()
            return self._attempt(call, plan, means), tuple(mails)

        def begin_act(name: str) -> bool:
            return self.books.acts.begin(name, run=run.id, step=plan.id, at=self.clock.now())

        is_mailed = self.books.outbox.knows
        tools = Tools(clock=self.clock, stopping=stop, attempt=attempt, begin_act=begin_act, is_mailed=is_mailed)

        def work() -> Done:
            done = run_step(plan, context=context, tools=tools)
            return replace(
                done,
                is_of_all_rows=not done.outcome.parts or goes_through_all(routine, plan, context),
                notes=tuple(notes),
                audits=tuple(audits),
                ticket_looks=tuple(tickets),
                notices=tuple(told[-1:]),
                looks=tuple(looks),
            )

        return work

    def report(self, run: Run, routine: Routine, plan: StepPlan, done: Done, *, at: datetime) -> None:
        """Queue the step's mails, open or close its follow-ups, tell the accountable; in the caller's transaction."""
        outcome = done.outcome
        self._keep(run, routine, plan, done, at=at)
        if outcome.status is StepStatus.INTERRUPTED:
            return
        # Of a run for a row one follow-up is about all of it, what was cut off included.
        is_for_row = self.follow_ups.is_for_row(run, routine)
        wanting = [part for part in outcome.parts if part.status.is_bad or (is_for_row and part.was_cut_off)]
        bad = [(part.key, part.message) for part in wanting]
        if outcome.status.is_bad and not bad:
            bad = [("", outcome.message)]
        if plan.follow_up and bad:
            self.follow_ups.failed_for(run, routine, plan, bad=bad, at=at)
        if outcome.status is not StepStatus.SKIPPED and not plan.acts_once:
            self.follow_ups.succeeded(run, routine, plan, keys=_mended(done), at=at)
        if outcome.status.is_bad and outcome.parts and done.is_of_all_rows and not plan.acts_once:
            self.follow_ups.unlisted(run, routine, plan, listed={part.key for part in outcome.parts}, at=at)
        if plan.urgent and outcome.status.is_bad:
            self.alerts.urgent_failure(run, routine, plan, outcome.message, at)

    def _keep(self, run: Run, routine: Routine, plan: StepPlan, done: Done, *, at: datetime) -> None:
        """Write down what a step leaves beside its outcome."""
        self.books.outbox.put(done.mails, at=at)
        self.books.copies.note(done.notes)
        for audited in done.audits:
            self.findings.audited(run, routine, plan, audited, at=at)
        for ticket_look in done.ticket_looks:
            self.books.tickets.write(ticket_look)
        for told in done.notices:
            self.notices.tasks.reported(run, routine, plan, told, at=at)
        for look in () if done.outcome.ended_badly else done.looks:
            self.books.seen_rows.write(look, run=run.id, at=at)

    def _first_call(
        self, run: Run, routine: Routine, plan: StepPlan, *, context: Mapping[str, Any], workdir: Path
    ) -> list[StepCall]:
        """Return the call of a step's first try, where nothing decides first whether and how often there is one."""
        if plan.when is not None or plan.for_each is not None or plan.once is not None:
            return []
        try:
            return [self._call(run, routine, plan, turn=Turn(number=0, context=context), workdir=workdir)]
        except OpsrunnerError:
            return []  # the try itself will come to it again, and answer with it

    def _call(self, run: Run, routine: Routine, plan: StepPlan, *, turn: Turn, workdir: Path) -> StepCall:
        site = self.site()
        return StepCall(
            run_id=run.id,
            run_token=run_token(self.books.ledger.id, run.id),
            routine=routine.id,
            step=plan.id,
            name=plan.name,
            options=self._options(plan, turn.context),
            env=self._environment(plan, turn.context),
            timeout_seconds=plan.timeout_seconds,
            site_root=site.root,
            workdir=workdir,
            output=output_file(self.state, run.id, plan.id, turn.key),
            output_limit_bytes=site.limits.output_bytes,
            rows_as=plan.rows,
            row=turn.row,
            row_key=turn.key,
            context=turn.context,
        )

    def _attempt(self, call: StepCall, plan: StepPlan, means: Means) -> Outcome:
        kind = KINDS[plan.kind]
        if kind.run is None:
            raise StepFailed(f"{plan.kind} is not something a machine does", permanent=True)
        try:
            outcome = kind.run(call, means)
        except StepFailed as exc:
            raise mask_failure(exc, self.vault) from exc
        return mask_outcome(outcome, self.vault)

    def _options(self, plan: StepPlan, context: Mapping[str, Any]) -> object:
        kind = KINDS[plan.kind]
        return kind.parse(render_options(plan.options, context, verbatim=kind.verbatim))

    def _environment(self, plan: StepPlan, context: Mapping[str, Any]) -> dict[str, Any]:
        return {
            name: render_text(value, context) if isinstance(value, str) else value for name, value in plan.env.items()
        }

    def _means(self, site: Site, stop: StopWord, mails: list[NewMail], notes: list[CopyNote]) -> Means:
        return Means(
            clock=self.clock,
            vault=self.vault,
            stopping=stop,
            hosts={THIS_MACHINE.name: THIS_MACHINE, **site.hosts},
            fleet=self.fleet,
            sources=site.sources,
            read_source=self.read_source,
            stream_source=self.stream_source,
            send=mails.extend,
            addresses=lambda name: self.people.addresses(name, at=self.clock.now()),
            reports=_reports(site.root),
            team=lambda: self._team(site),
            open_store=self.open_store,
            copy_state=lambda to: copy_ledger(self.books.ledger.path, to),
            copies=self.books.copies,
            removing=CopiesInUse(self.state).removing,
            history_of=self.history_of,
            dates=self.books.dates,
            rdap=site.rdap,
            ends=self.books.steps.ends,
            samples=self.books.samples.of,
            tickets=self.books.tickets.known,
            working_time=lambda name: time_of(name, almanac=self.almanac(), zone=site.timezone),
            timezone=site.timezone,
            seen_rows=self.books.seen_rows.known,
            is_trial=self.is_trial,
            findings=lambda routine, step: self.books.findings.standing(
                at=self.clock.now(), routine=routine, step=step
            ),
            note=notes.append,
        )

    def _team(self, site: Site) -> Team:
        absences = self.books.absences.live(since=self.clock.now())
        return Team(site=site, absences=absences, tasks=self.books.tasks.opened(), almanac=self.almanac())

    @staticmethod
    def needs_folders(plan: StepPlan) -> bool:
        """Tell whether a step of that kind writes files."""
        return KINDS[plan.kind].writes_files

    @staticmethod
    def capped(done: Done) -> Done:
        """Refuse an outcome that would swell the ledger, instead of keeping half of its rows."""
        size = len(outcome_to_text(done.outcome))
        if size <= MOST_OUTCOME_BYTES:
            return done
        message = f"its {len(done.outcome.rows)} rows are {size // 1_000_000} MB, more than a step may pass on"
        refused = Outcome(status=StepStatus.FAILED, reason="too_large", message=message)
        return replace(done, outcome=refused, mails=())  # what was found out is found out


def _mended(done: Done) -> list[str]:
    """Return the follow-up keys that an end closes: '' for the whole step, else the parts that went well.

    Several rows may have one key: as long as one of them did not go well, the key did not.
    """
    if done.is_of_all_rows and not done.outcome.status.is_bad:
        return [""]
    parts = done.outcome.parts
    amiss = {part.key for part in parts if part.status.is_bad or part.status is StepStatus.INTERRUPTED}
    good = (part.key for part in parts if part.status in (StepStatus.SUCCEEDED, StepStatus.WARNING))
    return [key for key in good if key not in amiss]


@lru_cache(maxsize=8)
def _reports(root: Path) -> tuple[Path, ...]:
    return (root / "reports", library() / "reports")


def run_token(ledger: str, run_id: int) -> str:
    """Return the word that marks every process of a run, unique over all sites of a machine."""
    return f"{ledger}-{run_id}"
