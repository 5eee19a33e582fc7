"""A site for tests of its files, a clock that stands still, and texts that are changed at random."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from opsrunner.config.loader import Loaded, SiteLoader
from opsrunner.testing import FakeClock

SITE = """\
site: Example Hosting
timezone: Europe/Oslo
people:
  boss: {name: The owner, email: boss@example.com, roles: [owner]}
  ops1: {name: First technician, email: ops1@example.com, roles: [sysadmin, support]}
rosters:
  front-desk: {shifts: [{hours: "08:00-16:00", person: ops1}]}
hosts:
  web1: {address: 192.0.2.1, groups: [shared]}
sources:
  orders: {csv: data/orders.csv}
stores:
  disk: {local: {path: copies}}
"""
OTHER = "name: Other\naccountable: owner\nsteps: [{run: 'true'}]\n"


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(datetime(2026, 1, 10, tzinfo=UTC))  # a Saturday


@pytest.fixture
def full_site(make_site: Callable[[Mapping[str, str]], Path]) -> Callable[[Mapping[str, str]], Path]:
    """Write a site with people, a roster, a host, a source and the routine `other`."""
    return lambda files: make_site({"opsrunner.yaml": SITE, "routines/other.yaml": OTHER, **files})


@pytest.fixture
def load(full_site: Callable[[Mapping[str, str]], Path], clock: FakeClock) -> Callable[[Mapping[str, str]], Loaded]:
    """Write a full site with some more files, and load it."""
    return lambda files: SiteLoader(full_site(files), clock=clock).load()


WORDS = r"""
: - *a | > % @ ` ' " # , [ ] { } {{ }} {% %} {# #} ~ null true yes on .inf .nan 1e999 0x1F 0o17 1_000 -0 0 1 7 31 32
59 60 99 100000 9999999999999999999999999 -1 1.5 L W */ 1-5 5-1 */0 @daily @reboot sun every at steps id run task
for_each timeout env 2026-02-30 9999-12-31 0000-01-01 24:00 25:00 1w2d3h4m5s + ( ) <a@b.c> @ \ \u0000 \x |int loop
self namespace() range(9) ** * ~ //0 %s __class__
"""
"""What means something in one of the grammars."""
SIGNS = [
    *WORDS.split(),
    "", " ", '\n', '\t', '\r\n', '\x00', '\ufeff', '\u2028', '\u202e', '\x85', '\x1b', '\xf8', '\xe9', '\U0001f600',
    '\ud800', '\u0661', '\u07c0', '\u2167', '\xdf', '\u0130', '|-\n', '---\n', '...\n', '\u0663', ": ", "- ", "? ",
    "&a ", "<<: ", "!!str ", "!x ", " #", " if ", " is ", " | ",
]  # fmt: skip
PARTS = re.compile(r"\w+|\s+|[^\w\s]")


def change(seeds: Sequence[str], dice: random.Random) -> str:
    """Return one of `seeds` after a few changes."""
    text = dice.choice(seeds)
    for _ in range(dice.choice((1, 1, 1, 2, 4))):
        text = dice.choice(CHANGES)(text, seeds, dice)
    return text[:40_000]


def part_replaced(text: str, _: Sequence[str], dice: random.Random) -> str:
    parts = list(PARTS.finditer(text))
    if not parts:
        return text
    part = dice.choice(parts)
    other = dice.choice(SIGNS) if dice.random() < 0.7 else dice.choice(parts).group()
    return text[: part.start()] + other + text[part.end() :]


def sign_put_in(text: str, _: Sequence[str], dice: random.Random) -> str:
    at = dice.randint(0, len(text))
    return text[:at] + dice.choice(SIGNS) + text[at:]


def piece_cut_out(text: str, _: Sequence[str], dice: random.Random) -> str:
    start = dice.randint(0, len(text))
    return text[:start] + text[start + dice.randint(1, 1 + len(text) // 4) :]


def piece_repeated(text: str, _: Sequence[str], dice: random.Random) -> str:
    start = dice.randint(0, len(text))
    piece = text[start : start + dice.randint(1, 30)]
    return text[:start] + piece * dice.choice((2, 3, 60)) + text[start:]


def lines_moved(text: str, seeds: Sequence[str], dice: random.Random) -> str:
    lines = text.splitlines(keepends=True) or [""]
    others = dice.choice(seeds).splitlines(keepends=True) or [""]
    at, start = dice.randrange(len(lines)), dice.randrange(len(others))
    indent = " " * dice.choice((0, 0, 2, 4, 6))
    lines[at : at + dice.randint(0, 2)] = [indent + line for line in others[start : start + dice.randint(1, 4)]]
    return "".join(lines)


def character_turned(text: str, _: Sequence[str], dice: random.Random) -> str:
    at = dice.randrange(len(text)) if text else 0
    return text[:at] + chr(ord(text[at : at + 1] or "a") ^ (1 << dice.randrange(7))) + text[at + 1 :]


CHANGES = (
    part_replaced,
    part_replaced,
    sign_put_in,
    sign_put_in,
    piece_cut_out,
    piece_repeated,
    lines_moved,
    character_turned,
)


@pytest.fixture(scope="session")
def changed() -> Callable[[Sequence[str], random.Random], str]:
    """Return one of some texts after a few changes at random, near its grammar."""
    return change
