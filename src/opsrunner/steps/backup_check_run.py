"""One run of a `backup_check` step."""

from __future__ import annotations

import posixpath
import shlex
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from opsrunner.archives.members import printable_path
from opsrunner.archives.watched import Watched
from opsrunner.errors import StepFailed, StoreFailed
from opsrunner.model.foreign import Checked, Expected, ForeignBackup, ForeignState, Found, FreshnessRule
from opsrunner.model.outcome import Outcome, Row, worst
from opsrunner.sources.backup_lists import MOST_BYTES, Listed, find_form, read_borg, read_find, read_restic
from opsrunner.steps import query
from opsrunner.steps.backup import JUDGED
from opsrunner.steps.backup_check import Options
from opsrunner.steps.base import Means, StepCall
from opsrunner.steps.environment import host_environment
from opsrunner.steps.fan_out import select_hosts
from opsrunner.steps.foreign_judgement import judge
from opsrunner.steps.host_end import end_words
from opsrunner.steps.output import OutputSink
from opsrunner.steps.step_time import StepTime
from opsrunner.steps.suggestions import nearest
from opsrunner.templates.expressions import evaluate

MOST_LIST_BYTES = 64_000_000
MOST_OTHERS = 10_000
MOST_NAMED = 5
_GAPS = (ForeignState.MISSING, ForeignState.STALE, ForeignState.EMPTY, ForeignState.SMALL)


def run(call: StepCall, means: Means) -> Outcome:
    """Look, compare, tell the catalogue. Raises StepFailed where it could not look."""
    return CheckRun(call, means).run()


