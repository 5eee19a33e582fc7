"""One file out of a copy in a real store, beside all of the copy: its index lies in the store, and its frames do.

Both by a process that runs already, with new connections each time. The peer is the quicker one of two ways to get
everything: boto3 fetches the archive onto the disk, with what it does unless it is told otherwise, and unpacks nothing;
or ours restores all files.

python -m benchmarks.backup_restore SITE ENDPOINT FOLDER    prints the seconds of each as JSON
"""

from __future__ import annotations

import json
import shutil
import statistics
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import boto3
from benchmarks.backup_files import Made
from benchmarks.backup_site import BUCKET, PREFIX, PROGRAM, environment
from benchmarks.measure import Figure, seconds_of
from benchmarks.turns import ROOT

from opsrunner.archives.choosing import members_of
from opsrunner.archives.reader import fetch_manifest
from opsrunner.model.backup import Copy
from opsrunner.open_site import OpenSite, open_site

TURNS = 5


def figures(made: Made, site: Path, *, endpoint: str, to: Path) -> Iterator[Figure]:
    """Yield what one file of the newest copy of `site` takes, as a library and as a verb."""
    command = [sys.executable, "-m", "benchmarks.backup_restore", str(site), endpoint, str(to)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=environment())
    taken: dict[str, list[float]] = json.loads(done.stdout)
    one, fetched, restored, verb = (statistics.median(taken[name]) * 1000 for name in ("one", "fetched", "all", "verb"))
    peer, whole = min(("boto3, the archive", fetched), ("all of them restored", restored), key=lambda way: way[1])
    name = f"one file of {len(made.files)} restored from SeaweedFS"
    yield Figure(name=name, ours=one, unit="ms", peer=peer, theirs=whole, most=1 / 10)
    yield Figure(name=f"{name}, as a verb", ours=verb, unit="ms", peer=peer, theirs=whole)


def main(site: Path, endpoint: str, to: Path) -> None:
    """Restore one file after the other, each of another size, and fetch everything between them; print the seconds."""
    taken: dict[str, list[float]] = {"one": [], "fetched": [], "all": [], "verb": []}
    opened = open_site(site)
    try:
        copy = opened.books.copies.lying(routine="copy")[0]
        for path in _chosen(opened, copy):
            taken["one"].append(seconds_of(partial(_restore, opened, copy, to, only=(path,))))
            taken["verb"].append(seconds_of(partial(_restore_by_verb, site, copy, to, only=path)))
            taken["fetched"].append(seconds_of(partial(_fetch, endpoint, copy, to)))
            shutil.rmtree(to)
        taken["all"].append(seconds_of(partial(_restore, opened, copy, to, only=())))
    finally:
        opened.close()
        shutil.rmtree(to, ignore_errors=True)
    print(json.dumps(taken))


def _chosen(site: OpenSite, copy: Copy) -> list[str]:
    """Return files of a copy from its smaller ones to its larger ones, evenly apart."""
    with site.open_store(copy.store) as store:
        members = members_of(store, fetch_manifest(store, copy.name))
        by_size = sorted((member.size_bytes, member.path) for member in members if member.is_file)
    return [by_size[len(by_size) * place // (TURNS + 1)][1] for place in range(1, TURNS + 1)]


def _restore(site: OpenSite, copy: Copy, to: Path, *, only: tuple[str, ...]) -> None:
    now = site.clock.now()
    restored = site.backups.restore(
        copy, to, only=only, own=True, replace=True, tell=lambda _: None, actor="boss", at=now
    )
    assert restored.files == (len(only) or copy.files), restored


def _restore_by_verb(site: Path, copy: Copy, to: Path, *, only: str) -> None:
    words = [str(PROGRAM), "backups", "restore", copy.name, "--to", str(to / "verb"), "--only", only]
    subprocess.run([*words, "--as", "boss", "--site", str(site)], check=True, stdout=subprocess.DEVNULL)


def _fetch(endpoint: str, copy: Copy, to: Path) -> None:
    client = boto3.client("s3", endpoint_url=endpoint)
    client.download_file(BUCKET, f"{PREFIX}/{copy.name}.tar.zst", str(to / "archive"))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]))
