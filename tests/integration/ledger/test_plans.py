"""No statement of the ledger walks over what grows: every one that any method runs is asked how it finds its rows."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from opsrunner.errors import OpsrunnerError
from opsrunner.ledger.books import Books
from opsrunner.ledger.database import Ledger
from opsrunner.ledger.digests import SentDigest
from opsrunner.ledger.notices import NoticeBatch, Telling
from opsrunner.ledger.runs import NewRun
from opsrunner.ledger.search import Place, TaskFilter
from opsrunner.ledger.service import Gap
from opsrunner.ledger.setting_back import set_back
from opsrunner.model.backup import Drill, Gone, Reread
from opsrunner.model.downtime import Downtime, NewDowntime
from opsrunner.model.expiry import DateAnswer, KeptText, Resting
from opsrunner.model.finding import Acceptance, Audited, Cause, Finding, HostReport, Sample, Severity
from opsrunner.model.foreign import Checked, ForeignBackup, ForeignDrill, ForeignState
from opsrunner.model.look import Look
from opsrunner.model.mail import MailEnd, NewMail
from opsrunner.model.notice import KnownOccasion, Suppression, Told, ToldStatus
from opsrunner.model.outcome import Outcome, Part, StepStatus
from opsrunner.model.person import Absence
from opsrunner.model.routine import StepPlan
from opsrunner.model.rows import KeyedRow, LookStanding
from opsrunner.model.run import RunStatus, Trigger
from opsrunner.model.task import Evidence, NewTask, TaskKind, TaskStatus
from opsrunner.model.ticket import TicketLook, TicketState

from ...copied import new_copy

NOW = datetime(2026, 11, 20, 6, tzinfo=UTC)
LATER = NOW + timedelta(days=1)
SMALL = {"approvals", "suppressions", "routines", "holds", "frozen", "requests", "absences", "acceptances",
         "hosts_seen", "host_facts", "digests", "old", "meta", "links", "sessions", "resting_servers", "kept_texts",
         "looks", "ticket_looks", "notice_renames", "sqlite_sequence"}  # fmt: skip
"""What is bounded by the site's files, by what people enter, or by retention; `old` are digests."""
LIVE = {"copies_lying", "occasions_live", "outbox_due", "outbox_texts", "tasks_open", "tasks_key", "requests_open"}
"""Indices of what is still to be done: walking over all of that is meant."""
OUTCOME = Outcome(status=StepStatus.FAILED, parts=(Part(key="web1", status=StepStatus.FAILED),))
ABSENCE = Absence(id=0, kind="leave", person="boss", other=None, roster=None, from_=NOW, until=LATER, reason="",
                  entered_by="boss")  # fmt: skip
