"""1 GiB of 800 files into a bucket by `opsrunner run`: how fast beside what people pipe together, and beside restic?

Into a sink, which keeps nothing, what counts is what the way there costs: reading, packing, hashing, sending. The
yardsticks are `tar | zstd`, which sends nothing and hashes nothing, the same pipe with the SHA-256 of both ends of it,
and the first one sent by boto3. Into a real store, SeaweedFS on the same two cores and the same disk, they are the pipe
with `aws s3 cp -`, and the first snapshot of restic, which also encrypts. Ours is the step as the ledger has it, in a
process that has loaded neither boto3 nor zstd before: files with their hashes into an index, each part compared with
what the store says of it. Turn by turn; the files lie in the page cache, and what the turn before wrote is on the disk.
Of the copy in the real store one file is restored then. Where all cores are busy a ratio of rates is one of processor
time, so that stands beside it.
"""

from __future__ import annotations

import os
import statistics
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from benchmarks import backup_restore
from benchmarks.backup_files import Made, make_files
from benchmarks.backup_site import BUCKET, back_up, scratch, write_site
from benchmarks.measure import Figure, seconds_of
from benchmarks.peer_backups import Restic, packed_and_hashed, packed_by_aws, packed_by_boto3, packed_to_nowhere
from benchmarks.s3_sink import sinking
from tests.seaweed import serving

TURNS = 5
REAL_TURNS = 3
VOLUME_MEGABYTES = 1024


def figures() -> Iterator[Figure]:
    """Yield the rates into the sink and into the real store, then what one file of a copy takes to restore."""
    with scratch() as folder:
        made = make_files(folder / "files")
        made.read()
        yield from _into_sink(made, folder)
        (folder / "store").mkdir()
        with serving(folder / "store", volume_megabytes=VOLUME_MEGABYTES) as server:
            server.client.create_bucket(Bucket=BUCKET)
            site = write_site(folder / "site-of-store", folder=made.folder, endpoint=server.endpoint)
            yield from _into_store(made, site, endpoint=server.endpoint, cache=folder / "cache")
            yield from backup_restore.figures(made, site, endpoint=server.endpoint, to=folder / "restored")


def _into_sink(made: Made, folder: Path) -> Iterator[Figure]:
    with sinking() as endpoint:
        site = write_site(folder / "site-of-sink", folder=made.folder, endpoint=endpoint)
        ours, nowhere, hashed, boto3 = _rates(
            made,
            [
                lambda: back_up(site).step_seconds,
                lambda: seconds_of(lambda: packed_to_nowhere(made.folder)),
                lambda: seconds_of(lambda: packed_and_hashed(made.folder)),
                lambda: seconds_of(lambda: packed_by_boto3(made.folder, endpoint)),
            ],
            turns=TURNS,
        )
        ours_busy, nowhere_busy = back_up(site).processor_seconds, _busy(lambda: packed_to_nowhere(made.folder))
    name = "a backup of 1 GiB into a sink"
    yield _figure(name, ours, peer="tar | zstd -3 -T2 > /dev/null", theirs=nowhere, least=0.80)
    yield _figure(name, ours, peer="the same, files and archive hashed", theirs=hashed, least=0.80)
    yield _figure(name, ours, peer="tar | zstd -3 -T2 | boto3", theirs=boto3, least=1.25)
    yield Figure(
        name=f"{name}: processor time",
        ours=ours_busy,
        unit="s",
        peer="tar | zstd -3 -T2 > /dev/null",
        theirs=nowhere_busy,
    )


def _into_store(made: Made, site: Path, *, endpoint: str, cache: Path) -> Iterator[Figure]:
    ours, aws, restic = _rates(
        made,
        [
            lambda: back_up(site).step_seconds,
            lambda: seconds_of(lambda: packed_by_aws(made.folder, endpoint)),
            lambda: _of_restic(made, endpoint, cache=cache),
        ],
        turns=REAL_TURNS,
    )
    name = "a backup of 1 GiB into SeaweedFS"
    yield _figure(name, ours, peer="tar | zstd -3 -T2 | aws s3 cp -", theirs=aws, least=1.10)
    yield _figure(name, ours, peer="restic backup, the first", theirs=restic, least=2.5)


def _of_restic(made: Made, endpoint: str, *, cache: Path) -> float:
    restic = Restic(endpoint, cache=cache)
    try:
        return seconds_of(lambda: restic.back_up(made.folder))
    finally:
        restic.forget_cache()


def _rates(made: Made, takes: Sequence[Callable[[], float]], *, turns: int) -> list[float]:
    """Return MB a second of each, the medians over turns; `takes` measure what one of them needs, in seconds.

    Each turn begins with another of them: a store goes on tidying up what it got, and nobody shall always be the next.
    """
    each: list[list[float]] = [[] for _ in takes]
    for turn in range(turns):
        for place in range(len(takes)):
            which = (turn + place) % len(takes)
            os.sync()
            each[which].append(takes[which]())
    return [made.bytes / 1e6 / statistics.median(seconds) for seconds in each]


def _busy(act: Callable[[], object]) -> float:
    """Return what the children that `act` starts take of the processors, in seconds."""
    before = os.times()
    act()
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


def _figure(name: str, ours: float, *, peer: str, theirs: float, least: float) -> Figure:
    return Figure(name=name, ours=ours, unit="MB/s", peer=peer, theirs=theirs, least=least)
