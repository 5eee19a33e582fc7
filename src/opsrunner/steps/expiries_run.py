"""One run of an `expiries` step."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from datetime import date, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from opsrunner.errors import StepFailed
from opsrunner.expiries.collecting import CERTIFICATE, DOMAIN, Collected, Entry
from opsrunner.expiries.files import certificates_in
from opsrunner.expiries.judging import Judge, Judged, State, in_order, when_words
from opsrunner.expiries.names import BadName, to_domain
from opsrunner.expiries.targets import Target, read_target
from opsrunner.model.expiry import DateAnswer
from opsrunner.model.outcome import Outcome, Row, StepStatus
from opsrunner.steps import query
from opsrunner.steps.base import Means, StepCall
from opsrunner.steps.expiries import NamesFrom, Options, Place, RdapNames
from opsrunner.steps.expiries_asking import AskRegistries, AskServers
from opsrunner.steps.output import OutputSink, cut, printable
from opsrunner.steps.step_time import StepTime
from opsrunner.steps.suggestions import nearest

MOST_ROWS = 10_000
MOST_UNKNOWN = 200
"""Names without a date that are told one by one."""
MOST_NAMED = 3
LONGEST_NAME = 300
ROWS_BETWEEN_LOOKS = 1_000
_CONTACT = ("customer", "email", "name")
BY_HAND = "by hand"


def run(call: StepCall, means: Means) -> Outcome:
    """Collect and judge. Raises StepFailed where a source cannot be read: half of the things are no answer."""
    return ExpiriesRun(call, means).run()


class ExpiriesRun:
    """Collects once, and judges."""

    def __init__(self, call: StepCall, means: Means) -> None:
        self._call, self._means = call, means
        self._options: Options = call.options
        self._time = StepTime(call, means)
        self._now = means.clock.now()
        zone = ZoneInfo(str(call.context.get("site", {}).get("timezone", "UTC")))
        carry = [name for name in self._options.carry if name not in _CONTACT]
        self._collected = Collected(zone=zone, columns=[*_CONTACT, *carry])
        self._judge = Judge(
            now=self._now,
            zone=zone,
            within=timedelta(seconds=self._options.within),
            agree_within=timedelta(seconds=self._options.agree_within),
        )
        self._asked: dict[str, Any] = {}

    def run(self) -> Outcome:
        """Collect and judge. Raises StepFailed where a source cannot be read."""
        places = self._options.from_
        for place in places:
            if place.source:
                self._read(place)
            for name, day in (place.by_hand or {}).items():
                entry = self._collected.entry(place.kind_of_thing, printable(name))
                self._collected.add_date(entry, day, place=BY_HAND)
        for place in places:
            if place.tls:
                self._ask_servers(place.tls, port=place.tls.port)
            if place.files:
                self._read_files(place.files)
        self._ask_registries([place for place in places if place.rdap])
        return self._outcome()

    def _read(self, place: Place) -> None:
        """Take the dates of a source's column. Raises StepFailed for a column that is not there, or holds no dates."""
        for entry, row in self._named(place, kind=place.kind_of_thing):
            if place.at not in row:
                raise StepFailed(f"{place.source} has no column '{place.at}'{nearest(place.at, row)}", permanent=True)
            value = row[place.at]
            if value is not None and not isinstance(value, date):
                said = f"the column '{place.at}' of {place.source} is no date: {str(value)[:40]!r}"
                raise StepFailed(f"{said}; declare it as 'date?' or 'moment?' in the source", permanent=True)
            self._collected.add_date(entry, value, place=place.source)
            if value is None:
                self._collected.fail(entry, f"{place.source} has no date")

    def _named(self, place: Place | NamesFrom, *, kind: str) -> Iterator[tuple[Entry, Row]]:
        """Yield the entry of each row of a source, with the row. A row without a name is a mistake of the source."""
        for number, row in enumerate(self._rows(place), start=1):
            name = row.get(place.name)
            if name in (None, ""):
                if place.name not in row:
                    hint = nearest(place.name, row)
                    raise StepFailed(f"{place.source} has no column '{place.name}'{hint}", permanent=True)
                raise StepFailed(f"{place.source}: row {number} has nothing in its column '{place.name}'")
            entry = self._collected.entry(kind, cut(printable(str(name)), LONGEST_NAME))
            own = row if place.name != "name" else {**row, "name": None}
            self._collected.describe(entry, own)
            yield entry, row

    def _rows(self, place: Place | NamesFrom) -> Iterator[Row]:
        source = self._means.sources.get(place.source)
        if source is None:
            hint = nearest(place.source, self._means.sources)
            raise StepFailed(f"there is no source '{place.source}'{hint}", permanent=True)
        wanted = query.Options(source=place.source, where=place.where).model_dump(exclude={"source"})
        options = wanted | {"timeout_seconds": self._time.left_seconds}
        with closing(self._means.stream_source(source, options)) as rows:
            for number, row in enumerate(rows):
                if number % ROWS_BETWEEN_LOOKS == 0:
                    self._time.require()
                yield row

    def _ask_servers(self, wanted: NamesFrom, *, port: int | None) -> None:
        """Shake hands with each server; what it showed before stands where it does not answer."""
        targets: dict[str, Target] = {}
        for name, row in self._names(wanted):
            try:
                target = read_target(name, port=port)
            except ValueError as exc:
                self._collected.fail(self._collected.entry(CERTIFICATE, name), str(exc))
                continue
            self._collected.describe(self._collected.entry(CERTIFICATE, target.name), row)
            targets[target.name] = target
        asking = AskServers(self._means, self._time, most_at_once=self._options.max_parallel)
        for answer in asking.run(targets):
            self._take(CERTIFICATE, answer)
        for name, why in asking.left.items():
            self._collected.fail(self._collected.entry(CERTIFICATE, name), why)
        self._count(asking.facts())

    def _names(self, wanted: NamesFrom) -> Iterator[tuple[str, Row]]:
        if wanted.names:
            yield from ((name, {}) for name in wanted.names)
            return
        for row in self._rows(wanted):
            if wanted.name not in row:
                hint = nearest(wanted.name, row)
                raise StepFailed(f"{wanted.source} has no column '{wanted.name}'{hint}", permanent=True)
            name = row[wanted.name]
            if name not in (None, ""):
                yield cut(printable(str(name)), LONGEST_NAME), row

    def _read_files(self, patterns: Sequence[str]) -> None:
        found = list(certificates_in(patterns))
        known = self._means.dates.answers("file", [one.path for one in found])
        answers = []
        for one in found:
            before = known.get(one.path) or DateAnswer(place="file", name=one.path, tried_at=self._now)
            answer = DateAnswer(
                place="file",
                name=one.path,
                answered_at=self._now,
                ends_at=one.ends_at,
                by="file",
                about=printable(one.about),
                tried_at=self._now,
            )
            answers.append(before.after_failure(one.failure, at=self._now) if one.failure else answer)
            self._take(CERTIFICATE, answers[-1])
        self._means.dates.keep(answers)
        self._count({"files": len(found)})

    def _ask_registries(self, places: Sequence[Place]) -> None:
        """Ask the registries for the domains of all places, those that matter first."""
        for place in places:
            assert place.rdap is not None  # noqa: S101  the caller's filter, told to the type checker
            asking = AskRegistries(self._means, self._time, collected=self._collected, judge=self._judge)
            asking.run(self._domains(place.rdap), place.rdap, self._options)
            self._count(asking.facts)

    def _domains(self, wanted: RdapNames) -> dict[str, Entry]:
        """Return the domains that registries are to be asked for, by their ASCII names."""
        found: dict[str, Entry] = {}
        for entry in self._collected.of_kind(DOMAIN) if wanted.is_known else self._of_names(wanted):
            try:
                found[to_domain(entry.name)] = entry
            except BadName as exc:
                self._collected.fail(entry, f"no registry can be asked: {exc}")
        return found

    def _of_names(self, wanted: RdapNames) -> Iterator[Entry]:
        for name, row in self._names(wanted):
            entry = self._collected.entry(DOMAIN, name)
            self._collected.describe(entry, row)
            yield entry

    def _take(self, kind: str, answer: DateAnswer) -> None:
        entry = self._collected.entry(kind, answer.name)
        age = None if answer.answered_at is None else self._now - answer.answered_at
        is_trusted = age is not None and age.total_seconds() <= self._options.trust_for
        self._collected.answer(entry, answer, is_trusted=is_trusted)

    def _count(self, facts: Mapping[str, Any]) -> None:
        for name, value in facts.items():
            is_number = isinstance(value, int)
            self._asked[name] = self._asked.get(name, 0) + value if is_number else value

    def _outcome(self) -> Outcome:
        counts = dict.fromkeys(State, 0)
        to_look_at: list[Judged] = []
        for entry in self._collected:
            judged = self._judge.judge(entry)
            counts[judged.state] += 1
            if not judged.is_fine:
                to_look_at.append(judged)
        to_look_at = in_order(to_look_at)
        sink = self._write(to_look_at)
        unknown = [one for one in to_look_at if one.state is State.UNKNOWN]
        left_out = max(0, len(to_look_at) - MOST_ROWS)
        facts = {
            "count": len(self._collected),
            **{state.value: counts[state] for state in State},
            "differing": sum(one.differs for one in to_look_at),
            "unknown_names": [self._line(one) for one in unknown[:MOST_UNKNOWN]],
            "rows_left_out": left_out,
            "truncated": left_out > 0,
            **self._asked,
        }
        is_open = unknown or left_out or not len(self._collected)
        outcome = Outcome(
            status=StepStatus.WARNING if is_open else StepStatus.SUCCEEDED,
            reason="unknown" if unknown else "",
            message=self._message(counts, unknown)
            + (f"; {left_out} rows left out, narrow `within`" if left_out else ""),
            rows=tuple(self._row(one) for one in to_look_at[:MOST_ROWS]),
            facts=facts,
        )
        return sink.judged(outcome)

    def _message(self, counts: Mapping[State, int], unknown: Sequence[Judged]) -> str:
        if not len(self._collected):
            return "nothing was looked at: no place named anything that ends"
        days = round(self._judge.within / timedelta(days=1))
        parts = [f"{counts[State.ENDING]} of {len(self._collected)} end within {days} days"]
        words = {State.ENDED: "ended", State.WRONG: "wrong beside their date", State.DIFFERS: "differ by who says it"}
        parts += [f"{counts[state]} {word}" for state, word in words.items() if counts[state]]
        if unknown:
            named = ", ".join(cut(one.entry.name, 60) for one in unknown[:MOST_NAMED])
            more = f" and {len(unknown) - MOST_NAMED} more" if len(unknown) > MOST_NAMED else ""
            parts.append(f"nobody knows when {len(unknown)} end: {named}{more}")
        return "; ".join(parts)

    def _line(self, judged: Judged) -> str:
        return cut(printable(f"{judged.entry.name}: {self._judge.words(judged)}"), 400)

    def _write(self, to_look_at: Sequence[Judged]) -> OutputSink:
        sink = OutputSink(self._call.output, limit_bytes=self._call.output_limit_bytes, vault=self._means.vault)
        try:
            for one in to_look_at:
                line = f"{one.state.value:<8}{one.entry.kind} {self._line(one)} [{self._judge.sources(one)}]\n"
                sink.write(line.encode("utf-8", "replace"))
        finally:
            sink.close()
        return sink

    def _row(self, judged: Judged) -> Row:
        entry = judged.entry
        told = dict(zip(self._collected.columns, entry.row or (None,) * len(self._collected.columns), strict=True))
        own = {
            "name": entry.name,
            "kind": entry.kind,
            "state": judged.state.value,
            "message": self._line(judged),
            "when": when_words(judged),
            "customer": told.pop("customer"),
            "customer_name": told.pop("name"),
            "email": told.pop("email"),
            "expires_at": judged.end.ends_at if judged.end else None,
            "ends_on": self._judge.ends_on(judged),
            "days_left": judged.days_left,
            "sources": self._judge.sources(judged),
            "disagreement": judged.differs,
            "wrong": "; ".join(entry.wrong),
            "about": entry.about,
            "checked_at": self._now,
        }
        return {**{name: value for name, value in told.items() if name not in own}, **own}
