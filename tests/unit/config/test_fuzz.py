"""Every text that comes from outside, changed at random near its grammar, is read or refused: nothing else (C55).

The short form draws with hypothesis in the gate. The long form under `make soak` takes a million texts from a seed.
A reader may raise only what its contract names. Each text takes less than a second, and all of them little memory.
"""

from __future__ import annotations

import gc
import json
import random
import re
import resource
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from opsrunner.config.checklist import Checklist, read_checklist
from opsrunner.config.fields import Email, Url
from opsrunner.config.freezing import freeze, thaw
from opsrunner.config.inventories.reading import Inventories
from opsrunner.config.markdown_lists import read_markdown
from opsrunner.config.rosters import RosterKeys
from opsrunner.config.routine_file import RoutineContext, read_routine
from opsrunner.config.schedule import ScheduleField, to_schedule
from opsrunner.config.site_file import read_site
from opsrunner.config.yaml12 import BadYaml, decode, read_yaml
from opsrunner.errors import ConfigurationError, ExpressionError, MailFailed, StateError, StepFailed
from opsrunner.mail.bounces import read_bounces
from opsrunner.mail.headers import clean_line, parse_address
from opsrunner.model.routine import Routine
from opsrunner.model.site import Problem
from opsrunner.schedules.almanac import Almanac
from opsrunner.schedules.cron import cron_times, parse_cron
from opsrunner.schedules.cron_words import cron_in_words
from opsrunner.schedules.day_words import Period, parse_days, parse_weekday
from opsrunner.schedules.due import upcoming
from opsrunner.schedules.parsing import parse_clock, parse_clock_range, parse_duration, parse_offset
from opsrunner.schedules.words import in_words
from opsrunner.sources.abuse_reports import read_report
from opsrunner.sources.feed_entries import read_feed
from opsrunner.sources.feed_xml import BadFeed
from opsrunner.sources.mail_headers import read_heads
from opsrunner.sources.plain_text import text_of_html
from opsrunner.steps.rows import parse_rows
from opsrunner.steps.task import parse_due
from opsrunner.templates.environments import render_text
from opsrunner.templates.expressions import evaluate, step_references

from ...patience import within
from ..mail.test_bounces import POSTFIX
from ..sources.test_abuse_reports import ARF, XARF_YAML

ROOT = Path(__file__).parents[3]
BAD = ROOT / "tests/data/bad"
NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
NO_LISTS: dict[str, Checklist] = {}
WITHIN = RoutineContext(timezone="Europe/Oslo", today=date(2026, 1, 10), checklists=NO_LISTS)
CONTEXT: dict[str, Any] = {"row": {"a": "1", "days": 3}, "steps": {"dump": {"rows": [{"a": 1}]}}, "now": NOW}
SCHEDULE: TypeAdapter[Any] = TypeAdapter(ScheduleField)
EMAIL, URL, ROSTER = TypeAdapter(Email), TypeAdapter(Url), TypeAdapter(RosterKeys)
LONGEST_SECONDS = 1.0
Change = Callable[[Sequence[str], random.Random], str]


def texts_in(pattern: str) -> list[str]:
    return [path.read_text(encoding="utf-8", errors="replace") for path in sorted(ROOT.glob(pattern))]


# How each kind of text is read.


def judge(problems: Sequence[Problem]) -> None:
    for problem in problems:
        line = str(problem)
        assert problem.line >= 1, line
        assert problem.column >= 1, line
        assert problem.message, line
        assert len(line.splitlines()) == 1, line
        assert len(line) < 2000, line
        assert "Input should" not in line, line


def decoded(text: str) -> str:
    return decode(text.encode("utf-8", "surrogatepass"))


def routine(text: str) -> None:
    draft = read_routine(decoded(text), file="routines/x.yaml", id_="x", within=WITHIN)
    judge((*draft.problems, *draft.warnings))
    assert (draft.routine is None) == bool(draft.problems)
    if draft.routine is not None:
        assert thaw(freeze(draft.routine)) == draft.routine


def checklist(text: str) -> None:
    judge(read_checklist(decoded(text), file="checklists/x.yaml", name="x").problems)


def markdown(text: str) -> None:
    judge(read_markdown(decoded(text), file="checklists/x.md", name="x").problems)


def schedule(text: str) -> None:
    checked = to_schedule(
        SCHEDULE.validate_python(read_yaml(decoded(text)), context={"today": NOW.date()}), timezone="UTC"
    )
    assert in_words(checked)
    upcoming(checked, after=NOW, count=2, almanac=Almanac())


def cron(text: str) -> None:
    parse_cron(text)
    assert cron_in_words(text)
    assert len(list(islice(cron_times(text, after=NOW, zone="America/New_York"), 2))) == 2


def words(text: str) -> None:
    readers: list[Callable[[str], object]] = [parse_duration, parse_offset, parse_clock, parse_clock_range]
    readers += [parse_weekday, parse_due, EMAIL.validate_python, URL.validate_python]
    readers += [partial(parse_days, every=every) for every in EVERY]
    for reader in readers:
        with suppress(ValueError):
            reader(text)


EVERY = cast("tuple[Period, ...]", ("week", "month", "quarter", "year"))


def roster(text: str) -> None:
    ROSTER.validate_python(read_yaml(decoded(text))).to_roster("desk")


def expression(text: str) -> None:
    step_references(text)
    evaluate(text, CONTEXT)


def template(text: str) -> None:
    step_references(text, template=True)
    render_text(text, CONTEXT)


def address(text: str) -> None:
    assert len(clean_line(text, length=40).splitlines()) < 2
    parse_address(text)


def rows(text: str) -> None:
    for kind in ("json", "csv", "lines"):
        with suppress(StepFailed):
            parse_rows(text.encode("utf-8", "surrogatepass"), kind)


def mail(text: str) -> None:
    data = text.encode("utf-8", "surrogatepass")
    read_report(data)
    read_bounces(data)
    read_heads(data)


def feed(text: str) -> None:
    read_feed(text.encode("utf-8", "surrogatepass"), name="talk", address="https://a.example/feed", now=NOW)


def markup(text: str) -> None:
    text_of_html(text)


@dataclass(frozen=True, kw_only=True)
class Target:
    """A kind of text: its reader, real ones of it, what the reader may raise, and how many the soak takes."""

    read: Callable[[str], object]
    seeds: Sequence[str]
    raises: tuple[type[Exception], ...]
    soaked: int


def yaml_of_bad(kind: str) -> list[str]:
    return texts_in(f"tests/data/bad/{kind}-*.yaml")


