"""A site of many routines, made up from a seed: no two files alike, each with a bit of everything that people write."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

LINES = 60
HOSTS = 40

SITE = """\
site: Example Hosting
timezone: Europe/Oslo
people:
  boss: {name: The owner, email: owner@example.com, roles: [owner, billing]}
  ops1: {name: First technician, email: ops1@example.com, roles: [sysadmin, support], quiet: "22:00-07:00"}
  ops2: {name: Second technician, email: ops2@example.com, roles: [sysadmin]}
rosters:
  on-call: {rotate: week, handover: mon 09:00, from: 2026-01-05, people: [ops1, ops2]}
calendars:
  business: {country: NO, working_hours: "08:00-16:00", days_off: [2026-12-24]}
sources:
  orders: {csv: data/orders.csv, columns: {number: text, paid_at: "moment?", amount: number}}
  accounts: {csv: data/accounts.csv, columns: {username: text, plan: text}}
"""
CHECKLISTS = {
    "before-work": "role: sysadmin\ntasks:\n  - Tell the others\n  - {task: Look at the graphs, due: +2h}\n",
    "hand-over": "# Hand over\n\n- [ ] Say what is open\n- [ ] Say what comes\n",
}
_TALK = """
abuse archive bounce cache certificate customer database delivery disk domain export firewall invoice journal kernel
mailbox mirror network order package partition payment plan postfix queue quota replica report restore router server
snapshot store stream switch table tenant ticket traffic update vault version volume worker zone
"""
_WORDS = tuple(_TALK.split())
_HOLDERS = ("owner", "sysadmin", "support", "on-call", "billing", "ops1")
_ZONES = ("Europe/Oslo", "Europe/Berlin", "America/New_York", "Asia/Tokyo", "UTC")


def write_site(root: Path, *, count: int, seed: int) -> None:
    """Write `opsrunner.yaml`, two checklists and `count` routines of LINES lines each."""
    for folder in ("routines", "checklists"):
        (root / folder).mkdir(parents=True)
    hosts = [f"  web{number}: {{address: 192.0.2.{number}, groups: [shared]}}\n" for number in range(1, HOSTS + 1)]
    (root / "opsrunner.yaml").write_text(SITE + "hosts:\n" + "".join(hosts), encoding="utf-8")
    (root / "checklists/before-work.yaml").write_text(CHECKLISTS["before-work"], encoding="utf-8")
    (root / "checklists/hand-over.md").write_text(CHECKLISTS["hand-over"], encoding="utf-8")
    dice = random.Random(seed)
    for number in range(count):
        (root / f"routines/routine-{number:04}.yaml").write_text(routine_text(dice, number), encoding="utf-8")


def routine_text(dice: random.Random, number: int) -> str:
    """Return one routine of LINES lines."""
    lines = _head(dice, number)
    place = 0
    while True:
        block = dice.choice(_BLOCKS)(dice, place)
        if len(lines) + len(block) > LINES - 4:
            break
        lines += block
        place += 1
    lines += [f"  - id: last-{number}", f"    task: {_say(dice, 5)}", "    how: |"]
    while len(lines) < LINES:
        lines.append(f"      {dice.choice(('-', '1.', '*'))} {_say(dice, dice.randint(4, 12))}.")
    return "\n".join(lines) + "\n"


def _head(dice: random.Random, number: int) -> list[str]:
    head = [
        f"# {_say(dice, 9)}",
        f"name: {_say(dice, 3)} {number}",
        f"about: {_say(dice, 12)}.",
        f"accountable: {dice.choice(_HOLDERS)}",
        f"tags: [{', '.join(dice.sample(_WORDS, dice.randint(1, 3)))}]",
        f"schedule: {dice.choice(_SCHEDULES)(dice)}",
    ]
    if dice.random() < 0.5:
        head.append(f"catch_up: {dice.choice(('latest', 'skip', '{policy: all, within: 12h}'))}")
    if dice.random() < 0.3:
        head.append("overlap: queue    # the second waits for the first")
    return [*head, "steps:"]


def _say(dice: random.Random, words: int) -> str:
    return " ".join(dice.choice(_WORDS) for _ in range(words)).capitalize()


def _clock(dice: random.Random) -> str:
    return f'"{dice.randrange(24):02}:{dice.randrange(60):02}"'


def _one(dice: random.Random, *words: str) -> str:
    return dice.choice(words)


_SCHEDULES: tuple[Callable[[random.Random], str], ...] = (
    lambda dice: f"{{every: day, at: {_clock(dice)}}}",
    lambda dice: f"{{every: business day, at: [{_clock(dice)}], on_holiday: run}}",
    lambda dice: f'{{every: week, "on": [{_one(dice, "mon", "tue")}, {_one(dice, "thu", "fri")}], at: {_clock(dice)}}}',
    lambda dice: f'{{every: month, "on": {dice.randint(1, 28)}, at: {_clock(dice)}, on_holiday: next business day}}',
    lambda dice: f'{{every: quarter, "on": last business day, at: {_clock(dice)}}}',
    lambda dice: (
        f'{{every: {_one(dice, "5", "15", "45")}m, between: "0{dice.randint(5, 9)}:00-2{dice.randint(0, 3)}:00"}}'
    ),
    lambda dice: f'{{cron: "{dice.randrange(60)} {dice.randrange(24)} * * 1-5", timezone: {_one(dice, *_ZONES)}}}',
    lambda dice: f'{{cron: "*/{_one(dice, "5", "10", "20")} {dice.randint(6, 9)}-{dice.randint(16, 22)} * * *"}}',
)
"""`on` stands in quotes for the peer's sake: YAML 1.1 takes it for `true`."""


