"""A ledger of a million runs: how fast are its queries, and its verbs?

Made once (a minute or two, 4 GB, and as much again for the copy without indices) and kept under `var/bench`, since a
second run is to be quick. The peer of the digest's queries is the same ledger without its indices; of the verbs, the
same verb on an empty ledger.
"""

from __future__ import annotations

import shutil
import sqlite3
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from benchmarks.made_ledger import ROUTINES, Made, drop_indices, routine_name, write_ledger
from benchmarks.measure import Figure

from opsrunner.app import App, open_app

ROOT = Path(__file__).parents[1]
KEPT = ROOT / "var" / "bench"
FORM = "3"
"""To be raised when what is made changes: what was kept is made anew."""
MANY, FEW = 1_000_000, 100_000
SERIES = ("daily", "weekly", "monthly")
VERB_TURNS = 24
VERB_MS = 20
ENOUGH = 100
"""So many times ours is enough to know of a peer that takes minutes."""
FLAT_MS = 4.0
"""Below this a difference is that of the machine's own noise."""

Query = tuple[str, Sequence[Any]]


def figures() -> Iterator[Figure]:
    """Yield what the ledger's queries, verbs and writes take."""
    many, few = made_ledger(MANY), made_ledger(FEW)
    yield Figure(name="ledger of 1,000,000 runs, on disk", ours=many.stat().st_size / 1e9, unit="GB")
    yield from _queries(many, few)
    yield from _verbs(many, few)


def made_ledger(runs: int) -> Path:
    """Return a ledger of so many runs, and make it where it is not kept."""
    path = KEPT / f"ledger-{FORM}" / str(runs) / "ledger.db"
    if not path.exists():
        began = time.monotonic()
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_suffix(".draft")
        draft.unlink(missing_ok=True)
        write_ledger(draft, Made(runs=runs, end=datetime.now(UTC)))
        draft.replace(path)
        print(f"made a ledger of {runs:,} runs in {time.monotonic() - began:.0f} s", file=sys.stderr)
    return path


def _without_indices(path: Path) -> Path:
    bare = path.with_name("bare.db")
    if not bare.exists():
        draft = bare.with_suffix(".draft")
        shutil.copyfile(path, draft)
        with closing(sqlite3.connect(draft)) as connection:
            connection.execute("PRAGMA journal_mode = OFF")
            drop_indices(connection)
            connection.commit()
        draft.replace(bare)
    return bare


def _queries(many: Path, few: Path) -> Iterator[Figure]:
    """What each series' digest asks: beside the same ledger without indices, and beside one of a tenth of the runs."""
    bare = _without_indices(many)
    site = _write_site(KEPT / "site-of-all", routines=ROUTINES)
    asked = {path: _asked(site, path) for path in (many, few)}
    for series in SERIES:
        queries, of_few = asked[many][series], asked[few][series]
        ours, ours_few = (
            statistics.median(pair)
            for pair in zip(*[(_replay(many, queries), _replay(few, of_few)) for _ in range(5)], strict=True)
        )
        theirs = _replay(bare, queries, enough_ms=ours * ENOUGH)
        yield Figure(
            name=f"{series} digest, its {len(queries)} queries",
            ours=ours,
            unit="ms",
            peer="without indices, at the least",
            theirs=theirs,
            most=1 / 25,
        )
        yield Figure(
            name=f"{series} digest, its queries, 1,000,000 beside 100,000 runs",
            ours=ours,
            unit="ms",
            peer="100,000 runs",
            theirs=max(ours_few, FLAT_MS),
            most=1.5,
        )


def _asked(site: Path, ledger: Path) -> dict[str, list[Query]]:
    """Return what the digest of each series asks of a ledger."""
    app = open_app(site, ledger.parent)
    asked: dict[str, list[Query]] = {}
    try:
        for series in SERIES:
            with _listening(app) as heard:
                app.digests.preview(series, app.clock.now())  # type: ignore[arg-type]
            asked[series] = list(heard)
    finally:
        app.close()
    return asked


