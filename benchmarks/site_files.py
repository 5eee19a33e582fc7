"""1,000 routine files of 60 lines, loaded and checked; loaded again unchanged; and again with one file edited.

The peer is PyYAML's C loader with pydantic models of the same keys and none of our checks (`plain_site.py`). Each
figure is the median over processes of their own, ours and the peer's turn by turn, so that no cache of an earlier turn
helps. Imports and the building of models are not counted on either side; as ours are built at first use, an empty site
is loaded before. Times are those of the processor, the system's part included: the files lie in memory, so that
nothing waits. "Checked" is all that `opsrunner check` looks at: expressions and templates, schedules, names of people,
hosts, sources, steps and lists, modes of files. Reloads are set against the peer's first load.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.made_site import write_site
from benchmarks.measure import Figure

COUNT, SEED, TURNS = 1_000, 20260105, 7
PEER = Path(__file__).with_name("plain_site.py")
OURS = """
import json, pathlib, sys, time
from opsrunner.config.loader import SiteLoader

def seconds(act):
    before = time.process_time()
    loaded = act()
    return time.process_time() - before, loaded

root = pathlib.Path(sys.argv[1])
SiteLoader(root.with_name("empty")).load()
loader = SiteLoader(root)
first, loaded = seconds(loader.load)
assert not loaded.problems and len(loaded.site.routines) == int(sys.argv[2]), loaded.problems[:3]
unchanged, again = min((seconds(loader.load) for _ in range(5)), key=lambda one: one[0])
assert not again.changed
edits = []
for turn in range(5):
    file = root / f"routines/routine-{turn * 7:04}.yaml"
    file.write_text(file.read_text(encoding="utf-8").replace("name: ", f"name: Edit {turn} ", 1), encoding="utf-8")
    took, edited = seconds(loader.load)
    assert edited.changed and f"Edit {turn}" in edited.site.routines[file.stem].name
    edits.append(took)
print(json.dumps({"first": first, "unchanged": unchanged, "edited": sorted(edits)[2]}))
"""


def figures() -> Iterator[Figure]:
    """Yield the first load, an unchanged reload, and a reload after an edit, in milliseconds."""
    turns = [_turn() for _ in range(TURNS)]
    theirs = statistics.median(turn["peer"] for turn in turns)
    ours = {name: statistics.median(turn[name] for turn in turns) for name in ("first", "unchanged", "edited")}
    peer = "C loader and pydantic, without our checks"
    for name, words, most in (
        ("first", "1,000 routine files loaded and checked", 1.6),
        ("unchanged", "… loaded again, nothing changed", 1 / 20),
        ("edited", "… loaded again, one of them edited", 1 / 20),
    ):
        yield Figure(name=words, ours=ours[name] * 1000, unit="ms", peer=peer, theirs=theirs * 1000, most=most)


def _turn() -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "site"
        write_site(root, count=COUNT, seed=SEED)
        write_site(root.with_name("empty"), count=0, seed=SEED)
        peer = float(_output([sys.executable, str(PEER), str(root)]))
        ours: dict[str, float] = json.loads(_output([sys.executable, "-c", OURS, str(root), str(COUNT)]))
        return {"peer": peer, **ours}


def _output(command: list[str]) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout
