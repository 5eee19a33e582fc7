"""Thirty browsers follow a live run: how much later do steps start that are due meanwhile?

One process is the daemon with its page, as `serve` has them together: a run that writes ten lines a second is
followed by browsers that do what the page's script does (two streams each, and another look at every change), while
500 no-op steps are due in one second. The peer is the same without browsers.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.daemon_turn import next_minute, write_site
from benchmarks.measure import Figure, percentile
from benchmarks.page import COOKIE, free_port, session_of
from benchmarks.turns import ROOT

from opsrunner.app import App, open_app
from opsrunner.model.outcome import Outcome
from opsrunner.steps import kinds
from opsrunner.steps.base import Means, StepCall
from opsrunner.testing import ScriptedStep
from opsrunner.web.server import WebServer

BROWSERS = 30
STEPS = 500
TURNS = 3
LEAD_SECONDS = 15.0
MOST_MS = 100.0
LIVE = """\
name: Live
accountable: owner
steps:
  - run: for n in $(seq 1 3000); do echo "line $n of what is followed"; sleep 0.1; done
"""


def figures() -> Iterator[Figure]:
    """Yield the p99 with browsers, beside that without, and by how much it is more."""
    with_browsers, alone = [], []
    for _ in range(TURNS):
        alone.append(_turn(0))
        with_browsers.append(_turn(BROWSERS))
    ours, theirs = sorted(with_browsers)[TURNS // 2], sorted(alone)[TURNS // 2]
    what = f"{STEPS} no-op steps, due → entered, p99"
    yield Figure(name=f"{what}, {BROWSERS} browsers follow", ours=ours, unit="ms", peer="nobody does", theirs=theirs)
    yield Figure(name=f"{what}: so much more", ours=max(0.0, ours - theirs), unit="ms", most=MOST_MS)


def _turn(browsers: int) -> float:
    """Return the p99 of a turn, in milliseconds."""
    command = [sys.executable, "-m", "benchmarks.page_followers", "daemon"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as daemon:
        assert daemon.stdout is not None
        told = json.loads(daemon.stdout.readline())
        following = [sys.executable, "-m", "benchmarks.page_browsers", json.dumps(told), str(browsers)]
        with subprocess.Popen(following, cwd=ROOT, stdout=subprocess.PIPE, text=True) as crowd:
            late: list[float] = json.loads(daemon.stdout.readline())
            crowd.terminate()
            looks = crowd.communicate()[0]
    assert not browsers or int(looks.splitlines()[-1]) > browsers, f"nobody looked: {looks}"
    return percentile(late, 0.99)


def main() -> None:
    """Be the daemon of one turn: print where to look, then how late each step was entered."""
    entered: list[float] = []

    class Noop(ScriptedStep):
        def run(self, call: StepCall, means: Means) -> Outcome:
            entered.append(time.time())
            return super().run(call, means)

    kinds._TABLE["scripted"] = Noop().kind()
    at, port = next_minute(lead_seconds=LEAD_SECONDS), free_port()
    with tempfile.TemporaryDirectory(dir=ROOT / "var") as folder:
        site = write_site(Path(folder), at=at, steps=["scripted: {say: hello}"] * STEPS)
        path = site / "opsrunner.yaml"
        path.write_text(f'{path.read_text()}web: {{listen: "127.0.0.1:{port}"}}\n')
        live = site / "routines" / "live.yaml"
        live.write_text(LIVE)
        live.chmod(0o600)
        app = open_app(site)
        service = app.daemon_parts()
        service.daemon.begin()
        thread = threading.Thread(target=service.daemon.loop)
        thread.start()
        page = WebServer(app)
        page.start()
        print(json.dumps({"port": port, "cookie": f"{COOKIE}={session_of(app, 'boss')}", "run": _live_run(app)}))
        sys.stdout.flush()
        while len(entered) < STEPS and time.time() < at.timestamp() + 60:
            time.sleep(0.1)
        page.stop()
        app.draining.set()
        app.hurry.set()
        thread.join()
        service.workers.close(grace_seconds=1, hurry=app.hurry)
        app.close()
    assert len(entered) == STEPS, f"{len(entered)} of {STEPS}"
    print(json.dumps([1000 * (moment - at.timestamp()) for moment in entered]), flush=True)


def _live_run(app: App) -> int:
    """Start the run that is followed, and return its number."""
    app.routine_acts.ask_for_run("live", actor="boss", at=datetime.now(UTC))
    until = time.monotonic() + 10
    while time.monotonic() < until:
        for run in app.books.runs.active():
            if run.routine == "live":
                return run.id
        time.sleep(0.1)
    raise RuntimeError("the run that is to be followed did not start")


if __name__ == "__main__":
    main()
