"""8 GiB into a bucket: does memory stay where it is, and does the time grow no faster than what is copied?

The 8 GiB are the 1 GiB of `backup`, eight times side by side on the disk. Both are read once before, so that they come
from the page cache where there is room for them (where there is none it is said), and go into a sink, so that no
store takes memory, disk or processor from the copy. Memory is the most that the process had of it, Python included, as
the kernel counts it. The time is that of the step: what comes before and after is the same for both.
"""

from __future__ import annotations

import os
import statistics
import sys
from collections.abc import Iterator

from benchmarks.backup_files import make_files, repeat_files
from benchmarks.backup_site import back_up, scratch, write_site
from benchmarks.measure import Figure
from benchmarks.proc import cacheable_bytes
from benchmarks.s3_sink import sinking

TIMES = 8
TURNS = 2
MOST_MEGABYTES = 250


def figures() -> Iterator[Figure]:
    """Yield the memory at 1 GiB and at 8 GiB, and the time of 8 GiB beside eight times that of 1 GiB."""
    with scratch() as folder, sinking() as endpoint:
        made = make_files(folder / "files")
        many = repeat_files(made, folder / "many", times=TIMES)
        one_site = write_site(folder / "site-of-one", folder=made.folder, endpoint=endpoint)
        many_site = write_site(folder / "site-of-many", folder=many.folder, endpoint=endpoint)
        os.sync()
        if many.bytes + made.bytes > cacheable_bytes():
            print("the files do not fit into the page cache: the disk is measured with them", file=sys.stderr)
        many.read()
        made.read()
        turns = [(back_up(one_site), back_up(many_site), back_up(one_site)) for _ in range(TURNS)]
    ones = [usage for first, _, last in turns for usage in (first, last)]
    eights = [usage for _, usage, _ in turns]
    for name, usages in (("1 GiB", ones), (f"{TIMES} GiB", eights)):
        peak = max(usage.megabytes for usage in usages)
        yield Figure(name=f"a backup of {name} into a sink: memory", ours=peak, unit="MB", most=MOST_MEGABYTES)
    yield Figure(
        name=f"a backup of {TIMES} GiB into a sink: time",
        ours=statistics.median(usage.step_seconds for usage in eights),
        unit="s",
        peer=f"{TIMES} × 1 GiB",
        theirs=TIMES * statistics.median(usage.step_seconds for usage in ones),
        most=1.15,
    )