class CheckRun:
    """Looks once."""

    def __init__(self, call: StepCall, means: Means) -> None:
        self._call, self._means = call, means
        self._options: Options = call.options
        self._time = StepTime(call, means)
        self._sink = OutputSink(call.output, limit_bytes=call.output_limit_bytes, vault=means.vault)
        self._others: dict[str, None] = {}
        """What lies there and is nobody's who is expected: the first MOST_OTHERS of it."""

    def run(self) -> Outcome:
        """Look, compare, tell the catalogue. Raises StepFailed where it could not look."""
        try:
            outcome = self._look()
        finally:
            self._sink.close()
        return self._sink.judged(outcome)

    def _look(self) -> Outcome:
        expected = list(self._expected())
        if not expected:
            raise StepFailed(f"nothing is expected: {self._expects} has no rows")
        try:
            found = list(self._found({one.key for one in expected}))
        except StoreFailed as exc:
            raise StepFailed(exc.message, permanent=exc.permanent) from exc
        routine, step = self._call.routine, self._call.step
        known = {one.key: one for one in self._means.copies.foreign(routine, step)}
        rule = FreshnessRule(
            fresh_within=timedelta(seconds=self._options.fresh_within), at_least_bytes=self._options.at_least
        )
        judged = judge(expected, found, known=known, rule=rule, now=self._means.clock.now())
        backups = [self._as_it_counts(one) for one in judged]
        self._means.note(Checked(routine=routine, step=step, at=self._means.clock.now(), backups=tuple(backups)))
        self._write(backups)
        return self._outcome(backups, is_any_found=bool(found))

    def _as_it_counts(self, one: ForeignBackup) -> ForeignBackup:
        """Return what was found; where the step says that such a gap is fine, it is none."""
        is_fine = one.state in _GAPS and getattr(self._options.gaps, one.state.value) == "fine"
        return replace(one, state=ForeignState.FINE) if is_fine else one

    @property
    def _expects(self) -> str:
        expect = self._options.expect
        return expect.source or expect.rows or "the list"

    def _expected(self) -> Iterator[Expected]:
        expect = self._options.expect
        if expect.names:
            yield from (Expected(key=name) for name in expect.names)
            return
        if expect.hosts:
            yield from (Expected(key=host.name) for host in select_hosts(expect.hosts, self._means.hosts))
            return
        for number, row in enumerate(self._rows(), start=1):
            key = self._cell(row, expect.column)
            if key in (None, ""):
                raise StepFailed(f"{self._expects}: row {number} has nothing in its column '{expect.column}'")
            since = self._moment(self._cell(row, expect.since)) if expect.since else None
            yield Expected(key=self._key(str(key), number), since=since)

    def _key(self, key: str, number: int) -> str:
        """Return a key that names of backups can hold. Raises StepFailed, instead of never finding it."""
        if not key.isprintable() or ("/" in key and not self._options.command):
            said = (
                f"{self._expects}: row {number}: {printable_path(key)[:80]!r} holds a sign that no name of a backup has"
            )
            raise StepFailed(said)
        return key

    def _rows(self) -> Sequence[Row]:
        expect = self._options.expect
        if expect.rows:
            rows = evaluate(expect.rows, self._call.context)
            if not isinstance(rows, list | tuple) or not all(isinstance(row, Mapping) for row in rows):
                raise StepFailed(f"expect.rows: {expect.rows} gives no rows", permanent=True)
            return rows
        source = self._means.sources.get(expect.source)
        if source is None:
            hint = nearest(expect.source, self._means.sources)
            raise StepFailed(f"there is no source '{expect.source}'{hint}", permanent=True)
        wanted = query.Options(source=expect.source, where=expect.where).model_dump(exclude={"source"})
        return self._means.read_source(source, wanted | {"timeout_seconds": self._time.left_seconds})

    def _cell(self, row: Row, column: str) -> Any:
        if column not in row:
            raise StepFailed(f"{self._expects} has no column '{column}'{nearest(column, row)}", permanent=True)
        return row[column]

    def _moment(self, value: object) -> datetime | None:
        if value in (None, ""):
            return None
        if isinstance(value, datetime):
            return value
        if isinstance(value, date):
            return datetime.combine(value, time(), self._zone)
        said = f"the column '{self._options.expect.since}' of {self._expects} is no moment: {str(value)[:40]!r}"
        raise StepFailed(f"{said}; declare it as moment or date in the source", permanent=True)

    @property
    def _zone(self) -> ZoneInfo:
        return ZoneInfo(str(self._call.context.get("site", {}).get("timezone", "UTC")))

    def _found(self, keys: set[str]) -> Iterator[Found]:
        """Yield the backups of those who are expected; of a folder that is one, its files together."""
        pattern, found = self._options.pattern, dict[tuple[str, str], Found]()
        for listed in self._listed():
            owners = {key for text in listed.texts if (key := pattern.whose(text, keys)) is not None} & keys
            name = pattern.copy_name(listed.name)
            for key in owners:
                one = Found(
                    key=key,
                    name=name,
                    made_at=listed.made_at,
                    size_bytes=listed.size_bytes,
                    store=self._options.store,
                )
                before = found.get((key, name))
                found[key, name] = one if before is None else _together(before, one)
            if not owners and len(self._others) < MOST_OTHERS:
                self._others[pattern.copy_name(listed.texts[0]) if listed.texts else name] = None
        yield from found.values()

    def _listed(self) -> Iterator[Listed]:
        options = self._options
        if options.store:
            return self._in_store()
        if options.folder:
            return read_find(self._told(self._find_command()))
        if options.restic:
            return read_restic(self._told(options.restic), options.by)
        return read_borg(self._told(options.borg), ZoneInfo(options.timezone) if options.timezone else self._zone)

    def _in_store(self) -> Iterator[Listed]:
        pattern = self._options.pattern
        with Watched(self._means.open_store(self._options.store), require_time=self._time.require) as store:
            for stored in store.survey(pattern.prefix, may_hold=pattern.may_hold):
                yield Listed(
                    name=stored.name,
                    texts=(stored.name,),
                    made_at=stored.modified_at,
                    size_bytes=stored.size_bytes,
                )

    def _find_command(self) -> str:
        pattern = self._options.pattern
        begin = posixpath.dirname(pattern.prefix)
        words = ["find", "-H", posixpath.join(posixpath.normpath(self._options.folder), begin).rstrip("/") or "/"]
        words += ["-ignore_readdir_race", "-mindepth", "1"]
        if pattern.most_folders is not None:
            words += ["-maxdepth", str(pattern.most_folders + 1 - (begin.count("/") + 1 if begin else 0))]
        words += ["-name", "lost+found", "-prune", "-o", "-type", "f", "-printf", find_form(begin)]
        return shlex.join(["env", "LC_ALL=C.UTF-8", *(["sudo", "-n"] if self._options.as_root else []), *words])

    def _told(self, command: str) -> bytes:
        """Return what a command writes on the host. Raises StepFailed where it does not end well."""
        host = self._means.hosts.get(self._options.host)
        if host is None:
            hint = nearest(self._options.host, self._means.hosts)
            raise StepFailed(f"there is no host '{self._options.host}'{hint}", permanent=True)
        told = bytearray()

        def take(piece: bytes) -> None:
            told.extend(piece)
            if len(told) > MOST_LIST_BYTES:
                raise StepFailed(f"the list is longer than {MOST_LIST_BYTES:,} bytes", permanent=True)

        answer = self._means.fleet.stream(
            host,
            command,
            env=host_environment(host, self._call, self._means.vault),
            timeout_seconds=self._time.left_seconds,
            stopping=self._means.stopping,
            take=take,
        )
        self._sink.write(answer.stderr)
        if answer.status is not None:
            raise StepFailed(answer.message, status=answer.status.value)
        if answer.exit_code != 0:
            raise StepFailed(f"{self._options.place}: {end_words(answer, self._means.vault)}")
        return bytes(told)

    def _write(self, backups: Sequence[ForeignBackup]) -> None:
        for one in backups:
            newest = f"  {one.newest.name}  {one.newest.made_at:%Y-%m-%d %H:%M} UTC" if one.newest else ""
            words = f"  {one.words}" if one.words else ""
            self._sink.write(f"{printable_path(f'{one.state.value:<8}{one.key}{newest}{words}')}\n".encode())
        for name in self._others:
            self._sink.write(f"nobody's {printable_path(name)}\n".encode())

    def _outcome(self, backups: Sequence[ForeignBackup], *, is_any_found: bool) -> Outcome:
        counts = Counter(one.state for one in backups)
        gaps = [one for one in backups if one.state.is_gap]
        found = [JUDGED[getattr(self._options.gaps, state.value)] for state in _GAPS if counts[state]]
        fine = counts[ForeignState.FINE]
        new = f", {counts[ForeignState.NEW]} are too new to have one" if counts[ForeignState.NEW] else ""
        parts = [f"{fine} of {len(backups)} have a fresh backup in {self._options.place}{new}"]
        parts += [_named(state, [one for one in gaps if one.state is state]) for state in _GAPS if counts[state]]
        if not is_any_found and self._others:
            lies = f"what lies there is called otherwise, such as {printable_path(next(iter(self._others)))}"
            parts.append(f"nothing is called {self._options.name}; {lies}")
        elif fine and all(one.newest is None or one.newest.size_bytes is None for one in backups):
            parts.append("the list tells no sizes")
        return Outcome(
            status=worst(found),
            reason="gaps" if gaps else "",
            message="; ".join(parts),
            rows=tuple(_row(one) for one in gaps),
            facts={
                "expected": len(backups),
                "gaps": len(gaps),
                **{state.value: counts[state] for state in ForeignState},
                "unexpected": len(self._others),
            },
        )


