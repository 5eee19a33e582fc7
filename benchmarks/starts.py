"""1,000 no-op steps due in one second: how long after that moment is each entered?

Ours is the whole daemon over a real ledger: planned, claimed, every start committed to disk, then entered. The peer is
APScheduler as it is used for the same (a daily `CronTrigger` each, no misfire grace), once with its memory store,
which commits nothing, and once with its SQL store on SQLite. Each runs in a process of its own, turn by turn.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.daemon_turn import next_minute, serve_until, write_site
from benchmarks.measure import Figure
from benchmarks.turns import ROOT, late_milliseconds, middle

from opsrunner.model.outcome import Outcome
from opsrunner.steps import kinds
from opsrunner.steps.base import Means, StepCall
from opsrunner.testing import ScriptedStep

PEERS = ROOT / ".venv-peers" / "bin" / "python"
PEER = Path(__file__).with_name("peer_starts.py")
STEPS = 1000
TURNS = 3


def figures() -> Iterator[Figure]:
    """Yield p50 and p99 of ours, against both stores of the peer."""
    ours: list[list[float]] = []
    memory: list[list[float]] = []
    sql: list[list[float]] = []
    for turn in range(TURNS):
        memory.append(late_milliseconds([PEERS, PEER, "memory", str(STEPS)]))
        ours.append(late_milliseconds([sys.executable, "-m", "benchmarks.starts", str(STEPS)]))
        if turn == 0:  # it takes half a minute, and is nowhere near
            sql.append(late_milliseconds([PEERS, PEER, "sql", str(STEPS)]))
    for share, bound in ((0.5, None), (0.99, 1 / 4)):
        yield Figure(
            name=f"{STEPS} no-op steps, due → entered, p{share * 100:.0f}",
            ours=middle(ours, share),
            unit="ms",
            peer="APScheduler, memory",
            theirs=middle(memory, share),
            most=bound,
        )
    yield Figure(
        name=f"{STEPS} no-op steps, due → entered, p99",
        ours=middle(ours, 0.99),
        unit="ms",
        peer="APScheduler, SQL",
        theirs=middle(sql, 0.99),
        most=1 / 50,
    )


def main(count: int) -> None:
    """Be the daemon for one turn: print the milliseconds from due to entered as JSON."""
    entered: list[float] = []

    class Noop(ScriptedStep):
        def run(self, call: StepCall, means: Means) -> Outcome:
            entered.append(time.time())
            return super().run(call, means)

    kinds._TABLE["scripted"] = Noop().kind()
    at = next_minute(lead_seconds=10)
    (ROOT / "var").mkdir(exist_ok=True)  # on the disk: where temporary files lie may be memory
    with tempfile.TemporaryDirectory(dir=ROOT / "var") as folder:
        site = write_site(Path(folder), at=at, steps=["scripted: {say: hello}"] * count)
        serve_until(site, lambda: len(entered) == count, at=at, count=count)
    print(json.dumps([1000 * (moment - at.timestamp()) for moment in entered]))


if __name__ == "__main__":
    main(int(sys.argv[1]))
