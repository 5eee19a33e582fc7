"""One pass of a notice step: rows in batches, what is due queued, and what came of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from opsrunner.errors import OpsrunnerError, StepFailed
from opsrunner.mail.headers import clean_line
from opsrunner.model.notice import NoticeTally, Occasion
from opsrunner.model.outcome import Outcome, Row, StepStatus
from opsrunner.model.site import Source
from opsrunner.notices.composing import Composer, Letterhead, fingerprint
from opsrunner.notices.desk import PassDesk
from opsrunner.notices.due import Rules
from opsrunner.notices.means import NoticeMeans
from opsrunner.notices.messages import Message, NoticeProblem, NoticeSettings
from opsrunner.notices.passing import BATCH, NoticePass
from opsrunner.notices.reporting import NoticeReport
from opsrunner.notices.rows import NoticeColumns, RowReader
from opsrunner.notices.vanishing import VanishGuard
from opsrunner.notices.watching import LogColumns, MailLog, has_words, look_back
from opsrunner.secrets import Vault
from opsrunner.steps.base import Means, StepCall
from opsrunner.steps.notice import LogOptions, Options
from opsrunner.steps.notice_name import notice_name
from opsrunner.steps.step_time import StepTime
from opsrunner.steps.suggestions import nearest

MOST_ROWS = 500


def run(call: StepCall, means: Means) -> Outcome:
    """Look at all rows, and queue the mails that are due. Raises StepFailed where the rows or the template fail."""
    if means.notices is None:
        raise StepFailed("there is no ledger to write down what was told", permanent=True)
    return _NoticeRun(call, means, means.notices).run()


class _NoticeRun:
    """One pass on its way."""

    def __init__(self, call: StepCall, means: Means, notices: NoticeMeans) -> None:
        self._call, self._means, self._notices = call, means, notices
        self._options: Options = call.options
        self._time = StepTime(call, means)
        self._now = means.clock.now()
        self._name = notice_name(call.routine, call.step)
        self._rules = notice_rules(self._options, notices)
        self._fingerprint = ""
        self._asks = False

    def run(self) -> Outcome:
        desk = self._watching_desk() if self._options.log is not None else self._sending_desk()
        passing, guard = NoticePass(desk), VanishGuard(desk)
        count = self._take_all(passing)
        if self._rows_are_whole():
            guard.require(rows=count)
            passing.finish()
        self._notices.report(
            NoticeReport(
                notice=self._name,
                at=self._now,
                fingerprint=self._fingerprint,
                asks=self._asks,
                held=tuple(desk.held),
                coming=tuple(desk.coming),
                problems=tuple(desk.problems),
                lost=tuple(desk.lost),
                tally=desk.tally,
            )
        )
        return self._outcome(desk, count)

    def _take_all(self, passing: NoticePass) -> int:
        """Take all rows, batch by batch; return how many there were."""
        options, desk = self._options, passing.desk
        columns = NoticeColumns(key=options.key, at=options.at, until=options.until, to=options.to, name=options.name)
        reader = RowReader(columns, notice=self._name, zone=self._notices.zone)
        rows, count = self._rows(), 0
        while batch := list(islice(rows, BATCH)):
            if not count:
                _require_columns(batch[0], (*columns.all, *filter(None, [self._looked_for])))
            count += len(batch)
            self._time.require()
            occasions: list[Occasion] = []
            for row in batch:
                key, occasion, problems = reader.read(row)
                if occasion is not None and self._looked_for and not has_words(_said(row, self._looked_for)):
                    first = next((one.address for one in occasion.recipients), "")
                    said = f"the row says no {self._looked_for}, by which its mail is looked for"
                    occasion, problems = None, [*problems, NoticeProblem(key=key, to=first, problem=said)]
                for problem in problems:
                    desk.unknown(problem)
                if occasion is None:
                    desk.keep(key)
                else:
                    occasions.append(occasion)
            passing.take(occasions)
        return count

    @property
    def _looked_for(self) -> str:
        """The column whose text another's mail has in its subject; '' where the notice itself sends."""
        log = self._options.log
        return (log.subject_has or self._options.key) if log is not None else ""

    def _rows_are_whole(self) -> bool:
        """Tell whether a row that did not come is no more: not where the step that gives them was passed over."""
        return not self._options.of or self._step_before().get("status") in ("succeeded", "warning")

    def _step_before(self) -> Mapping[str, Any]:
        done: Mapping[str, Any] = self._call.context.get("steps", {}).get(self._options.of) or {}
        return done

    def _rows(self) -> Iterator[Row]:
        options = self._options
        if options.of:
            done = self._step_before()
            if not done:
                raise StepFailed(f"the step '{options.of}' has no rows: it did not run", permanent=True)
            return iter(done["rows"])
        wanted: dict[str, Any] = {"where": options.where, "sql": options.sql, "params": options.params}
        return self._notices.stream(
            _source(options.source, self._means), {**wanted, "timeout_seconds": self._time.left_seconds}
        )

    def _sending_desk(self) -> PassDesk:
        options, notices = self._options, self._notices
        is_live = options.live or notices.is_trial
        composer = open_composer(
            options,
            notice=self._name,
            means=notices,
            folders=self._means.reports or (self._call.site_root / "reports",),
            vault=self._means.vault,
            now=self._now,
        )
        self._fingerprint = notice_fingerprint(options, composer, notices)
        is_approved = notices.is_trial or notices.approved(self._name, self._fingerprint)
        self._asks = is_live and not is_approved
        settings = NoticeSettings(
            notice=self._name,
            rules=self._rules,
            contractual=options.contractual,
            tells_moves=options.moved == "tell",
            holds=not is_live or not is_approved,
            remembers=is_live,
        )
        return PassDesk(
            settings,
            notices=notices.notices,
            suppressions=notices.suppressions,
            compose=composer.compose,
            show=composer.show,
            now=self._now,
        )

    def _watching_desk(self) -> PassDesk:
        log = self._options.log
        assert log is not None  # noqa: S101  the caller looked
        return PassDesk(
            NoticeSettings(notice=self._name, rules=self._rules),
            notices=self._notices.notices,
            suppressions=self._notices.suppressions,
            compose=_nothing_to_send,
            now=self._now,
            watcher=self._mail_log(log),
        )

    def _mail_log(self, log: LogOptions) -> MailLog:
        within = timedelta(seconds=log.within)
        column = self._looked_for
        mails = MailLog(
            within=within,
            words_of=lambda message: _said(message.recipient.row, column),
            rules=self._rules,
            has_own_words=column == self._options.key,
        )
        source = _source(log.source, self._means)
        since = self._now - look_back(self._rules.ladder, within=within)
        typed = {one.name for one in source.columns if one.type == "moment"}
        where = {log.sent_at: {"at_least": since}} if log.sent_at in typed else {}
        rows = self._notices.stream(source, {"where": where, "timeout_seconds": self._time.left_seconds})
        mails.read(rows, LogColumns(to=log.to, subject=log.subject, sent_at=log.sent_at))
        return mails

    def _outcome(self, desk: PassDesk, count: int) -> Outcome:
        tally = desk.tally
        facts = {"rows_read": count, **tally.facts}
        if not count and not tally.sent:
            return Outcome(status=StepStatus.SKIPPED, reason="no_rows", message="no rows: nobody to tell", facts=facts)
        problems = [_row_of(one, "unknown") for one in desk.problems] + [_row_of(one, "lost") for one in desk.lost]
        looks = tally.unknown or tally.lost or (tally.too_late)
        return Outcome(
            status=StepStatus.WARNING if looks else StepStatus.SUCCEEDED,
            reason="look" if looks else "",
            message=_message(tally, options=self._options, asks=self._asks, first=(desk.problems or desk.lost)[:1]),
            rows=tuple(problems[:MOST_ROWS]),
            facts=facts,
        )


def open_composer(
    options: Options, *, notice: str, means: NoticeMeans, folders: Sequence[Path], vault: Vault, now: datetime
) -> Composer:
    """Return what makes the mails of a notice. Raises StepFailed where its template is not there, or does not read."""
    head = Letterhead(
        notice=notice,
        site=means.site,
        zone=means.zone,
        now=now,
        reply_to=options.reply_to,
        per_minute=options.per_minute,
    )
    leave = None if options.contractual else partial(means.leave, notice)
    try:
        return Composer(options.template, folders=folders, head=head, vault=vault, leave=leave)
    except OpsrunnerError as exc:
        raise StepFailed(exc.message, permanent=True) from exc


def notice_fingerprint(options: Options, composer: Composer, means: NoticeMeans) -> str:
    """Return what an approval of a notice's list is about: its templates, its ladder, and who is told what of, when."""
    columns = ("source", "of", "where", "sql", "params", "key", "at", "until", "to", "name")
    manner = ("contractual", "reply_to", "moved", "late", "hours")
    audience = [
        {name: getattr(options, name) for name in (*columns, *manner)},
        means.audience_of(options.of or options.source),
    ]
    return fingerprint(templates=composer.sources, ladder=options.rungs, audience=audience)


def notice_rules(options: Options, means: NoticeMeans) -> Rules:
    """Return how the moments of a notice are counted."""
    return Rules(
        ladder=options.rungs,
        zone=means.zone,
        late_seconds=options.late,
        to_working_time=means.to_working_time if options.hours == "business" else None,
    )


def _source(name: str, means: Means) -> Source:
    source = means.sources.get(name)
    if source is None:
        raise StepFailed(f"there is no source '{name}'{nearest(name, means.sources)}", permanent=True)
    return source


def _require_columns(row: Row, columns: Sequence[str]) -> None:
    """Raise StepFailed where a row has not even the columns: that is a mistake of the file, not of the data."""
    for name in columns:
        if name not in row:
            hint = nearest(name, row) or f"; there are: {', '.join(row)}"
            raise StepFailed(f"the rows have no column '{name}'{hint}", permanent=True)


def _said(row: Row, column: str) -> str:
    value = row.get(column)
    return "" if value is None else str(value)


def _nothing_to_send(_message: Message) -> Any:
    raise StepFailed("a notice that only watches sends nothing", permanent=True)


def _row_of(problem: NoticeProblem, state: str) -> Row:
    return {
        "key": problem.key,
        "to": problem.to,
        "rung": problem.rung,
        "due_at": problem.due_at,
        "state": state,
        "message": clean_line(f"{problem.key or 'a row'}: {problem.problem}", length=200),
    }


def _message(tally: NoticeTally, *, options: Options, asks: bool, first: Sequence[NoticeProblem]) -> str:
    said: list[str] = []
    if options.log is not None:
        said.append(f"{tally.watched} seen in {options.log.source}")
    elif asks:
        said.append(f"{tally.held} wait for the owner's approval")
    elif tally.held:
        said.append(f"not live: {tally.held} would go now")
    else:
        said.append(f"{tally.sent} {'mail' if tally.sent == 1 else 'mails'} queued")
    counted = {"waiting": "with more to come", "missed": "missed", "suppressed": "suppressed", "lost": "did not go"}
    said += [f"{getattr(tally, name)} {word}" for name, word in counted.items() if getattr(tally, name)]
    if tally.unknown:
        said.append(f"{tally.unknown} cannot be told")
    said += [f"first: {one.key or 'a row'}: {one.problem}" for one in first]
    return clean_line("; ".join(said), length=400)
