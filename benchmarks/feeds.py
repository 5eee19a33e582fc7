"""500 feeds of 250 hosts, a tenth of them slow: does it take longer than the slow ones alone?

The server is a process of its own that waits as long as it is told. Nine tenths answer within 0.4 s, one tenth after 4
to 8 s, as what is far away or half dead does. `first` is a first look: nothing is known of any feed, all are fetched
and parsed. `again` is every later one: the slow are known and asked first, and the servers say that nothing is new.
Beside each stands what the slowest tenth takes by itself, asked in the same way, turn by turn.
"""

from __future__ import annotations

import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.measure import Figure, seconds_of

from opsrunner.model.site import Source
from opsrunner.secrets import Vault
from opsrunner.sources.reading import read_source
from opsrunner.sources.request import Around
from opsrunner.sources.shapes import ENTRIES

FEEDS, SLOW, HOSTS, ROWS_EACH = 500, 50, 250, 20
TURNS = 3
MOST = 1.3
"""Times the slowest tenth's own time, also when nobody knows yet which ones are slow."""
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def figures() -> Iterator[Figure]:
    """Yield how long all take beside the slowest tenth, at a first look and at a later one."""
    with tempfile.TemporaryDirectory(prefix="feeds-") as folder, serving() as port:
        slow, quick = urls_of(port)
        everything = [*quick, *slow]
        random.Random(7).shuffle(everything)
        look(slow[:1], Path(folder) / "warm")  # what is imported once is
        first: list[tuple[float, float]] = []
        again: list[tuple[float, float]] = []
        for turn in range(TURNS):
            all_, alone = Path(folder) / f"all-{turn}", Path(folder) / f"alone-{turn}"
            for found in (first, again):
                found.append((timed(everything, all_), timed(slow, alone)))
        for name, turns in (("first look", first), ("later looks", again)):
            ours, theirs = (sorted(turn[side] for turn in turns)[TURNS // 2] for side in (0, 1))
            peer = f"its {SLOW} slowest alone"
            yield Figure(name=f"{FEEDS} feeds, {name}", ours=ours, unit="s", peer=peer, theirs=theirs, most=MOST)


def timed(urls: list[str], memory: Path) -> float:
    """Return how long it takes to read feeds, and see that all of them are there."""
    found: list[int] = []
    seconds = seconds_of(lambda: found.append(look(urls, memory)))
    assert found == [ROWS_EACH * len(urls)], found
    return seconds


def look(urls: list[str], memory: Path) -> int:
    """Read feeds as a step does, and return how many rows they gave."""
    source = Source(name="talk", kind="feeds", where={"urls": urls}, columns=ENTRIES)
    options = {"timeout_seconds": 600}
    rows = read_source(source, options, vault=Vault(memory), site_root=memory, now=NOW, around=Around(memory=memory))
    return len(rows)


def urls_of(port: int) -> tuple[list[str], list[str]]:
    """Return the slow feeds and the quick ones."""
    chance = random.Random(2026)
    waits = [chance.randrange(4_000, 8_000) for _ in range(SLOW)]
    waits += [chance.randrange(20, 400) for _ in range(FEEDS - SLOW)]
    urls = [
        f"http://127.0.{2 + number % HOSTS // 100}.{1 + number % HOSTS % 100}:{port}/{number}/{wait}"
        for number, wait in enumerate(waits)
    ]
    return urls[:SLOW], urls[SLOW:]


@contextmanager
def serving() -> Iterator[int]:
    """Keep the server; give its port."""
    command = [sys.executable, "-m", "benchmarks.feed_server"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        try:
            yield int(server.stdout.readline())
        finally:
            server.stdin.close()
            server.wait(10)
