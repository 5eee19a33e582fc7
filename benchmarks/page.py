"""My work, signed in, under load: how many a second, and how late the latest?

Ours is `opsrunner serve` as it is. The yardstick is the same page, made by the same templates from the same ledger,
served by Flask and waitress. Both serve over a copy of the ledger of a million runs; ours over an empty one as well.
Turn by turn, sixteen connections that ask again as soon as they are answered, from a process of their own.
"""

from __future__ import annotations

import gzip
import http.client
import json
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from benchmarks.ledger import KEPT, MANY, made_ledger
from benchmarks.measure import Figure
from benchmarks.proc import wait_until_settled
from benchmarks.turns import ROOT

from opsrunner.model.task import NewTask, TaskKind
from opsrunner.open_site import OpenSite, open_site

PROGRAM = Path(sys.executable).with_name("opsrunner")
PEER_LIBRARIES = (
    ROOT / ".venv-peers" / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
)
SITE = """\
site: Example Hosting
timezone: Europe/Oslo
people:
  boss: {{name: The owner, email: owner@example.com, roles: [owner]}}
  twenty: {{name: First technician, email: ops1@example.com, roles: [billing]}}
  hundreds: {{name: Second technician, email: ops2@example.com, roles: [support]}}
limits: {{keep_runs: 3600d}}
web: {{listen: "127.0.0.1:{port}"}}
"""
COUNTS = {"twenty": 20, "hundreds": 200}
HOW = "1. Log in to the panel of **{number}**.\n2. Compare the list with `billing`.\n3. Say what you found."
TURNS = 3
SECONDS = 6.0
COOKIE = "opsrunner"
MOST_WIRE_BYTES = 100_000


@dataclass(frozen=True, kw_only=True)
class Load:
    """What a turn came to."""

    per_second: float
    p99_ms: float


def figures() -> Iterator[Figure]:
    """Yield requests a second and p99, of ours and of the yardstick, then what a page weighs."""
    many, empty = KEPT / "page-of-many", KEPT / "page-of-none"
    shutil.rmtree(empty, ignore_errors=True)
    if not (many / "ledger.db").exists():
        many.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(made_ledger(MANY), many / "draft.db")
        (many / "draft.db").rename(many / "ledger.db")
    site = _write_site(KEPT / "site-of-page")
    tokens = {state: _prepare(site, state) for state in (many, empty)}
    with _ours(site, many) as ours, _ours(site, empty) as bare, _theirs(site, many) as theirs:
        for person, bounds in (("twenty", (4.0, 1 / 10)), ("hundreds", (2.0, None))):
            token, of_none = tokens[many][person], tokens[empty][person]
            _require_same(ours, theirs, token, count=COUNTS[person])
            turns = [(_load(ours, token), _load(theirs, token), _load(bare, of_none)) for _ in range(TURNS)]
            yield from _compared(f"My work, {COUNTS[person]} open tasks", turns, bounds)
        yield Figure(
            name="My work, 200 open tasks with script and style, on the wire",
            ours=_weight(ours, tokens[many]["hundreds"]) / 1000,
            unit="kB",
            most=MOST_WIRE_BYTES / 1000,
        )


def _compared(
    name: str, turns: Sequence[tuple[Load, Load, Load]], bounds: tuple[float, float | None]
) -> Iterator[Figure]:
    ours, theirs, bare = ([turn[place] for turn in turns] for place in range(3))
    yield Figure(
        name=f"{name}: pages a second",
        ours=_middle([load.per_second for load in ours]),
        unit="/s",
        peer="Flask, waitress",
        theirs=_middle([load.per_second for load in theirs]),
        least=bounds[0],
    )
    p99 = _middle([load.p99_ms for load in ours])
    yield Figure(
        name=f"{name}: p99",
        ours=p99,
        unit="ms",
        peer="Flask, waitress",
        theirs=_middle([load.p99_ms for load in theirs]),
        most=bounds[1],
    )
    yield Figure(
        name=f"{name}: p99, 1,000,000 runs beside none",
        ours=p99,
        unit="ms",
        peer="an empty ledger",
        theirs=_middle([load.p99_ms for load in bare]),
        most=4.0,
    )


