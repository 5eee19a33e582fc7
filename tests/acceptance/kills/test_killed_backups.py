"""The process that makes a backup is killed again and again, and nothing in the store is ever half a copy.

A third of the kills falls anywhere in a run's life, as long as one took that was let be; a third while the store is
seen to take something, where there is most to leave behind; and a third when something has just got its final name,
where the manifest is still missing. What lies in the store is looked at from the side, without a line of ours: by the
file system, where a host is this machine too, and by a plain client of S3.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Mapping
from itertools import count
from pathlib import Path
from typing import Any, Protocol

import pytest

from ...farm import Farm
from ...seaweed import ACCESS_KEY, SECRET_KEY, S3Server
from ..conftest import SCRIPT, Answer, plain_environment

SITE = """\
site: Example Hosting
timezone: UTC
people:
  boss: {{name: The owner, email: owner@example.com, roles: [owner, sysadmin]}}
stores:
  away: {store}
{more}"""
NIGHTLY = """\
name: Nightly
accountable: sysadmin
steps:
  - id: copy
    backup: {paths: [data], to: away, keep: {last: KEPT}}
    after_crash: rerun
"""
KEYS = {"KEY": ACCESS_KEY, "SECRET": SECRET_KEY}
LONG_AGO = time.time() - 7200
Run = Callable[..., Answer]
_numbers = count(1)


class Side(Protocol):
    """A store, seen from the side."""

    settings: str
    """As they stand in opsrunner.yaml."""
    more: str
    """What stands there beside them."""

    def prepare(self, site: Path) -> None:
        """Put into the site's state what it needs beside them."""

    def names(self) -> list[str]:
        """What lies there under a final name."""

    def read(self, name: str) -> bytes:
        """All bytes of it."""

    def under_way(self) -> set[str]:
        """What was begun and bears no final name."""

    def age(self) -> None:
        """Make what lies there old, if that can be done."""


class FolderSide:
    """A folder of this machine."""

    more = ""

    def __init__(self, root: Path) -> None:
        self._root, self.settings = root, f"{{local: {{path: {root}}}}}"

    def prepare(self, site: Path) -> None:
        """Nothing more is needed."""

    def names(self) -> list[str]:
        return [path for path in self._files() if not path.rpartition("/")[2].startswith(".")]

    def read(self, name: str) -> bytes:
        return (self._root / name).read_bytes()

    def under_way(self) -> set[str]:
        return {path for path in self._files() if path.endswith(".part")}

    def age(self) -> None:
        for name in self._files():
            os.utime(self._root / name, (LONG_AGO, LONG_AGO))

    def _files(self) -> list[str]:
        return sorted(path.relative_to(self._root).as_posix() for path in self._root.rglob("*") if path.is_file())


class HostSide(FolderSide):
    """A folder of a host over SFTP; the host's sshd lives on when who writes there is killed."""

    def __init__(self, root: Path, farm: Farm) -> None:
        super().__init__(root)
        self._farm, self.more = farm, farm.inventory()
        self.settings = f"{{sftp: {{host: web1, path: {root}}}}}"

    def prepare(self, site: Path) -> None:
        self._farm.pin(site / "var/known_hosts")


class BucketSide:
    """A bucket of a real server."""

    more = ""

    def __init__(self, server: S3Server) -> None:
        self._client, self._bucket = server.client, f"killed-{next(_numbers)}"
        self._client.create_bucket(Bucket=self._bucket)
        keys = "access_key: {env: KEY}, secret_key: {env: SECRET}"
        self.settings = f'{{s3: {{bucket: {self._bucket}, endpoint: "{server.endpoint}", {keys}}}}}'

    def prepare(self, site: Path) -> None:
        """Nothing more is needed."""

    def names(self) -> list[str]:
        return sorted(item["Key"] for item in self._client.list_objects_v2(Bucket=self._bucket).get("Contents", ()))

    def read(self, name: str) -> bytes:
        data: bytes = self._client.get_object(Bucket=self._bucket, Key=name)["Body"].read()
        return data

    def under_way(self) -> set[str]:
        uploads: list[Any] = self._client.list_multipart_uploads(Bucket=self._bucket).get("Uploads", [])
        return {upload["UploadId"] for upload in uploads}

    def age(self) -> None:
        """Its clock is its own."""


