"""50 and 200 real hosts are asked for their names: how fast, and at what price, beside ansible and OpenSSH's client?

Every host is an sshd on a loopback address of its own, with a key that is pinned; who asks checks it. Cold is a whole
process, from its start to its end, that finds no connection open. A second command is asked over those that the first
one has left open: by ours in the same process, as in the daemon; by ansible and OpenSSH through the masters that they
keep. Turn by turn, medians. Hosts and askers share the processors, so the wall can only be as good as the work of both
divided by the cores; what the hosts take is counted, too.
"""

from __future__ import annotations

import json
import os
import statistics
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from benchmarks import fleet_audit
from benchmarks.fleet_peers import CURVE, Askers, Taken
from benchmarks.measure import Figure
from tests.farm import farming

TURNS = 3
QUICK_TURNS = 3
"""Those that take a few seconds at the most swing by a tenth, and go so often in each turn."""
COUNTS = (50, 200)
FASTER: Mapping[int, Mapping[str, float]] = {
    50: {"ansible": 5, "openssh": 2.5, "curve": 0.9},
    200: {"ansible": 6, "openssh": 3.5, "curve": 1.15},
}
"""How many times as fast as each ours is to be, cold."""
FASTER_AGAIN = {"ansible": 5, "openssh": 1.1}
NAMES = {
    "ansible": "ansible -m raw, 50 forks",
    "openssh": "xargs -P50 ssh",
    "curve": "xargs -P50 ssh, curve25519",
}


def figures() -> Iterator[Figure]:
    """Yield what asking takes cold, and a second command, for each number of hosts; then what an audit takes."""
    for count in COUNTS:
        with tempfile.TemporaryDirectory(prefix="fleet-") as folder, farming(Path(folder) / "farm", count) as farm:
            askers = Askers(Path(folder), farm)
            yield from _cold(askers, count)
            yield from _again(askers, count)
    yield from fleet_audit.figures()


def _cold(askers: Askers, count: int) -> Iterator[Figure]:
    inside, ansible, openssh, ours, curve = _turns(
        lambda: askers.take(askers.ours("inside")),
        lambda: askers.take(askers.ansible()),
        lambda: askers.take(askers.openssh()),
        quick=(lambda: askers.take(askers.ours("cold")), lambda: askers.take(askers.openssh(*CURVE))),
    )
    name, wall = f"{count} hosts, cold", _middle(ours, "seconds")
    for who, turns in (("ansible", ansible), ("openssh", openssh), ("curve", curve)):
        most = 1 / FASTER[count][who]
        yield Figure(
            name=name, ours=wall, unit="s", peer=NAMES[who], theirs=_middle(turns, "seconds"), most=round(most, 3)
        )
    if count == max(COUNTS):
        yield from _price(name, ours, ansible, _insides(inside, 0, "processor_seconds"))
        yield _memory(askers, name)


def _price(name: str, ours: Sequence[Taken], ansible: Sequence[Taken], inside_seconds: float) -> Iterator[Figure]:
    """Yield what it costs the processors, and whether they were used while there was work."""
    own, theirs = _middle(ours, "processor_seconds"), _middle(ansible, "processor_seconds")
    for how, seconds, most in (("", own, 1 / 25), (" inside the daemon", inside_seconds, 1 / 40)):
        yield Figure(
            name=f"{name}: processor time{how}",
            ours=seconds,
            unit="s",
            peer=NAMES["ansible"],
            theirs=theirs,
            most=most,
        )
    cores = len(os.sched_getaffinity(0))
    work = [(turn.processor_seconds + turn.server_seconds) / cores for turn in ours]
    yield Figure(
        name=f"{name}: wall beside work",
        ours=_middle(ours, "seconds"),
        unit="s",
        peer=f"processor time of asker and hosts ÷ {cores} cores",
        theirs=statistics.median(work),
        most=1.15,
    )


def _memory(askers: Askers, name: str) -> Figure:
    """Measure the memory of all processes of each, in turns of their own: looking takes time."""
    ours, ansible = (askers.take(each, "--memory").megabytes for each in (askers.ours("cold"), askers.ansible()))
    return Figure(
        name=f"{name}: memory", ours=ours, unit="MB", peer=NAMES["ansible"], theirs=ansible, most=round(1 / 6, 3)
    )


def _again(askers: Askers, count: int) -> Iterator[Figure]:
    ansible, ours, openssh = _turns(
        lambda: askers.take(askers.ansible(), "--again"),
        quick=(
            lambda: askers.take(askers.ours("inside")),
            lambda: askers.take(askers.openssh(*askers.multiplexing()), "--again"),
        ),
    )
    name, wall = f"{count} hosts, second command", _insides(ours, 1, "seconds")
    for who, turns, kept in (("ansible", ansible, "ControlPersist"), ("openssh", openssh, "ControlMaster")):
        yield Figure(
            name=name,
            ours=wall,
            unit="s",
            peer=f"{NAMES[who]}, {kept}",
            theirs=_middle(turns, "seconds"),
            most=round(1 / FASTER_AGAIN[who], 3),
        )


def _turns(*takes: Callable[[], Taken], quick: Sequence[Callable[[], Taken]] = ()) -> list[list[Taken]]:
    """Let each take its turns, one after the other, so that a busy moment of the machine hits all."""
    taken: list[list[Taken]] = [[] for _ in (*takes, *quick)]
    for _ in range(TURNS):
        once, often = zip(taken, takes, strict=False), list(zip(taken[len(takes) :], quick, strict=True))
        for each, take in (*once, *(often * QUICK_TURNS)):
            each.append(take())
    return taken


def _middle(turns: Sequence[Taken], what: str) -> float:
    values: list[float] = [getattr(turn, what) for turn in turns]
    return statistics.median(values)


def _insides(turns: Sequence[Taken], number: int, what: str) -> float:
    """Return the median of what our process says of its asking `number` (from 0)."""
    told: list[float] = [json.loads(turn.said)[number][what] for turn in turns]
    return statistics.median(told)