FROZEN = freeze(Routine(id="x", name="X", accountable="boss", tags=("a",)))
ROUTINES = texts_in("routines/*.yaml") + yaml_of_bad("routine")
SCHEDULES = [
    *re.findall(r"^schedule: (.+)$", "\n".join(ROUTINES), re.MULTILINE),
    '[{every: quarter, on: last day, at: "23:30"}, {cron: "30 2 * * 1-5", timezone: Asia/Tokyo}]',
    "{every: month, on: 31, at: '02:30', short_months: last day, on_holiday: next business day, until: 2027-01-01}",
    "{every: 15m, between: '08:00-20:00', from: 2026-01-05T08:00, except: [2026-12-24]}",
    "{once: 2026-12-01T02:00}",
]
CRONS = [vector["expr"] for vector in json.loads((ROOT / "tests/data/cron/vectors.json").read_text())]
WORDS = "30m 4h 1h30m 2w -8d +4h 02:30 08:00-20:00 22:00-24:00 monday thu 31 1st ann@example.com https://a.example/x"
PHRASES = ["+4h business", "last day", "first tuesday", "last business day", "24 dec", "dec 24", *WORDS.split()]
MADE = re.findall(r"(?:when|for_each|done_when|warn_if|fail_if): (.+)", "\n".join(ROUTINES))
EXPRESSIONS = [*MADE, "row.days | int > 2", "steps.dump.rows | map(attribute='a') | list", "[row.a] * 3 + [1, 2]"]
TEMPLATES = ["Order {{ row.a }}, {{ row['days'] + 1 }} days", "{% for r in steps.dump.rows %}{{ r.a }}{% endfor %}"]
TEMPLATES += [text for text in texts_in("reports/*.txt.j2") if len(text) < 3000] + re.findall(
    r'task: "(.+)"', "\n".join(ROUTINES)
)
ADDRESSES = ["ann@example.com", "Ann Berg <ann.berg@example.com>", "ø@blåbær.example", '"a b"@c.example', "a@b, c@d"]
ROSTERS = [
    "{rotate: week, handover: mon 09:00, from: 2026-01-05, people: [ops1, boss]}",
    "{shifts: [{hours: '08:00-16:00', person: ops1}], cover: [{from: 2026-12-23, until: 2026-12-27, person: boss}]}",
]
OUTPUTS = ['[{"a": 1, "b": null}]', 'a,b\n1,"x, y"\n', "one\ntwo\n", '{"a": [1, 2.5e3, "\\u00f8"]}']
MARKUPS = [
    "<p>One &amp; two</p><br>&#65;&#x42; <script>x</script>",
    "&#" + "1" * 5_000 + ";",
    "<!-- a --><a href='x'>b",
]
MAILS = [
    *(mail.decode() for mail in (ARF, XARF_YAML, POSTFIX)),
    "Subject: a\nContent-Type: text/html; charset=utf-8\n\n" + MARKUPS[1],
    "Content-Type: text/plain; name*=undefined''x\n\nSource: 192.0.2.1",
    "Content-Type: text/plain\nContent-Disposition: inline; filename*=idna''x\n\nSource: 192.0.2.1",
    "Content-Type: text/plain; name=report.txt\n\n" + "\n" * 5_000 + "Source-IP:\n 192.0.2.17\n",
]
FEEDS = [
    "<rss version='2.0'><channel><title>T</title><item><title>a</title><guid>1</guid><description>&amp;#"
    + "1" * 5_000
    + ";</description></item></channel></rss>",
    "<feed xmlns='http://www.w3.org/2005/Atom'><entry><id>urn:a</id><title type='html'>&amp;lt;</title></entry></feed>",
]
SITES = [*texts_in("opsrunner.yaml"), *yaml_of_bad("site")]
LISTS = [*texts_in("checklists/*.yaml"), *yaml_of_bad("checklist")]
NOTES = [*texts_in("checklists/*.md"), *texts_in("tests/data/markdown/*.md")]
YAMLS = [*ROUTINES, *yaml_of_bad("site"), "a: &a [1]\nb: *a\n? c\n: |\n  d\n", "--- {a: 'b', \"c\": 0x1F}\n"]

NOT_A_SCHEDULE = (BadYaml, ValidationError, ConfigurationError)
TARGETS: dict[str, Target] = {
    "yaml": Target(read=lambda text: read_yaml(decoded(text)), seeds=YAMLS, raises=(BadYaml,), soaked=100_000),
    "routine": Target(read=routine, seeds=ROUTINES, raises=(BadYaml,), soaked=100_000),
    "checklist": Target(read=checklist, seeds=LISTS, raises=(BadYaml,), soaked=60_000),
    "markdown": Target(read=markdown, seeds=NOTES, raises=(BadYaml,), soaked=10_000),
    "schedule": Target(read=schedule, seeds=SCHEDULES, raises=NOT_A_SCHEDULE, soaked=120_000),
    "cron": Target(read=cron, seeds=CRONS, raises=(ConfigurationError,), soaked=120_000),
    "words": Target(read=words, seeds=PHRASES, raises=(), soaked=120_000),
    "roster": Target(read=roster, seeds=ROSTERS, raises=(BadYaml, ValidationError), soaked=60_000),
    "expression": Target(read=expression, seeds=EXPRESSIONS, raises=(ExpressionError,), soaked=60_000),
    "template": Target(read=template, seeds=TEMPLATES, raises=(ExpressionError,), soaked=30_000),
    "address": Target(read=address, seeds=ADDRESSES, raises=(MailFailed,), soaked=100_000),
    "rows": Target(read=rows, seeds=OUTPUTS, raises=(), soaked=60_000),
    "mail": Target(read=mail, seeds=MAILS, raises=(), soaked=20_000),
    "feed": Target(read=feed, seeds=FEEDS, raises=(BadFeed,), soaked=20_000),
    "markup": Target(read=markup, seeds=MARKUPS, raises=(), soaked=20_000),
    "frozen": Target(read=thaw, seeds=[FROZEN], raises=(StateError,), soaked=60_000),
}