def _together(one: Found, other: Found) -> Found:
    """Return two files of a folder as one backup."""
    sizes = [size for size in (one.size_bytes, other.size_bytes) if size is not None]
    if sum(sizes) > MOST_BYTES:
        raise StepFailed(f"the list tells of {sum(sizes)} bytes, which cannot be")
    return replace(one, made_at=max(one.made_at, other.made_at), size_bytes=sum(sizes) if sizes else None)


def _named(state: ForeignState, gaps: Sequence[ForeignBackup]) -> str:
    """Return `missing: alice, bob and 3 more`; what is wrong stands beside each where it says more than the state."""
    says_all = state in (ForeignState.MISSING, ForeignState.EMPTY)
    told = [one.key if says_all else f"{one.key} ({one.words})" for one in gaps]
    more = f" and {len(told) - MOST_NAMED} more" if len(told) > MOST_NAMED else ""
    return f"{state.value}: {', '.join(told[:MOST_NAMED])}{more}"


def _row(gap: ForeignBackup) -> Row:
    newest = gap.newest
    return {
        "key": gap.key,
        "state": gap.state.value,
        "message": f"{gap.key}: {gap.words}",
        "newest": newest.name if newest else None,
        "made_at": newest.made_at if newest else None,
        "size_bytes": newest.size_bytes if newest else None,
        "copies": gap.copies,
    }
