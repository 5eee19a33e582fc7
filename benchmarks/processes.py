"""200 real programs due in one second: how long after that moment does each run?

A program tells it by the time of a file that it makes first, then it lives until all run: it waits at a pipe, at no
cost to the others. Ours is the whole daemon, each start committed before; the peers are a bare loop of
`subprocess.Popen` that starts at the moment and does nothing else, and Debian's cron in a mount namespace of its own
with one line a program (it needs root).

Ours is to take a twentieth of cron's time, where a machine lets the bare loop itself come near that; where it does not,
the bound is what 1.5 × the loop makes of cron's time. The loop's own figure stands beside it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from benchmarks.daemon_turn import next_minute, serve_until, write_site
from benchmarks.measure import Figure
from benchmarks.turns import ROOT, late_milliseconds, middle

COUNT = 200
TURNS = 3
LOOPS = 1.5
"""How much longer than the loop ours may take."""
CRON = """\
set -e
mount --make-rprivate /
mount -t tmpfs none /etc/cron.d
mount -t tmpfs none /var/spool/cron
mkdir /var/spool/cron/crontabs
: > "$1/crontab" && mount --bind "$1/crontab" /etc/crontab
mount -t tmpfs none /run
cp "$1/lines" /etc/cron.d/many
exec timeout "$2" cron -f
"""


def figures() -> Iterator[Figure]:
    """Yield p50 and p99 of ours, against the loop and cron."""
    ours, loop, cron = list[list[float]](), list[list[float]](), list[list[float]]()
    for turn in range(TURNS):
        loop.append(_turn("loop"))
        ours.append(_turn("ours"))
        if turn == 0:
            cron.append(_turn("cron"))
    for share, bound in ((0.5, None), (0.99, LOOPS)):
        yield Figure(
            name=f"{COUNT} programs, due → running, p{share * 100:.0f}",
            ours=middle(ours, share),
            unit="ms",
            peer="a bare Popen loop",
            theirs=middle(loop, share),
            most=bound,
        )
    ours_ms, loop_ms, cron_ms = (middle(each, 0.99) for each in (ours, loop, cron))
    beyond_cron = max(1 / 20, LOOPS * loop_ms / cron_ms)
    for name, milliseconds, bound in (("", ours_ms, beyond_cron), (" (the loop)", loop_ms, None)):
        yield Figure(
            name=f"{COUNT} programs, due → running, p99{name}",
            ours=milliseconds,
            unit="ms",
            peer="Debian cron",
            theirs=cron_ms,
            most=bound,
        )


def _turn(who: str) -> list[float]:
    return late_milliseconds([sys.executable, "-m", "benchmarks.processes", who])


class Programs:
    """What is started: each makes its file, then waits for the pipe's end."""

    def __init__(self, folder: Path) -> None:
        self.files = [folder / str(number) for number in range(COUNT)]
        self._pipe = folder / "pipe"
        os.mkfifo(self._pipe)
        self._descriptor: int | None = os.open(self._pipe, os.O_RDWR)

    def lines(self) -> list[str]:
        """Return them as lines for a shell."""
        return [f": > {file}; read _ < {self._pipe} || :" for file in self.files]

    def words(self) -> list[list[str]]:
        """Return them as arguments."""
        return [["/bin/sh", "-c", line] for line in self.lines()]

    def are_all_there(self) -> bool:
        """Tell whether all run; then let them end."""
        are_there = all(file.exists() for file in self.files)
        if are_there:
            self.release()
        return are_there

    def release(self) -> None:
        """Let them end."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def main(who: str) -> None:
    """Do one turn and print the milliseconds from due to running as JSON."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as marks, tempfile.TemporaryDirectory(dir=_var()) as folder:
        programs = Programs(Path(marks))
        try:
            at = {"ours": _ours, "loop": _loop, "cron": _cron}[who](Path(folder), programs)
        finally:
            programs.release()
        late = [1000 * (file.stat().st_mtime - at.timestamp()) for file in programs.files]
    print(json.dumps(late))


def _var() -> Path:
    """Return a folder on the disk: where temporary files lie may be memory."""
    (ROOT / "var").mkdir(exist_ok=True)
    return ROOT / "var"


def _ours(folder: Path, programs: Programs) -> datetime:
    at = next_minute(lead_seconds=5)
    steps = [f"run: {json.dumps(words)}" for words in programs.words()]
    site = write_site(folder, at=at, steps=steps, workers=COUNT)
    serve_until(site, programs.are_all_there, at=at, count=COUNT)
    return at


def _loop(folder: Path, programs: Programs) -> datetime:
    del folder
    words = programs.words()
    at = datetime.fromtimestamp(time.time() + 0.5).astimezone()
    time.sleep(0.5)
    children = [subprocess.Popen(each, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL) for each in words]
    while not programs.are_all_there():
        time.sleep(0.1)
    for child in children:
        child.wait()
    return at


def _cron(folder: Path, programs: Programs) -> datetime:
    if os.geteuid() != 0:
        raise SystemExit("Debian's cron is started in a mount namespace of its own: run this as root")
    at = next_minute(lead_seconds=5)
    local = at.astimezone()
    lines = [f"{local.minute} {local.hour} * * * root {line}" for line in programs.lines()]
    (folder / "lines").write_text("\n".join(lines) + "\n")
    (folder / "lines").chmod(0o644)
    seconds = (at.timestamp() - time.time()) + 30
    command = ["unshare", "--mount", "bash", "-c", CRON, "cron", str(folder), f"{seconds:.0f}"]
    cron = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not programs.are_all_there() and cron.poll() is None:
        time.sleep(0.1)
    assert programs.are_all_there(), "cron did not start all"
    cron.terminate()
    cron.wait()
    return at


if __name__ == "__main__":
    main(sys.argv[1])