def read_or_refuse(name: str, text: str) -> bool:
    """Tell whether the text was read, not refused; fail where anything else came of it."""
    try:
        refusal = within(LONGEST_SECONDS, lambda: refusal_of(TARGETS[name], text), clock=time.thread_time)
    except Exception as exc:
        raise AssertionError(f"{name}: {type(exc).__name__} came of {text[:2000]!r}") from exc
    assert refusal.strip() == refusal
    return not refusal


def refusal_of(target: Target, text: str) -> str:
    """Return why it is not read, or nothing."""
    try:
        target.read(text)
    except target.raises as exc:
        return str(exc)
    return ""


@pytest.mark.parametrize("name", TARGETS)
def test_what_nobody_changed_is_read_or_refused(name: str) -> None:
    results = [read_or_refuse(name, seed) for seed in TARGETS[name].seeds]

    assert any(results)


@pytest.mark.parametrize("name", TARGETS)
@settings(max_examples=250, deadline=None)
@given(dice=st.randoms(use_true_random=False))
def test_a_changed_text_is_read_or_refused(name: str, changed: Change, dice: random.Random) -> None:
    read_or_refuse(name, changed(TARGETS[name].seeds, dice))


def read_site_file(root: Path, text: str) -> bool:
    (root / "opsrunner.yaml").write_bytes(text.encode("utf-8", "surrogatepass"))
    draft = read_site(root, signature=None, inventories=Inventories(root))
    judge((*draft.problems, *draft.warnings))
    assert (draft.site is None) == bool(draft.problems), text
    return draft.site is not None


@settings(max_examples=100, deadline=None)
@given(dice=st.randoms(use_true_random=False))
def test_a_changed_site_file_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, changed: Change, dice: random.Random
) -> None:
    read_site_file(tmp_path_factory.getbasetemp(), changed(SITES, dice))


def collecting(count: int) -> Iterator[int]:
    """Count, and now and then give back what goes round in circles: `within` has Python leave it lying."""
    for number in range(count):
        if number % 500 == 0:
            gc.collect()
        yield number


@pytest.mark.soak
@pytest.mark.timeout(1500)
def test_a_million_changed_texts_are_read_or_refused(tmp_path: Path, changed: Change) -> None:
    dice, begun, count = random.Random(20260310), time.monotonic(), 0
    memory_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    readers: dict[str, tuple[Callable[[str], bool], Sequence[str], int]] = {
        name: (partial(read_or_refuse, name), target.seeds, target.soaked) for name, target in TARGETS.items()
    }
    readers["site"] = partial(read_site_file, tmp_path), SITES, 20_000
    for name, (read, seeds, soaked) in readers.items():
        before = time.process_time()
        good = sum(read(changed(seeds, dice)) for _ in collecting(soaked))
        speed = soaked / (time.process_time() - before)
        print(f"{name:<11} {soaked:>8,} texts, {good:>7,} read, {speed:>8,.0f} a second, no finding")
        count += soaked
    grown_mb = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory_kb) / 1024
    print(f"{count:,} texts in {time.monotonic() - begun:.0f} s, {grown_mb:.0f} MB more memory")

    assert count >= 1_000_000
    assert grown_mb < 400