def _run(dice: random.Random, place: int) -> list[str]:
    one, other = dice.sample(_WORDS, 2)
    return [
        f"  - id: {one}-{place}",
        f"    name: {_say(dice, 4)}",
        f"    # {_say(dice, 8)}",
        "    run: |",
        f"      {one} --list --older-than {dice.randint(1, 90)}d /srv/{other}/{dice.randint(1, 999)} |",
        f"        sort -k {dice.randint(1, 9)} | tail -n {dice.randint(5, 50)}",
        "    env:",
        f'      {other.upper()}_LIMIT: "{dice.randint(10, 9000)}"',
        f"      {one.upper()}_PASSWORD: {{file: secrets/{other}}}",
        f"    timeout: {dice.randint(1, 59)}m",
        f"    retry: {{times: {dice.randint(1, 5)}, wait: {dice.randint(5, 90)}s}}",
        *([f"    warn_if: row.{other} | int > {dice.randint(1, 500)}", "    rows: csv"] if dice.random() < 0.4 else []),
        f"    on_failure: {dice.choice(('stop', 'continue'))}",
    ]


def _argv(dice: random.Random, place: int) -> list[str]:
    word = dice.choice(_WORDS)
    return [
        f'  - run: [{word}, "--{dice.choice(_WORDS)}", "{{{{ workdir }}}}/{word}-{dice.randint(1, 999)}"]',
        f"    id: {word}-{place}",
        f"    warn_codes: [{dice.randint(1, 9)}, {dice.randint(10, 99)}]",
        f"    urgent: {dice.choice(('true', 'false'))}",
    ]


def _ssh(dice: random.Random, place: int) -> list[str]:
    hosts = dice.sample(range(1, HOSTS + 1), 3)
    return [
        "  - ssh:",
        f"      hosts: [{', '.join(f'web{host}' for host in hosts)}]" if dice.random() < 0.6 else "      hosts: shared",
        f"      run: {dice.choice(_WORDS)} status --limit {dice.randint(1, 500)}",
        f"    id: {dice.choice(_WORDS)}-{place}",
        "    rows: lines",
        f'    fail_if: "row.line | int > {dice.randint(100, 900)}"',
    ]


def _http(dice: random.Random, place: int) -> list[str]:
    word = dice.choice(_WORDS)
    return [
        "  - http:",
        f'      get: "https://{dice.choice(_WORDS)}.example.com/{dice.choice(_WORDS)}/{dice.randint(1, 999)}"',
        f"      expect: {{status: {_one(dice, '200', '[200, 204]')}, within: {dice.randint(1, 9)}s, contains: {word}}}",
        f"    id: {dice.choice(_WORDS)}-{place}",
        f"    retry: {{times: {dice.randint(1, 9)}, wait: 10s}}",
    ]


def _keyed(dice: random.Random, place: int) -> list[str]:
    word, field = dice.sample(_WORDS, 2)
    return [
        f"  - id: {word}-{place}",
        f"    query: {{source: orders, where: {{amount: {{above: {dice.randint(1, 9000)}}}}}}}",
        f'  - task: "{_say(dice, 2)} {{{{ row.number }}}} of {{{{ row.{field} }}}}"',
        f"    id: {field}-of-{place}",
        f"    for_each: steps['{word}-{place}'].rows | selectattr('{field}') | list",
        "    key: row.number",
        f'    link: "https://billing.example.com/{word}/{{{{ row.number }}}}"',
        "    closes_when_gone: true",
        f"    due: +{dice.randint(1, 9)}h business",
        f"    remind: [-{dice.randint(10, 50)}m]",
        f"    escalate: {{after: {dice.randint(1, 9)}h, to: {dice.choice(_HOLDERS)}}}",
        "    evidence: {note: required}",
    ]


def _task(dice: random.Random, place: int) -> list[str]:
    return [
        f"  - task: {_say(dice, 6)}",
        f"    id: {dice.choice(_WORDS)}-{place}",
        f"    role: {dice.choice(_HOLDERS)}",
        f"    due: {_clock(dice)}",
        "    how: |",
        f"      {_say(dice, 14)}.",
        "",
        f"      1. **{_say(dice, 3)}**: {_say(dice, 9)}.",
        f"      2. {_say(dice, 11)}.",
        f"    evidence: {{number: {{name: {dice.choice(_WORDS)}, maximum: {dice.randint(10, 999)}}}}}",
    ]


def _list(dice: random.Random, place: int) -> list[str]:
    return [f"  - checklist: {dice.choice(tuple(CHECKLISTS))}", f"    id: {dice.choice(_WORDS)}-{place}"]


def _mail(dice: random.Random, place: int) -> list[str]:
    word = dice.choice(_WORDS)
    return [
        "  - email:",
        f"      to: [{dice.choice(_HOLDERS)}, {word}@example.com]",
        f'      subject: "{_say(dice, 4)} {{{{ run.id }}}}"',
        f"      body: {_say(dice, 15)}.",
        f"    id: {word}-{place}",
        f"    once: {word}-{dice.randint(1, 999)}",
        f"    when: now.day == {dice.randint(1, 28)}",
    ]


_BLOCKS = (_run, _run, _argv, _ssh, _http, _keyed, _task, _task, _list, _mail)
