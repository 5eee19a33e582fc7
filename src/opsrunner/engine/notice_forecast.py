"""What notices will send until a moment: to whom, what, when, by the sources as they are now."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import islice
from typing import Any, TypeAlias

from opsrunner.engine.downtime_forecast import downtime_notices, foresee_downtimes
from opsrunner.engine.foretold import LIVE, MOST_FORESEEN, NOT_LIVE, WAITS, NoticeForecast
from opsrunner.engine.held import world_of
from opsrunner.engine.notices import NoticeHouse
from opsrunner.engine.planner import left_out_because
from opsrunner.errors import NotFound, OpsrunnerError, StepFailed
from opsrunner.model.notice import Occasion, Suppression
from opsrunner.model.outcome import Row
from opsrunner.model.routine import Routine, StepPlan
from opsrunner.model.site import Source
from opsrunner.notices.composing import Composer
from opsrunner.notices.due import Rules
from opsrunner.notices.editions import edition_of, has_passed, heard_by
from opsrunner.notices.foresight import Ahead, Foreseen, foresee, foresee_cancelled
from opsrunner.notices.messages import NoticeProblem
from opsrunner.notices.passing import BATCH
from opsrunner.notices.rows import NoticeColumns, RowReader
from opsrunner.notices.silence import prolonged, silenced, why_silent
from opsrunner.notices.vanishing import why_not_all
from opsrunner.schedules.due import occurrences
from opsrunner.secrets import Vault
from opsrunner.steps.kinds import KINDS
from opsrunner.steps.notice import Options
from opsrunner.steps.notice_name import notice_name
from opsrunner.steps.notice_run import notice_fingerprint, notice_rules, open_composer
from opsrunner.steps.query import Options as QueryOptions
from opsrunner.templates.environments import render_options


def notice_steps(house: NoticeHouse, name: str = "") -> list[tuple[Routine, StepPlan]]:
    """Return the steps of the site that are notices, or those of a routine, or the one of that name."""
    return [
        (routine, plan)
        for routine in house.desk.site().routines.values()
        for plan in routine.steps
        if plan.kind == "notice" and name in ("", routine.id, notice_name(routine.id, plan.id))
    ]


def foresee_notices(house: NoticeHouse, *, until: datetime, vault: Vault, name: str = "") -> list[NoticeForecast]:
    """Return all notices of routines, windows and incidents with what each sends until a moment. Raises NotFound.

    `name` is a routine, one notice of it, `maintenance.WINDOW` or `incident`; '' for all.
    """
    steps, others = notice_steps(house, name), downtime_notices(house.desk.site())
    downtimes = foresee_downtimes(house, until=until, name=name)
    if name and not steps and not downtimes and name not in others:
        known = [*sorted({routine.id for routine, _ in notice_steps(house)}), *others]
        there = f"; there are: {', '.join(known)}" if known else "; no routine has one"
        raise NotFound(f"there is no notice '{name}'{there}")
    routines = [_Forecast(house, routine, plan, until=until, vault=vault).made() for routine, plan in steps]
    return [*routines, *downtimes]


Silent: TypeAlias = Mapping[str, Sequence[Suppression]]
"""What holds back mails, by address."""


class _Forecast:
    """The forecast of one notice."""

    def __init__(self, house: NoticeHouse, routine: Routine, plan: StepPlan, *, until: datetime, vault: Vault) -> None:
        self._house, self._routine, self._plan, self._until, self._vault = house, routine, plan, until, vault
        self._now = house.now()
        self._notice = notice_name(routine.id, plan.id)
        self._means = house.means(routine, lambda _report: None)
        self._coming: list[Foreseen] = []
        self._unknown, self._first_problem = 0, ""

    def made(self) -> NoticeForecast:
        base = NoticeForecast(
            notice=self._notice,
            routine=self._routine.id,
            name=self._plan.name or self._routine.name,
            standing=NOT_LIVE,
            mode=str(self._plan.options.get("mode", "send")),
        )
        try:
            return self._whole(base)
        except OpsrunnerError as exc:
            return replace(base, problem=exc.message)

    def _whole(self, base: NoticeForecast) -> NoticeForecast:
        options = self._options()
        rules = notice_rules(options, self._means)
        composer = None if options.log else self._composer(options)
        standing = self._standing(options, composer)
        self._walk(options, rules, state="watched" if options.log else "goes" if standing == LIVE else "held")
        show = composer.show if composer else None
        return replace(
            base,
            standing=standing,
            coming=tuple(sorted(self._coming, key=lambda one: (one.goes_at, one.message.due_at))),
            unknown=self._unknown,
            first_problem=self._first_problem,
            compose=(lambda one: show(one.message, at=one.goes_at)) if show else None,
        )

    def _options(self) -> Options:
        kind, zone = KINDS["notice"], self._means.zone
        here = self._now.astimezone(zone)
        context: Mapping[str, Any] = {
            "site": {"name": self._means.site, "timezone": zone.key},
            "routine": {
                "id": self._routine.id,
                "name": self._routine.name,
                "accountable": self._routine.accountable,
            },
            "now": here,
            "today": here.date(),
        }
        options = kind.parse(render_options(self._plan.options, context, verbatim=kind.verbatim))
        assert isinstance(options, Options)  # noqa: S101  the kind's own
        return options

    def _composer(self, options: Options) -> Composer:
        return open_composer(
            options,
            notice=self._notice,
            means=self._means,
            folders=self._house.desk.reports,
            vault=self._vault,
            now=self._now,
        )

    def _standing(self, options: Options, composer: Composer | None) -> str:
        if composer is None or self._means.is_trial:
            return LIVE
        if not options.live:
            return NOT_LIVE
        word = notice_fingerprint(options, composer, self._means)
        return LIVE if self._means.approved(self._notice, word) else WAITS

    def _walk(self, options: Options, rules: Rules, *, state: str) -> None:
        """Go through all rows, batch by batch, as a pass does."""
        columns = NoticeColumns(key=options.key, at=options.at, until=options.until, to=options.to, name=options.name)
        reader = RowReader(columns, notice=self._notice, zone=self._means.zone)
        ahead, rows = self._ahead(), self._rows(options)
        done: set[tuple[str, str]] = set()
        seen: dict[str, tuple[datetime, datetime | None] | None] = {}
        tells_moves = options.moved == "tell"
        count = 0
        while batch := list(islice(rows, BATCH)):
            count += len(batch)
            occasions: list[Occasion] = []
            for row in batch:
                key, occasion, problems = reader.read(row)
                moments = None if occasion is None else (occasion.at, occasion.until)
                if moments is not None and (seen.get(key) or moments) != moments:
                    occasion, problems = None, [_differs(key)]
                seen[key] = seen.get(key) or moments
                self._count(problems)
                if occasion is not None:
                    occasions.append(occasion)
            self._foresee(occasions, rules, ahead, done=done, state=state, tells_moves=tells_moves)
        if tells_moves and state == "goes":
            self._foresee_gone(seen, ahead, rows=count)

    def _count(self, problems: Sequence[NoticeProblem]) -> None:
        self._unknown += len(problems)
        if problems and not self._first_problem:
            self._first_problem = f"{problems[0].key or 'a row'}: {problems[0].problem}"

    def _foresee_gone(self, seen: Collection[str], ahead: Ahead, *, rows: int) -> None:
        """Foretell that occasions are cancelled whose rows come no more. Raises StepFailed where that is the source."""
        first, notices = ahead.first_at(self._now), self._means.notices
        if first is None or first > self._until:
            return
        left = [key for key in notices.live_keys(self._notice) if key not in seen]
        gone = notices.occasions(self._notice, left)
        missed = [one for one in gone.values() if not has_passed(one, now=first)]
        counts = notices.occasion_counts(self._notice)
        were = sum(one.count for one in counts if first < (one.until or one.at))
        if why := why_not_all(rows=rows, gone=len(missed), were=were):
            raise StepFailed(why)
        told = notices.told(self._notice, [one.key for one in missed])
        for known in missed:
            found = list(foresee_cancelled(known, told.get(known.key, ()), notice=self._notice, first=first))
            self._keep(found, silent=self._silent({one.message.recipient.address for one in found}), state="goes")

    def _foresee(
        self,
        occasions: Sequence[Occasion],
        rules: Rules,
        ahead: Ahead,
        *,
        done: set[tuple[str, str]],
        state: str,
        tells_moves: bool,
    ) -> None:
        keys = [occasion.key for occasion in occasions]
        known = self._means.notices.occasions(self._notice, keys)
        told = self._means.notices.told(self._notice, keys)
        silent = self._silent({one.address for occasion in occasions for one in occasion.recipients})
        first = ahead.first_at(self._now) or self._now
        for occasion in occasions:
            edition = edition_of(occasion, known.get(occasion.key), now=first, rows={})
            for recipient in occasion.recipients:
                if (occasion.key, recipient.address) in done:
                    continue
                done.add((occasion.key, recipient.address))
                mine = [one for one in told.get(occasion.key, ()) if one.recipient == recipient.address]
                found = foresee(
                    occasion,
                    recipient,
                    edition=edition,
                    heard=heard_by(mine, edition=edition),
                    rules=rules,
                    ahead=ahead,
                    tells_moves=tells_moves,
                )
                of = silent.get(recipient.address, ())
                if tells_moves and edition.was_at is not None:
                    of = [*prolonged(of, occasion, at=self._now, until=None), *of]
                self._keep(found, silent={recipient.address: of}, state=state)
        if len(self._coming) > MOST_FORESEEN:
            raise StepFailed(f"more than {MOST_FORESEEN:,} mails; look less far ahead", permanent=True)

    def _silent(self, addresses: Collection[str]) -> Silent:
        is_contractual = bool(self._plan.options.get("contractual"))
        return silenced(self._means.suppressions, addresses, notice=self._notice, contractual=is_contractual)

    def _keep(self, found: Iterable[Foreseen], *, silent: Silent, state: str) -> None:
        """Keep mails that are to come, each with whether it goes."""
        for one in found:
            of = silent.get(one.message.recipient.address, ())
            why = why_silent(of, one.message.occasion, at=one.goes_at)
            own = state if why is None else "suppressed"
            self._coming.append(replace(one, state=own, why=why or ""))

    def _ahead(self) -> Ahead:
        """Return the passes to come: the times of the routine that are not left out."""
        if not self._routine.schedule.rules:
            return Ahead(now=self._now, until=self._until, passes=None)
        site, almanac = self._house.desk.site(), self._house.desk.almanac()
        coming = list(occurrences(self._routine.schedule, after=self._now, until=self._until, almanac=almanac))
        holds = [hold for hold in self._house.desk.books.holds.since(self._now) if hold.routine == self._routine.id]
        reasons = left_out_because(self._routine, coming, holds, world_of(site, almanac))
        passes = [one.planned_at for one, reason in zip(coming, reasons, strict=True) if not reason]
        return Ahead(now=self._now, until=self._until, passes=sorted(set(passes)))

    def _rows(self, options: Options) -> Iterator[Row]:
        sources = self._house.desk.site().sources
        if options.source:
            wanted: dict[str, Any] = {"where": options.where, "sql": options.sql, "params": options.params}
            return self._means.stream(_known(sources, options.source), wanted)
        before = next((plan for plan in self._routine.steps if plan.id == options.of), None)
        if before is None or before.kind != "query":
            raise StepFailed(f"its rows come from the step '{options.of}', which is not run to look ahead")
        query = KINDS["query"].parse(before.options)
        assert isinstance(query, QueryOptions)  # noqa: S101  the kind's own
        wanted = {"where": query.where, "sql": query.sql, "params": query.params}
        return self._means.stream(_known(sources, query.source), wanted)


def _differs(key: str) -> NoticeProblem:
    return NoticeProblem(key=key, to="", problem="two rows give it different moments")


def _known(sources: Mapping[str, Source], name: str) -> Source:
    if name not in sources:
        raise StepFailed(f"there is no source '{name}'", permanent=True)
    return sources[name]
