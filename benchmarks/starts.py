"""1,000 no-op steps due in one second: how long after that moment is each entered?

Ours is the whole daemon over a real ledger: planned, claimed, every start committed to disk, then entered. The peer is
APScheduler as it is used for the same (a daily `CronTrigger` each, no misfire grace), once with its memory store,
which commits nothing, and once with its SQL store on SQLite. Each runs in a process of its own, turn by turn.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from benchmarks.measure import Figure, percentile
from opsrunner.app import open_app
from opsrunner.steps import kinds
from opsrunner.testing import ScriptedStep

ROOT = Path(__file__).parents[1]
PEERS = ROOT / ".venv-peers" / "bin" / "python"
PEER = Path(__file__).with_name("peer_starts.py")
STEPS = 1000
TURNS = 3
SITE = """\
site: Many
timezone: UTC
people: {boss: {name: Boss, email: boss@example.com, roles: [owner]}}
"""


def figures() -> Iterator[Figure]:
    """Yield p50 and p99 of ours, against both stores of the peer."""
    ours: list[list[float]] = []
    memory: list[list[float]] = []
    sql: list[list[float]] = []
    for turn in range(TURNS):
        memory.append(_late([PEERS, PEER, "memory", str(STEPS)]))
        ours.append(_late([sys.executable, "-m", "benchmarks.starts", str(STEPS)]))
        if turn == 0:  # its figure is 50 times the bound, and takes half a minute
            sql.append(_late([PEERS, PEER, "sql", str(STEPS)]))
    for share, bound in ((0.5, None), (0.99, 1 / 4)):
        name = f"{STEPS} no-op steps, due → entered, p{share * 100:.0f}"
        mine = _middle(ours, share)
        yield Figure(
            name=name, ours=mine, unit="ms", peer="APScheduler, memory", theirs=_middle(memory, share), most=bound
        )
    theirs = _middle(sql, 0.99)
    mine = _middle(ours, 0.99)
    yield Figure(
        name=f"{STEPS} no-op steps, due → entered, p99",
        ours=mine,
        unit="ms",
        peer="APScheduler, SQL",
        theirs=theirs,
        most=1 / 50,
    )


def _middle(turns: list[list[float]], share: float) -> float:
    return percentile([percentile(turn, share) for turn in turns], 0.5)


def _late(command: list[Path | str]) -> list[float]:
    """Run one turn and return the milliseconds from due to entered."""
    done = subprocess.run([str(word) for word in command], check=True, capture_output=True, text=True, cwd=ROOT)
    late: list[float] = json.loads(done.stdout.splitlines()[-1])
    return late


def main(count: int) -> None:
    """Be the daemon for one turn: print the milliseconds from due to entered as JSON."""
    entered: list[float] = []
    everybody = threading.Event()

    class Noop(ScriptedStep):
        def run(self, call, means):  # type: ignore[no-untyped-def]
            entered.append(time.time())
            if len(entered) == count:
                everybody.set()
            return super().run(call, means)

    kinds._TABLE["scripted"] = Noop().kind()
    at = (datetime.now(UTC) + timedelta(seconds=20)).replace(second=0, microsecond=0) + timedelta(minutes=1)
    with tempfile.TemporaryDirectory(dir=ROOT / "var") as folder:
        app = open_app(_write_site(Path(folder), count, at=f"{at:%H:%M}"))
        service = app.daemon_parts()
        daemon = service.daemon
        daemon.begin()
        thread = threading.Thread(target=daemon.loop)
        thread.start()
        everybody.wait((at - datetime.now(UTC)).total_seconds() + 60)
        while service.workers.busy():
            time.sleep(0.05)
        finished = time.time() - at.timestamp()
        app.draining.set()
        thread.join()
        service.workers.close(grace_seconds=1, hurry=app.hurry)
        ended = [run.status.value for run in app.books.runs.listed(limit=count + 1)]
        assert ended == ["succeeded"] * count, f"{len(ended)} runs: {set(ended)}"
        app.close()
    print(f"all ended {finished:.2f} s after the moment", file=sys.stderr)
    print(json.dumps([1000 * (moment - at.timestamp()) for moment in entered]))


def _write_site(folder: Path, count: int, *, at: str) -> Path:
    folder.chmod(0o700)
    (folder / "routines").mkdir(mode=0o700)
    files = {"opsrunner.yaml": SITE}
    for number in range(count):
        files[f"routines/routine-{number}.yaml"] = (
            f'name: Routine {number}\naccountable: owner\nschedule: {{every: day, at: "{at}"}}\n'
            "steps:\n  - scripted: {say: hello}\n"
        )
    for name, text in files.items():
        path = folder / name
        path.write_text(text, encoding="utf-8")
        path.chmod(0o600)
    return folder


if __name__ == "__main__":
    main(int(sys.argv[1]))