def _middle(values: Sequence[float]) -> float:
    return sorted(values)[len(values) // 2]


def free_port() -> int:
    """Return a port that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        found: int = probe.getsockname()[1]
    return found


def _write_site(root: Path) -> Path:
    shutil.rmtree(root, ignore_errors=True)
    (root / "routines").mkdir(mode=0o700, parents=True)
    root.chmod(0o700)
    return root


def _listen_at(site: Path, port: int) -> None:
    path = site / "opsrunner.yaml"
    path.write_text(SITE.format(port=port), encoding="utf-8")
    path.chmod(0o600)


def _prepare(site: Path, state: Path) -> dict[str, str]:
    """Open the tasks that each person is to have, and return a session's token for each."""
    _listen_at(site, free_port())
    opened = open_site(site, state)
    try:
        for person, count in COUNTS.items():
            _open_tasks(opened, person, count)
        return {person: session_of(opened, person) for person in COUNTS}
    finally:
        opened.close()


def session_of(opened: OpenSite, person: str) -> str:
    """Return the token of a new session of a person."""
    now = opened.clock.now()
    link = opened.sign_in.link(opened.site.people[person], made_by="boss", at=now)
    return opened.sign_in.enter(link, at=now, address="bench", agent="bench")


def _open_tasks(opened: OpenSite, person: str, count: int) -> None:
    now = opened.clock.now()
    have = sum(task.person == person for task in opened.books.tasks.opened())
    for number in range(have, count):
        new = NewTask(
            kind=TaskKind.AD_HOC,
            run=None,
            routine=None,
            step="",
            item="ad-hoc",
            title=f"Look at what the night left on web{number}",
            how=HOW.format(number=number),
            link=f"https://panel.example.com/servers/{number}",
            role=opened.site.people[person].roles[0],
            person=person,
            due_at=now + timedelta(hours=number - 5),
            expires="never",
            opened_at=now,
        )
        opened.books.tasks.open(new)


@contextmanager
def _ours(site: Path, state: Path) -> Iterator[int]:
    port = free_port()
    _listen_at(site, port)
    command = [str(PROGRAM), "serve", "--site", str(site), "--state", str(state)]
    with _serving(command, port):
        yield port


@contextmanager
def _theirs(site: Path, state: Path) -> Iterator[int]:
    port = free_port()
    peer = Path(__file__).with_name("peer_page.py")
    with _serving([sys.executable, str(peer), str(PEER_LIBRARIES), str(site), str(state), str(port)], port):
        yield port


@contextmanager
def _serving(command: Sequence[str], port: int) -> Iterator[None]:
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=ROOT) as server:
        try:
            until = time.monotonic() + 60
            while server.poll() is None and time.monotonic() < until:
                try:
                    socket.create_connection(("127.0.0.1", port), timeout=1).close()
                except OSError:
                    time.sleep(0.1)
                else:
                    break
            wait_until_settled(server.pid)
            yield
        finally:
            server.send_signal(signal.SIGTERM)


def _load(port: int, token: str) -> Load:
    command = [sys.executable, "-m", "benchmarks.page_load", str(port), f"{COOKIE}={token}", str(SECONDS)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT)
    return Load(**json.loads(done.stdout))


def _get(port: int, path: str, token: str, *, packed: bool = False) -> bytes:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    headers = {"Cookie": f"{COOKIE}={token}"} | ({"Accept-Encoding": "gzip"} if packed else {})
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    assert answer.status == 200, (path, answer.status, body[:200])
    return body


def _require_same(ours: int, theirs: int, token: str, *, count: int) -> None:
    """See that both serve the page that is meant, whole. Raises AssertionError."""
    pages = [_get(port, "/", token).decode() for port in (ours, theirs)]
    for page in pages:
        assert page.count('<li class="task') == count, page.count('<li class="task')
    assert abs(len(pages[0]) - len(pages[1])) < 1000, [len(page) for page in pages]


def _weight(port: int, token: str) -> int:
    """Return the bytes of a page that is opened for the first time, with all that it loads."""
    page = _get(port, "/", token, packed=True)
    assert gzip.decompress(page)
    loaded = ("/static/look.css", "/static/page.js", "/static/htmx.js", "/static/sign.svg")
    return len(page) + sum(len(_get(port, path, token, packed=True)) for path in loaded)