class Killing:
    """A site with 60 MB that do not compress (four parts of S3), and runs of it that are let be or killed."""

    def __init__(self, site: Path, side: Side, dice: random.Random, opsrunner: Run) -> None:
        self.site, self.side, self._dice, self._opsrunner = site, side, dice, opsrunner
        self.left: Counter[str] = Counter()
        began = time.monotonic()
        assert self._begin().wait(timeout=60) == 0
        self._life_seconds = time.monotonic() - began
        self.let_be()

    def let_be(self) -> None:
        """Make a copy. Nothing that is under way is left after it, and what is old and no copy is gone."""
        self.side.age()
        done = self.ask("run", "nightly", "--as", "boss")
        assert done.returncode == 0, done.stdout + done.stderr
        assert self.side.under_way() == set()
        if isinstance(self.side, FolderSide):
            assert self.orphans() == []

    def kill(self, when: str) -> None:
        """Begin to make a copy, and end that: `anywhere`, or once the store has something `under way` or `named`."""
        names, under_way = set(self.side.names()), self.side.under_way()
        running = self._begin()
        give_up_at = time.monotonic() + 2 * self._life_seconds
        if when == "anywhere":
            time.sleep(self._dice.uniform(0, self._life_seconds))
        elif when == "under way":
            until(lambda: self.side.under_way() - under_way, give_up_at)
            time.sleep(self._dice.uniform(0, self._life_seconds / 4))
        else:
            until(lambda: set(self.side.names()) - names, give_up_at)
            time.sleep(self._dice.uniform(0, 0.03))
        os.killpg(running.pid, signal.SIGKILL)
        running.wait()
        self._count(names, under_way)

    def _begin(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [str(SCRIPT), "run", "nightly", "--as", "boss"],
            cwd=self.site,
            env=plain_environment(self.site) | KEYS,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def require_nothing_half(self) -> None:
        """Whatever has a manifest is what that says, and whatever has none is whole all the same."""
        for name in self.side.names():
            if name.endswith(".json"):
                said = json.loads(self.side.read(name))
                for file in (*said["archive"], said["index"]):
                    data = self.side.read(file["name"])
                    assert (len(data), hashlib.sha256(data).hexdigest()) == (file["size"], file["sha256"]), name
        for name in self.orphans():
            assert subprocess.run(["zstd", "-qt"], input=self.side.read(name), check=False).returncode == 0, name

    def orphans(self) -> list[str]:
        """Return what bears the name of a copy, and none tells of it."""
        names = self.side.names()
        copies = tuple(name.removesuffix("json") for name in names if name.endswith(".json"))
        return [name for name in names if not name.startswith(copies)]

    def ask(self, *words: str) -> Answer:
        return self._opsrunner(*words, site=self.site, env=KEYS)

    def _count(self, names: set[str], under_way: set[str]) -> None:
        new = set(self.side.names()) - names
        has_copy = any(name.endswith(".json") for name in new)
        half = "half an upload" if self.side.under_way() - under_way else "nothing"
        self.left["a copy" if has_copy else "an orphan" if new else half] += 1


def until(is_so: Callable[[], object], give_up_at: float) -> None:
    while not is_so() and time.monotonic() < give_up_at:
        time.sleep(0.005)


@pytest.fixture
def killing(make_site: Callable[[Mapping[str, str]], Path], opsrunner: Run) -> Callable[[Side, int], Killing]:
    def build(side: Side, seed: int) -> Killing:
        dice = random.Random(seed)
        text = SITE.format(store=side.settings, more=side.more)
        kept = "1" if type(side) is FolderSide else "2"  # with one, each night's own copy alone tells the place
        site = make_site({"opsrunner.yaml": text, "routines/nightly.yaml": NIGHTLY.replace("KEPT", kept)})
        side.prepare(site)
        (site / "data").mkdir()
        for number in range(12):
            (site / "data" / f"file {number}").write_bytes(dice.randbytes(5_000_000))
        return Killing(site, side, dice, opsrunner)

    return build


@pytest.fixture(
    params=[pytest.param("folder"), pytest.param("host", marks=pytest.mark.needs("sshd")), pytest.param("bucket")]
)
def side(request: pytest.FixtureRequest, tmp_path: Path) -> Side:
    if request.param == "folder":
        return FolderSide(tmp_path / "copies")
    if request.param == "host":
        return HostSide(tmp_path / "copies", request.getfixturevalue("make_farm")(1))
    return BucketSide(request.getfixturevalue("s3_server"))


@pytest.mark.needs("zstd")
def test_kills_at_random_moments_leave_no_half_copy(side: Side, killing: Callable[[Side, int], Killing]) -> None:
    loop(killing(side, 7), kills=8 if type(side) is FolderSide else 4)


@pytest.mark.soak
@pytest.mark.needs("zstd")
@pytest.mark.timeout(600)
def test_forty_kills_at_random_moments_leave_no_half_copy(side: Side, killing: Callable[[Side, int], Killing]) -> None:
    """The long form: ten kills into the folder, ten into that of the host and twenty into the bucket."""
    seed = int(os.environ.get("KILL_SEED") or time.time())
    found = killing(side, seed)
    loop(found, kills=10 if isinstance(side, FolderSide) else 20)
    assert found.left["half an upload"] > 0, found.left
    print(f"\nKILL_SEED={seed} {type(side).__name__}: {dict(found.left)} were left by {found.left.total()} kills")


def loop(killing: Killing, *, kills: int) -> None:
    """Kill runs, look after each, and let a run be after every fourth; then all that is listed has to be right."""
    for number in range(kills):
        killing.kill(("anywhere", "under way", "named")[number % 3])
        killing.require_nothing_half()
        if number % 4 == 3:
            killing.let_be()
    killing.let_be()
    assert killing.left["a copy"] < kills, "kills that come too late prove nothing"
    listed = json.loads(killing.ask("backups", "list", "--json").stdout)
    assert {copy["state"] for copy in listed} == {"good"}
    newest = killing.ask("backups", "restore", str(listed[0]["id"]), "--to", "back", "--as", "boss")
    assert newest.returncode == 0, newest.stderr
    difference = subprocess.run(["diff", "-r", killing.site / "data", killing.site / "back/data"], check=False)
    assert difference.returncode == 0
