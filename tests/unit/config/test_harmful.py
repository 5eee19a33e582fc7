"""Files made to be slow, large or odd are refused, or read, within a second and in few short lines (C47, C55)."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path

import pytest

from opsrunner.config.checklist import Checklist, read_checklist
from opsrunner.config.inventories.reading import Inventories
from opsrunner.config.markdown_lists import read_markdown
from opsrunner.config.report import MOST_MISTAKES
from opsrunner.config.routine_file import RoutineContext, read_routine
from opsrunner.config.site_file import read_site
from opsrunner.config.yaml12 import BadYaml, decode
from opsrunner.errors import ExpressionError, MailFailed
from opsrunner.mail.headers import parse_address
from opsrunner.model.site import Problem
from opsrunner.templates.expressions import step_references

from ...patience import raised, within

LISTS: Mapping[str, Checklist] = {}
MANY = 10_000
HEAD = "name: X\naccountable: owner\n"
STEPS = f"{HEAD}steps:\n"
RUN = f"{STEPS}  - run: a\n"


def numbered(line: str, count: int = MANY) -> str:
    return "".join(line.replace("#", str(number)) for number in range(count))


def problems_of(text: str | bytes) -> tuple[Problem, ...]:
    """Return what is wrong with a routine, at once and in short lines."""
    context = RoutineContext(timezone="UTC", today=date(2026, 1, 10), checklists=LISTS)
    data = text if isinstance(text, bytes) else text.encode()
    try:
        return read_routine(decode(data), file="x.yaml", id_="x", within=context).problems
    except BadYaml as exc:
        return (Problem(file="x.yaml", line=exc.line, column=exc.column, path="", message=str(exc), hint=exc.hint),)


def judged(act: Callable[[], tuple[Problem, ...]]) -> tuple[Problem, ...]:
    """Read something, and see that it took less than a second and was said in short lines."""
    problems = within(1, act, clock=time.thread_time)
    assert len(problems) <= MOST_MISTAKES + 1
    for problem in problems:
        assert len(str(problem)) < 1000
        assert "\n" not in str(problem)
    return problems


WITH_STEP = f"{HEAD}steps: [{{run: a}}]\n"
DUE = WITH_STEP + "schedule: "
OF_MANY_LEVELS = "".join(" " * depth + "- a:\n" for depth in range(0, 80, 2)) + " " * 80 + "- " + "[{b: " * 30
WIDE = "a: &a [" + "x," * 900 + "]\nb: &b [" + "*a," * 7 + "]\nc: [" + "*b," * 9 + "]\n"

# What a routine says, and what is said about it; None where it is only odd, and fine.
ROUTINES: dict[str, tuple[str | bytes, str | None]] = {
    "unknown keys": (WITH_STEP + numbered("k#: 1\n"), "unknown key"),
    "slips of one key": (RUN + numbered("    timout#: 1\n"), "did you mean 'timeout'?"),
    "unknown options": (STEPS + "  - http:\n      get: https://a\n" + numbered("      expct#: 1\n"), "unknown key"),
    "wrong variables": (RUN + "    env:\n" + numbered("      1k#: a\n"), "cannot be the name of a variable"),
    "wrong tags": (WITH_STEP + "tags: [" + "1," * MANY + "]\n", "must be text"),
    "wrong steps": (STEPS + "  - a\n" * MANY, "a step must be a mapping"),
    "steps of one id": (STEPS + "  - {run: a, id: x}\n" * 200, "is taken by a step above"),
    "wrong reminders": (STEPS + "  - task: a\n    remind: [" + "x," * MANY + "]\n", "is not a duration"),
    "wrong escalations": (STEPS + "  - task: a\n    escalate: [" + "{a: b}," * 8000 + "]\n", "is needed"),
    "wrong days": (DUE + "{every: week, at: '02:30', on: [" + "x," * MANY + "]}\n", "`on` needs a day"),
    "wrong times": (DUE + "{every: day, at: [" + "x," * MANY + "]}\n", "at most 100"),
    "wrong rules": (DUE + "[" + "{cron: a}," * 9000 + "]\n", "1 to 50 rules"),
    "templates of one shape": (STEPS + "  - run: [" + numbered("'{{ row.a# }}',") + "]\n", "more than 2,000"),
    "templates of many shapes": (STEPS + "  - run: [" + numbered("'{{ {} }}#',") + "]\n", "more than 2,000"),
    "wrong templates": (STEPS + "  - run: [" + numbered("'{{ row.a | no# }}',", 3000) + "]\n", "there is no filter"),
    "unknown steps": (RUN + "    env: {" + numbered("k#: '{{ steps.s#.x }}', ", 1500) + "}\n", "unknown step"),
    "an expression of names": (RUN + "    when: " + "a." * 4000 + "b\n", "nested too deeply"),
    "an expression of 300 names": (RUN + "    when: " + "a." * 300 + "b\n", "nested too deeply"),
    "an infinite number in an expression": (RUN + "    when: row.a > 1e999\n", "a number is too large"),
    "a long template": (STEPS + "  - task: '" + "{% if a %}{% endif %}" * 6000 + "'\n", "or very long ones"),
    "a long key": (HEAD + "k" * 900 + ": 1\nsteps: [{run: a}]\n", "kkk…: unknown key"),
    "a long kind": (STEPS + "  - {" + "k" * 900 + ": 1}\n", "unknown step kind"),
    "a long duration": (RUN + "    timeout: " + "1h" * 400_000 + "\n", "is not a duration"),
    "a long time": (STEPS + "  - task: a\n    due: '" + "1" * 900_000 + ":00'\n", "is not a time of day"),
    "a long span": (STEPS + "  - task: a\n    due: '" + " " * 900_000 + "x'\n", "is not a time of day"),
    "a long rhythm": (DUE + "{every: " + "day" * 300_000 + "}\n", "is no rhythm"),
    "a long cron": (DUE + "{cron: '" + "* " * 400_000 + "'}\n", "at most 500 characters"),
    "a long zone": (DUE + "{every: day, at: '02:30', timezone: " + "A/" * 400_000 + "}\n", "there is no time zone"),
    "a long address": (
        STEPS + "  - http: {get: 'https://" + "a/" * 400_000 + " '}\n",
        "is not an http or https address",
    ),
    "a bomb of merge keys": ("a: &a {x: 1}\n" + numbered("b#: {<<: *a, y: 1}\n", 30), "more than 20 aliases"),
    "a merge key is a key": (HEAD + "<<: {a: 1}\nsteps: [{run: a}]\n", "<<: unknown key"),
    "wide aliases within aliases": (WIDE, "holds more than"),
    "flow in blocks in flow": (OF_MANY_LEVELS, "deeper than 50 levels"),
    "blocks on one line": ("- " * 400 + "a\n", "deeper than 50 levels"),
    "complex keys": ("? {a: b}\n: c\n", "the braces are read as YAML"),
    "a complex key of a list": ("? - a\n: b\n", "a key must be plain text"),
    "an empty complex key": (HEAD + "? \n: b\nsteps: [{run: a}]\n", "unknown key"),
    "a whole number of many digits": (RUN + "    retry: {times: " + "9" * 900_000 + "}\n", "the number is too large"),
    "a large exponent": (RUN + "    retry: {times: 1e999999}\n", "the number is too large"),
    "an exponent of many digits": (RUN + "    retry: {times: 1e" + "9" * 100_000 + "}\n", "the number is too large"),
    "a number of many zeros": (RUN + "    retry: {times: 0." + "0" * 500_000 + "1}\n", "a whole number"),
    "a long hexadecimal number": (RUN + "    retry: {times: 0x" + "F" * 100_000 + "}\n", "the number is too large"),
    "a number with underlines": (RUN + "    retry: {times: 1_000}\n", "a whole number, not '1_000'"),
    "Arabic digits": (RUN + "    retry: {times: ٣}\n", "a whole number, not '٣'"),
    "a date far away": (DUE + "{once: 9999-12-31T23:59}\n", "too far away"),
    "a date of the year 0": (DUE + "{once: 0000-01-01}\n", "does not exist"),
    "UTF-16": (WITH_STEP.encode("utf-16"), "is not UTF-8 text"),
    "UTF-32": (WITH_STEP.encode("utf-32-be"), "U+0000"),
    "Latin 1": (HEAD.encode() + b"about: \xf8\n", "is not UTF-8 text"),
    "a half of a pair": (b"name: \xed\xa0\x80\n", "is not UTF-8 text"),
    "an escaped half of a pair": (WITH_STEP + 'about: "\\ud800"\n', "not YAML"),
    "NUL": (HEAD + "about: a\0b\n", "U+0000"),
    "a mark in front, and lines of Windows": ("\ufeff" + RUN.replace("\n", "\r\n"), None),
    "lines of old Macs": (WITH_STEP.replace("\n", "\r"), None),
    "a tab before a key": (STEPS + "\t- run: a\n", "a tab cannot indent"),
    "tabs after it": (HEAD + "steps:\t[{run: a}]\t\n", None),
    "900 kB in one line": (WITH_STEP + "about: " + "x" * 900_000 + "\n", None),
    "900 kB of comment": (RUN + "#" * 900_000 + "\n", None),
    "300,000 empty lines": (RUN + "\n" * 300_000, None),
    "100,000 quotes": (WITH_STEP + "about: '" + "''" * 100_000 + "'\n", None),
    "100,000 directives": ("%A b\n" * 100_000 + "---\n" + RUN, "not YAML"),
    "100,000 documents": ("---\n" * 100_000, "a second document"),
}


@pytest.mark.parametrize(("text", "message"), ROUTINES.values(), ids=ROUTINES)
def test_a_routine_is_judged_at_once(text: str | bytes, message: str | None) -> None:
    problems = judged(lambda: problems_of(text))

    said = "\n".join(map(str, problems))
    assert said == "" if message is None else message in said


def test_more_mistakes_than_anybody_reads_are_counted_no_further() -> None:
    problems = problems_of(RUN + numbered("    k#: 1\n", 101))

    assert [problem.line for problem in problems] == [*range(5, 105), 104]
    assert problems[-1].message == "there may be more mistakes than these 100"
    assert len(problems_of(RUN + numbered("    k#: 1\n", 99))) == 99


SITE = "site: X\npeople:\n  boss: {name: B, email: b@example.com, roles: [owner]}\n"
PERSON = "site: X\npeople: {b: {name: B, email: "
SITES: dict[str, tuple[str, str]] = {
    "unknown keys": (SITE + numbered("k#: 1\n"), "unknown key"),
    "wrong people": ("site: X\npeople:\n" + numbered("  p#: {nme: x}\n", 8000), "did you mean 'name'?"),
    "one login": ("site: X\npeople:\n" + numbered("  p#: {name: B, email: b@c.d, login: x}\n", 4000), "login"),
    "unknown people": (SITE + "rosters: {r: {rotate: week, people: [" + numbered("n#,") + "]}}\n", "unknown person"),
    "wrong columns": (SITE + "sources: {a: {csv: x, columns: {" + numbered("c#: no,") + "}}}\n", "is not a type of"),
    "a long mail address": (PERSON + "a@" * 400_000 + "}}\n", "is not an e-mail address"),
    "long hours": (PERSON + "a@b.c, quiet: '" + "2" * 900_000 + "-'}}\n", "is not a time of day"),
    "a long size": (SITE + "limits: {output: '" + "1" * 900_000 + "'}\n", "must be a size"),
    "a long country": (SITE + "calendars: {business: {country: " + "N" * 100_000 + "}}\n", "no holidays are known"),
    "a long hand-over": (SITE + "rosters: {r: {rotate: week, handover: '" + "mon " * 200_000 + "'}}\n", "hand-over"),
}


@pytest.mark.parametrize(("text", "message"), SITES.values(), ids=SITES)
def test_a_site_file_is_judged_at_once(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "opsrunner.yaml").write_text(text, encoding="utf-8")

    problems = judged(lambda: read_site(tmp_path, signature=None, inventories=Inventories(tmp_path)).problems)

    assert message in "\n".join(map(str, problems))


LONG_HOW = "{% if a %}b{% endif %}" * 80
CHECKLISTS: dict[str, tuple[str, str, str]] = {
    "items": ("yaml", "tasks:\n" + "- a\n" * 20_000, "tasks"),
    "long templates": ("yaml", "tasks:\n" + numbered(f"- {{task: a, how: '{LONG_HOW}#'}}\n", 400), "very long ones"),
    "wrong items": ("yaml", "tasks:\n" + "- {task: a, x: b}\n" * 500, "there may be more mistakes"),
    "boxes": ("md", "- [ ] a\n" * 4_900, "holds more than 500 tasks"),
    "lines": ("md", "- [ ] a\n" * 20_000, "has more than 5,000 lines"),
    "headings": ("md", "# a\n" * 40_000, "has more than 5,000 lines"),
    "brackets": ("md", "[" * 190_000, "of the marks"),
    "emphasis": ("md", "*a_b**" * 30_000, "of the marks"),
    "links": ("md", "[a](<b" * 30_000, "of the marks"),
    "quotes within quotes": ("md", "> " * 90_000, "holds no task"),
    "lists within lists": ("md", "- " * 90_000, "holds no task"),
    "a wide table": ("md", "|" + "a|" * 900 + "\n|" + "-|" * 900 + "\n" + "x\n" * 4_000, "more than 100 columns"),
}


@pytest.mark.parametrize(("ending", "text", "message"), CHECKLISTS.values(), ids=CHECKLISTS)
def test_a_checklist_is_judged_at_once(ending: str, text: str, message: str) -> None:
    def read() -> tuple[Problem, ...]:
        if ending == "md":
            return read_markdown(decode(text.encode()), file="x.md", name="x").problems
        return read_checklist(decode(text.encode()), file="x.yaml", name="x").problems

    problems = judged(read)

    assert message in "\n".join(map(str, problems))


@pytest.mark.parametrize("domain", ["ø" * 1_000_000, "ø." * 500_000, "b." * 500_000, "\u3002" * 100_000])
def test_a_long_domain_is_refused_at_once(domain: str) -> None:
    def parse() -> MailFailed:
        return raised(MailFailed, lambda: parse_address(f"ann@{domain}"), match="not a mail address")

    within(1, parse, clock=time.thread_time)


DEEP = ["a" + ".b" * 120, "a" + "|int" * 120, "not " * 120 + "a", "- " * 120 + "a", "a" + "[0]" * 120, "(" * 400 + "a"]


@pytest.mark.parametrize("source", DEEP)
def test_what_is_nested_deeper_than_anybody_writes_is_not_compiled(source: str) -> None:
    why = r"nested too deeply|missing at its end|unexpected"

    within(0.5, lambda: raised(ExpressionError, lambda: step_references(source), match=why), clock=time.thread_time)
