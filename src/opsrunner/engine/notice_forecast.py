"""What notices will send until a moment: to whom, what, when, by the sources as they are now."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import islice
from typing import Any

from opsrunner.engine.notices import NoticeHouse
from opsrunner.engine.planner import left_out_because, world_of
from opsrunner.errors import NotFound, OpsrunnerError, StepFailed
from opsrunner.model.mail import NewMail
from opsrunner.model.notice import Occasion, Suppression
from opsrunner.model.outcome import Row
from opsrunner.model.routine import Routine, StepPlan
from opsrunner.model.site import Source
from opsrunner.notices.composing import Composer
from opsrunner.notices.due import Rules
from opsrunner.notices.editions import edition_of, heard_by
from opsrunner.notices.foresight import Ahead, Foreseen, foresee
from opsrunner.notices.passing import BATCH
from opsrunner.notices.rows import NoticeColumns, RowReader
from opsrunner.notices.silence import prolonged, silenced, why_silent
from opsrunner.schedules.due import occurrences
from opsrunner.secrets import Vault
from opsrunner.steps.kinds import KINDS
from opsrunner.steps.notice import Options
from opsrunner.steps.notice_name import notice_name
from opsrunner.steps.notice_run import notice_fingerprint, notice_rules, open_composer
from opsrunner.steps.query import Options as QueryOptions
from opsrunner.templates.environments import render_options

MOST_FORESEEN = 100_000
LIVE, NOT_LIVE, WAITS = "live", "not live", "waits for approval"


@dataclass(frozen=True, kw_only=True)
class NoticeForecast:
    """One notice of the site, and what it is to send."""

    notice: str
    routine: str
    name: str
    """How people call it."""
    standing: str
    """`live`, `not live`, or `waits for approval`."""
    mode: str
    coming: tuple[Foreseen, ...] = ()
    """In the order in which they go."""
    unknown: int = 0
    """Rows of which nobody can be told."""
    first_problem: str = ""
    problem: str = ""
    """Why it cannot be foreseen."""
    compose: Callable[[Foreseen], NewMail] | None = field(default=None, compare=False, repr=False)


def notice_steps(house: NoticeHouse, name: str = "") -> list[tuple[Routine, StepPlan]]:
    """Return the notices of the site, or those of a routine or of one step. Raises NotFound."""
    found = [
        (routine, plan)
        for routine in house.desk.site().routines.values()
        for plan in routine.steps
        if plan.kind == "notice" and name in ("", routine.id, notice_name(routine.id, plan.id))
    ]
    if name and not found:
        known = sorted({routine.id for routine, _ in notice_steps(house)})
        there = f"; there are: {', '.join(known)}" if known else "; no routine has one"
        raise NotFound(f"there is no notice '{name}'{there}")
    return found


def foresee_notices(house: NoticeHouse, *, until: datetime, vault: Vault, name: str = "") -> list[NoticeForecast]:
    """Return all notices with what each sends until a moment. Raises NotFound."""
    return [
        _Forecast(house, routine, plan, until=until, vault=vault).made() for routine, plan in notice_steps(house, name)
    ]


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
        compose = composer.compose if composer else None
        return replace(
            base,
            standing=standing,
            coming=tuple(sorted(self._coming, key=lambda one: (one.goes_at, one.message.due_at))),
            unknown=self._unknown,
            first_problem=self._first_problem,
            compose=(lambda one: compose(one.message, at=one.goes_at)) if compose else None,
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
        while batch := list(islice(rows, BATCH)):
            occasions: list[Occasion] = []
            for row in batch:
                _, occasion, problems = reader.read(row)
                self._unknown += len(problems)
                if problems and not self._first_problem:
                    self._first_problem = f"{problems[0].key or 'a row'}: {problems[0].problem}"
                if occasion is not None:
                    occasions.append(occasion)
            self._foresee(occasions, rules, ahead, done=done, state=state, tells_moves=options.moved == "tell")

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
        addresses = {one.address for occasion in occasions for one in occasion.recipients}
        silent = silenced(
            self._means.suppressions,
            addresses,
            notice=self._notice,
            contractual=bool(self._plan.options.get("contractual")),
        )
        for occasion in occasions:
            edition = edition_of(occasion, known.get(occasion.key), now=self._now, rows={})
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
                self._coming += [_stated(one, of, state) for one in found]
        if len(self._coming) > MOST_FORESEEN:
            raise StepFailed(f"more than {MOST_FORESEEN:,} mails; look less far ahead", permanent=True)

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


def _stated(one: Foreseen, suppressions: Sequence[Suppression], state: str) -> Foreseen:
    why = why_silent(suppressions, one.message.occasion, at=one.goes_at)
    return replace(one, state=state if why is None else "suppressed", why=why or "")


def _known(sources: Mapping[str, Source], name: str) -> Source:
    if name not in sources:
        raise StepFailed(f"there is no source '{name}'", permanent=True)
    return sources[name]
