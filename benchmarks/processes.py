"""200 real programs due in one second: how long after that moment does each run?

A program tells it by the time of a file that it makes first. Ours is the whole daemon, each start committed before;
the peers are a bare loop of `subprocess.Popen` that starts at the moment and does nothing else, and Debian's cron in
a mount namespace of its own with one line a program (it needs root).
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
LIVES_SECONDS = 3
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
    for share, bound in ((0.5, None), (0.99, 1.5)):
        yield Figure(
            name=f"{COUNT} programs, due → running, p{share * 100:.0f}",
            ours=middle(ours, share),
            unit="ms",
            peer="a bare Popen loop",
            theirs=middle(loop, share),
            most=bound,
        )
    yield Figure(
        name=f"{COUNT} programs, due → running, p99",
        ours=middle(ours, 0.99),
        unit="ms",
        peer="Debian cron",
        theirs=middle(cron, 0.99),
        most=1 / 20,
    )


def _turn(who: str) -> list[float]:
    return late_milliseconds([sys.executable, "-m", "benchmarks.processes", who])


def main(who: str) -> None:
    """Do one turn and print the milliseconds from due to running as JSON."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as marks, tempfile.TemporaryDirectory(dir=_var()) as folder:
        files = [Path(marks) / str(number) for number in range(COUNT)]
        at = {"ours": _ours, "loop": _loop, "cron": _cron}[who](Path(folder), files)
        late = [1000 * (file.stat().st_mtime - at.timestamp()) for file in files]
    print(json.dumps(late))


def _var() -> Path:
    """Return a folder on the disk: where temporary files lie may be memory."""
    (ROOT / "var").mkdir(exist_ok=True)
    return ROOT / "var"


def _program(file: Path) -> list[str]:
    return ["/bin/sh", "-c", f": > {file}; exec sleep {LIVES_SECONDS}"]


def _ours(folder: Path, files: list[Path]) -> datetime:
    at = next_minute(lead_seconds=5)
    steps = [f"run: {json.dumps(_program(file))}" for file in files]
    site = write_site(folder, at=at, steps=steps, workers=COUNT)
    serve_until(site, lambda: all(file.exists() for file in files), at=at, count=COUNT)
    return at


def _loop(folder: Path, files: list[Path]) -> datetime:
    del folder
    programs = [_program(file) for file in files]
    at = datetime.fromtimestamp(time.time() + 0.5).astimezone()
    time.sleep(0.5)
    children = [subprocess.Popen(program, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL) for program in programs]
    for child in children:
        child.wait()
    return at


def _cron(folder: Path, files: list[Path]) -> datetime:
    if os.geteuid() != 0:
        raise SystemExit("Debian's cron is started in a mount namespace of its own: run this as root")
    at = next_minute(lead_seconds=5)
    local = at.astimezone()
    lines = [f"{local.minute} {local.hour} * * * root : > {file}; exec sleep {LIVES_SECONDS}" for file in files]
    (folder / "lines").write_text("\n".join(lines) + "\n")
    (folder / "lines").chmod(0o644)
    seconds = (at.timestamp() - time.time()) + 30
    command = ["unshare", "--mount", "bash", "-c", CRON, "cron", str(folder), f"{seconds:.0f}"]
    subprocess.run(command, check=False, capture_output=True)
    missing = [file for file in files if not file.exists()]
    assert not missing, f"cron did not start {len(missing)} of {len(files)}"
    return at


if __name__ == "__main__":
    main(sys.argv[1])