MAIL = NewMail(to="a@example.com", subject="s", text="t", about="x", task=1, unique="u")
MANY = NewMail(to="a@example.com", subject="s", text="t", bulk=True, series="x", per_minute=1)
ENDS = (
    MailEnd(mail=1, at=NOW),
    MailEnd(mail=2, at=NOW, error="x", again_at=LATER),
    MailEnd(mail=3, at=NOW, error="x"),
)
ACCEPTED = Acceptance(host="web1", cause="reboot", subject="", until=LATER, reason="x", by="boss", at=NOW)
GIVEN: dict[str, Any] = {
    "addresses": ("a@example.com",), "fingerprint": "f", "keys": ("17",), "notice": "nightly.notice",
    "recipient": "a@example.com", "why": "x",
    "about": None, "acceptances": (ACCEPTED,), "cause": "reboot", "copy": 1, "most": 9, "number": 1, "store": "offsite",
    "absence": ABSENCE, "absence_id": 1, "action": "tick", "actor": "boss", "address": "cli",
    "after": 0, "agent": "x", "answer": "", "at": NOW, "author": "boss", "before": LATER, "body": "text",
    "but_escalations": True, "ends": ENDS,
    "message_id": "x.1", "message_ids": ("x.1",), "occasion": KeyedRow(key="17", row={"number": "17"}),
    "bounds": (NOW, LATER, LATER + (LATER - NOW)), "by": "boss", "detail": "", "digest_id": 1, "error": "x",
    "evidence": Evidence(), "expires_at": LATER, "first": "sign-in ", "frozen": None,
    "gap": Gap(from_=NOW, until=LATER, reason="x"),
    "host": "web1", "how": "how", "is_meant": bool, "item": "ask", "key": "17", "kind": TaskKind.ROUTINE, "limit": 20,
    "link": "", "made_by": "boss", "mail_id": 1, "mail_ids": (1,), "mails": (MAIL, MANY, MANY), "message": "m",
    "moment": NOW,
    "name": "known", "names": {"nightly": "Nightly"}, "new": None, "next_try_at": LATER, "nominal_at": NOW,
    "not_before": None, "note_id": 1, "now": NOW, "numbers": (1, 9), "occasions": [("nightly", NOW)],
    "old": "nightly", "outcome": OUTCOME, "person": "boss",
    "place": Place(at=LATER, id=9), "plan": StepPlan(id="audit", kind="ssh"), "position": 0,
    "read_clock": lambda: NOW, "reason": "x",
    "request_id": 1, "rerun_of": None, "role": "boss", "routine": "nightly", "routines": ("nightly",), "rows": 9,
    "run": 1, "run_id": 1, "run_ids": [3], "rung": "remind", "runs": 3, "seen_through": 1, "series": "daily",
    "session_id": 1, "settles_at": LATER, "since": NOW, "status": None, "statuses": (RunStatus.FAILED,),
    "step": "audit", "struck": (), "subject": "task 1", "subjects": ["task 1"],
    "task_id": 1, "task_ids": [3], "text": "t", "through": 9,
    "to": LATER, "token": "t", "told_through": 9, "unique": "u", "until": LATER, "value": "v",
    "wanted": TaskFilter(words=("x",), is_meant=bool, routine="nightly", statuses=(TaskStatus.DONE,)), "words": ("x",),
}  # fmt: skip
"""What every method gets for a parameter of a name; what a table means by it in its own way stands in OWN."""
CLAIM = NewRun(routine="nightly", trigger=Trigger.SCHEDULE, status=RunStatus.RUNNING, nominal_at=NOW)
TASK = NewTask(
    kind=TaskKind.ROUTINE,
    run=1,
    routine="nightly",
    step="ask",
    item="ask",
    title="Read",
    key="17",
    role="boss",
    opened_at=NOW,
)
DIGEST = SentDigest(
    id=0, series="daily", from_at=NOW, until_at=LATER, created_at=NOW, subject="", text="", html="", runs=0
)
COPY = new_copy(NOW, name="known", store="offsite", step="audit")
NOTES = (
    COPY,
    Reread(copy=1, at=NOW),
    Reread(copy=1, at=NOW, was_gone=True),
    Reread(copy=1, at=NOW, problem="x"),
    Drill(copy=1, at=NOW, files=1, bytes=1, seconds=1, is_whole=True),
    Gone(copy=1, at=NOW, why="x"),
)
CHECKED = Checked(
    routine="nightly", step="audit", at=NOW, backups=(ForeignBackup(key="17", state=ForeignState.MISSING),)
)
PROVEN = ForeignDrill(routine="nightly", step="audit", key="17", at=NOW, by="boss")
FINDING = Finding(host="web1", cause="reboot", severity=Severity.HIGH, detail="x")
SAMPLE = Sample(subject="/", used_bytes=1, size_bytes=2)
AUDITED = Audited(
    routine="nightly",
    step="audit",
    run=1,
    at=NOW,
    reports=(HostReport(host="web1", examined=frozenset({"reboot"}), findings=(FINDING,), samples=(SAMPLE,)),),
    hosts=frozenset({"web1"}),
    causes={"reboot": Cause(name="reboot", title="Restart", how="Restart it.")},
)
WINDOW = NewDowntime(
    window="kernel", nominal_at=NOW, title="t", hosts=("web1",), begins_at=NOW, ends_at=LATER, by="boss"
)
KNOWN_DOWNTIME = Downtime(**{**vars(WINDOW), "id": 1, "made_at": NOW})
TOLD = Told(
    notice="nightly.notice",
    key="17",
    edition=1,
    rung="7d",
    recipient="a@example.com",
    status=ToldStatus.SENT,
    due_at=NOW,
    at=NOW,
    id=1,
)
OCCASION = KnownOccasion(key="17", edition=1, at=NOW, until=None, since=NOW)
LETTER = NewMail(to="a@example.com", subject="s", text="t", about="x", bulk=True)
BATCH = NoticeBatch(
    notice="nightly.notice", begun=(OCCASION,), ended=(OCCASION,), tellings=(Telling(told=TOLD, mail=LETTER),)
)
GONE = Suppression(address="a@example.com", why="x", by="boss", at=NOW)
TICKET = TicketState(ticket="T1", began_at=NOW, ended_at=NOW)
OWN: dict[str, dict[str, Any]] = {
    "Downtimes.see": {"new": WINDOW},
    "Downtimes.open_like": {"new": WINDOW},
    "Downtimes.of_window": {"window": "kernel"},
    "Downtimes.update_plan": {"new": WINDOW, "downtime_id": 1},
    "Downtimes.move": {"one": KNOWN_DOWNTIME, "begins_at": LATER, "ends_at": LATER, "before": (), "said": ""},
    "Downtimes.cancel": {"downtime_id": 1, "said": ""},
    "Downtimes.ask": {"new": WINDOW, "downtime_id": 1, "task": 1, "fingerprint": "x", "people": ()},
    "Downtimes.keep_people": {"downtime_id": 1, "people": ()},
    "Downtimes.note_task": {"downtime_id": 1, "purpose": "status_task", "task": None},
    "Downtimes.posts": {"downtime_ids": [1]},
    **{f"Downtimes.{name}": {"downtime_id": 1} for name in ("get", "start", "begin", "end", "announced", "close")},
    **{f"Downtimes.{name}": {"downtime_id": 1} for name in ("drop", "approve", "post")},
    "Notices.write": {"batch": BATCH},
    "Notices.settle": {"told": (TOLD,), "status": ToldStatus.WATCHED},
    "Copies.note": {"notes": (*NOTES, CHECKED, PROVEN)},
    "Copies.past": {"proven_before": LATER, "not_gone_as": "x"},
    "ForeignBackups.check": {"checked": CHECKED},
    "ForeignBackups.drill": {"drill": PROVEN},
    "Dates.answers": {"place": "rdap", "names": ["a.no"]},
    "Dates.keep": {"answers": (DateAnswer(place="rdap", name="a.no", tried_at=NOW),)},
    "Dates.rest": {"resting": (Resting(server="rdap", until=NOW, why="x"),), "recovered": ("other",)},
    "Dates.keep_text": {"text": KeptText(text="{}", fetched_at=None, tried_at=NOW)},
    "Runs.claim": {"new": CLAIM},
    "Runs.claim_ended": {"news": (replace(CLAIM, status=RunStatus.MISSED, nominal_at=LATER),)},
    "Runs.finish": {"status": RunStatus.FAILED},
    "Runs.active": {"status": RunStatus.WAITING},
    "Runs.planned": {"after": NOW},
    "Runs.for_rows": {"after": NOW},
    "KnownRows.note_look": {"new": LookStanding(routine="nightly", meaning="{}", tried_at=NOW)},
    "Tasks.of_planned": {"after": NOW},
    "Findings.write": {"audited": AUDITED},
    "Samples.write": {"audited": AUDITED},
    "Tasks.open": {"new": TASK},
    "Tasks.renew": {"new": TASK},
    "Tasks.close": {"status": TaskStatus.DONE},
    "Digests.write": {"new": DIGEST},
    "Digests.listed": {"before": 9},
    "Strips.days": {"bounds": (1, 2, 9)},
    "Routines.rename": {"new": "weekly"},
    "Tickets.write": {"look": TicketLook(routine="nightly", step="audit", at=NOW, source="tickets", changed=(TICKET,))},
    "SeenRows.known": {"digests": (b"a", b"b")},
    "SeenRows.write": {"look": Look(routine="nightly", step="audit", digests=frozenset([b"a", b"b"]))},
    "Notices.take_back": {"gone": GONE, "contractual": True},
    "Suppressions.add": {"suppressions": (GONE,)},
    "Forgetting.forget_texts": {"names": ["x"]},
}
Statement = tuple[str, Sequence[Any]]


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> list[Statement]:
    """Every statement that any ledger runs, with its values."""
    said: list[Statement] = []

    def listening(plain: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(self: Ledger, sql: str, parameters: Sequence[Any] = ()) -> Any:
            said.append((sql, parameters))
            return plain(self, sql, parameters)

        return wrapped

    for name in ("all", "one", "change", "insert"):
        monkeypatch.setattr(Ledger, name, listening(getattr(Ledger, name)))
    return said


def walks(books: Books, statement: Statement) -> list[str]:
    """Return the lines of a statement's plan that read a whole table, or a whole index of what is over."""
    sql, values = statement
    plan = [str(row["detail"]) for row in books.ledger.all(f"EXPLAIN QUERY PLAN {sql}", values)]
    named = {
        str(row["name"]) for row in books.ledger.all("SELECT name FROM sqlite_master WHERE type = 'table'")
    } - SMALL
    aliases = set(re.findall(r"\b(?:runs|steps|tasks|audit|outbox|acts|gaps|notes|rungs) AS (\w+)", sql))
    found: list[str] = []
    for line in plan:
        scan = re.match(r"SCAN (\w+)(?: USING (?:COVERING )?INDEX (\w+))?", line)
        if scan and scan[1] in named | aliases and scan[2] not in LIVE:
            found.append(line)
    return found


def call_everything(books: Books) -> set[str]:
    """Call every public method of every table, some more than once, and return their names."""
    called: set[str] = set()
    tables = [one for one in vars(books).values() if type(one).__module__.startswith("opsrunner.ledger.")]
    for table in [one for one in tables if not isinstance(one, Ledger)]:
        for name, method in inspect.getmembers(table, inspect.ismethod):
            if not name.startswith("_"):
                _call(f"{type(table).__name__}.{name}", method)
                called.add(f"{type(table).__name__}.{name}")
    return called


def _call(name: str, method: Callable[..., Any]) -> None:
    own = OWN.get(name, {})
    places: list[Any] = []
    named: dict[str, Any] = {}
    for parameter in inspect.signature(method).parameters.values():
        assert parameter.name in own or parameter.name in GIVEN, f"{name}: say what `{parameter.name}` is"
        value: Any = own.get(parameter.name, GIVEN.get(parameter.name))
        if parameter.kind is parameter.VAR_POSITIONAL:
            places.extend(value)
        elif parameter.kind is parameter.KEYWORD_ONLY:
            named[parameter.name] = value
        else:
            places.append(value)
    try:
        method(*places, **named)
    except OpsrunnerError:
        return


def test_every_statement_finds_its_rows_by_index(books: Books, heard: list[Statement]) -> None:
    for _ in range(2):  # in the second round everything is there
        called = call_everything(books)
        books.runs.claim(CLAIM, at=NOW)
        books.tasks.open(TASK)
    for routine in ("nightly", None):
        books.runs.listed(routine=routine, since=NOW), books.runs.active(routine), books.tasks.opened(routine=routine)
        books.runs.listed(routine=routine, statuses=[RunStatus.FAILED, RunStatus.MISSED])
    books.runs.listed()
    for statuses in ((), (RunStatus.FAILED,)):
        books.search.runs(routines=None, statuses=statuses, numbers=(1, 9), limit=5)
    books.copies.lying(), books.copies.lying(routine="nightly", step="audit"), books.copies.lying(store="offsite")
    books.findings.standing(at=NOW)
    books.copies.named("known"), books.copies.named("known", store="offsite")
    books.routines.note_asked("ask-00000000", "Ask: uptime", at=NOW)
    assert books.forgetting.forget_routines(before=LATER) == 1
    set_back(books.ledger, now=NOW)
    assert len(called) > 80
    statements = list({sql: (sql, values) for sql, values in heard if not sql.startswith("PRAGMA")}.values())
    assert len(statements) > 100
    bad = {sql: found for sql, values in statements if (found := walks(books, (sql, values)))}
    assert bad == {}


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM runs WHERE frozen = 'x'",
        "SELECT * FROM audit WHERE actor = 'boss'",
        "SELECT * FROM outbox WHERE sent_at > '2026'",
        "SELECT other.* FROM runs AS other WHERE other.actor = 'x'",
        "SELECT DISTINCT status FROM runs",
    ],
)
def test_it_would_notice_a_walk(books: Books, sql: str) -> None:
    assert walks(books, (sql, ()))