class _listening:  # noqa: N801 (reads as what it does)
    """Keeps what is asked of an app's ledger for the length of a block."""

    def __init__(self, app: App) -> None:
        self._ledger: Any = app.books.ledger
        self._heard: list[Query] = []

    def __enter__(self) -> list[Query]:
        for name in ("all", "one"):
            setattr(self._ledger, name, self._heard_by(getattr(self._ledger, name)))
        return self._heard

    def __exit__(self, *reason: object) -> None:
        for name in ("all", "one"):
            delattr(self._ledger, name)

    def _heard_by(self, ask: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(sql: str, parameters: Sequence[Any] = ()) -> Any:
            self._heard.append((sql, parameters))
            return ask(sql, parameters)

        return wrapped


def _replay(path: Path, queries: Sequence[Query], *, enough_ms: float = float("inf")) -> float:
    """Return the milliseconds that all queries take, one after the other, on a connection of their own.

    It gives up where `enough_ms` have passed: then that is what they take at the least.
    """
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        before = time.perf_counter()
        for sql, parameters in queries:
            connection.execute(sql, parameters).fetchall()
            if (time.perf_counter() - before) * 1000 > enough_ms:
                break
        return (time.perf_counter() - before) * 1000


def _verbs(many: Path, few: Path) -> Iterator[Figure]:
    """How much longer a verb takes on the large ledger, in processes of their own, turn by turn.

    The peer is an empty ledger where the verb answers there; for what says as much as there is to say of a day or a
    week (`digest`, `calendar`), it is one of a tenth of the runs, with just as many a day; for `show` one of 1,000.
    """
    site = _write_site(KEPT / "site-of-few", routines=12)
    empty, small = KEPT / "empty", made_ledger(1_000).parent
    shutil.rmtree(empty, ignore_errors=True)
    open_app(site, empty).close()
    with closing(sqlite3.connect(f"file:{many}?mode=ro", uri=True)) as connection:
        (planned,) = connection.execute("SELECT value FROM meta WHERE name = 'planned_at'").fetchone()
    end = datetime.fromisoformat(planned)
    day = f"{end - timedelta(days=3):%Y-%m-%d}"
    week = ("--from", f"{end - timedelta(days=8):%Y-%m-%d}", "--until", f"{end - timedelta(days=2):%Y-%m-%d}")
    since = f"{end - timedelta(hours=1):%Y-%m-%d %H:%M}"
    verbs: tuple[tuple[Sequence[str], Path, str], ...] = (
        (("runs",), empty, "empty"),
        (("runs", "--routine", routine_name(5)), empty, "empty"),
        (("runs", "--status", "interrupted"), empty, "empty"),
        (("runs", "--routine", routine_name(1), "--status", "interrupted"), empty, "empty"),
        (("runs", "--since", since), empty, "empty"),
        (("tasks",), empty, "empty"),
        (("show", "993"), small, "1,000 runs"),
        (("calendar", "--from", day, "--until", day), few.parent, "100,000 runs"),
        (("calendar", *week), few.parent, "100,000 runs"),
        (("digest",), few.parent, "100,000 runs"),
        (("digest", "--series", "monthly"), few.parent, "100,000 runs"),
        (("doctor",), few.parent, "100,000 runs"),
    )
    more: dict[int, list[float]] = defaultdict(list)
    for turn in range(VERB_TURNS):  # a moment in which the machine is slow meets one turn of each, not all of one
        for number, (verb, other, _) in enumerate(verbs):
            places = (many.parent, other) if turn % 2 else (other, many.parent)
            took = {place: _seconds_of(verb, site, place) for place in places}
            more[number].append(took[many.parent] - took[other])
    for number, (verb, _, name) in enumerate(verbs):
        said = f"`{' '.join(verb)}`, more than on {'an empty ledger' if name == 'empty' else name}"
        yield Figure(name=said, ours=statistics.median(more[number]) * 1000, unit="ms", most=VERB_MS)


def _seconds_of(verb: Sequence[str], site: Path, state: Path) -> float:
    program = Path(sys.executable).with_name("opsrunner")
    command = [str(program), *verb, "--site", str(site), "--state", str(state)]
    before = time.perf_counter()
    subprocess.run(command, check=False, capture_output=True)
    return time.perf_counter() - before


def _write_site(root: Path, *, routines: int) -> Path:
    shutil.rmtree(root, ignore_errors=True)
    (root / "routines").mkdir(parents=True)
    hosts = "".join(f"  web{number}: {{address: 192.0.2.{number}}}\n" for number in range(1, 13))
    people = "  boss: {name: The owner, email: owner@example.com, roles: [owner]}\n"
    people += "  ops1: {name: First technician, email: ops1@example.com, roles: [sysadmin]}\n"
    site = f"site: Example Hosting\ntimezone: Europe/Oslo\npeople:\n{people}hosts:\n{hosts}"
    (root / "opsrunner.yaml").write_text(site, encoding="utf-8")
    for number in range(routines):
        text = f"name: Routine {number}\naccountable: sysadmin\nsteps:\n  - run: 'true'\n"
        (root / "routines" / f"{routine_name(number)}.yaml").write_text(text, encoding="utf-8")
    return root
