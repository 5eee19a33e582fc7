"""A gibibyte of everything, into a real bucket and back: by the installed program, and with nothing of ours."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from ..integration.archives.trees import assert_same, extents, make_tree, set_times
from ..seaweed import ACCESS_KEY, SECRET_KEY, S3Server
from .conftest import Answer

pytestmark = [
    pytest.mark.soak,
    pytest.mark.needs("root", "zstd", "setfacl"),
    pytest.mark.timeout(900),
]
SITE = """\
site: Example Hosting
timezone: UTC
people:
  boss: {{name: The owner, email: owner@example.com, roles: [owner, sysadmin]}}
stores:
  away: {{s3: {{bucket: large, endpoint: "{endpoint}", access_key: {{env: KEY}}, secret_key: {{env: SECRET}}}}}}
"""
NIGHTLY = """\
name: Nightly
accountable: sysadmin
steps:
  - id: copy
    backup: {{paths: [{tree}], to: away}}
"""
MIB = 1 << 20
PIECES = [(4, 128 * MIB), (48, 8 * MIB), (2048, MIB // 16)]
"""How many files of which size: a gibibyte in all."""
PATIENCE_SECONDS = 600


@pytest.fixture
def tree(tmp_path: Path) -> Iterator[Path]:
    """A gibibyte that does not compress, beside the tree of everything, and a file that is nearly all holes."""
    top = make_tree(tmp_path / "tree")
    dice = random.Random(7)
    for count, size in PIECES:
        for number in range(count):
            folder = top / f"of {size} bytes" / f"{number % 40}"
            folder.mkdir(parents=True, exist_ok=True)
            write(folder / f"file {number}", size, dice)
            if number % 10 == 0:
                os.link(folder / f"file {number}", top / "out" / f"{size}-{number}")
                os.setxattr(folder / f"file {number}", "user.number", dice.randbytes(200))
    with (top / "plain" / "islands").open("wb") as file:
        for at in range(50):
            file.seek(at * 60 * MIB + dice.randrange(MIB))
            file.write(dice.randbytes(dice.randrange(1, 100_000)))
        file.truncate(3000 * MIB)
    set_times(top)
    yield top
    shutil.rmtree(top)


def write(path: Path, size: int, dice: random.Random) -> None:
    with path.open("wb") as file:
        for _ in range(-(-size // MIB)):
            file.write(dice.randbytes(min(size, MIB)))


def test_a_gibibyte_comes_back_exactly_by_us_and_by_hand(
    tree: Path,
    make_site: Callable[[Mapping[str, str]], Path],
    opsrunner: Callable[..., Answer],
    s3_server: S3Server,
    tmp_path: Path,
) -> None:
    s3_server.client.create_bucket(Bucket="large")
    site = make_site(
        {
            "opsrunner.yaml": SITE.format(endpoint=s3_server.endpoint),
            "routines/nightly.yaml": NIGHTLY.format(tree=tree),
        }
    )

    def ask(*words: str) -> float:
        began = time.monotonic()
        done = opsrunner(
            *words, "--as", "boss", site=site, env={"KEY": ACCESS_KEY, "SECRET": SECRET_KEY}, seconds=PATIENCE_SECONDS
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return time.monotonic() - began

    copied = ask("run", "nightly")
    restored = ask("backups", "restore", "1", "--to", "back")
    require_same(tree, site / "back")

    fetched = fetch(s3_server, tmp_path / "fetched")
    (site / "by-hand").mkdir()
    command = "cat fetched/*.tar.zst* | zstd -d | tar -x --xattrs --acls -C site/by-hand"
    subprocess.run(["bash", "-o", "pipefail", "-c", command], cwd=tmp_path, check=True)
    require_same(tree, site / "by-hand")
    shutil.rmtree(tmp_path / "fetched")
    print(f"\n{fetched / MIB:,.0f} MiB: copied in {copied:.0f} s, restored in {restored:.0f} s")


def require_same(tree: Path, to: Path) -> None:
    """Compare a tree with what was restored of it, and remove that."""
    back = to / tree.relative_to("/")
    assert_same(tree, back)
    assert extents(back / "plain" / "islands") == extents(tree / "plain" / "islands")
    shutil.rmtree(to)


def fetch(server: S3Server, to: Path) -> int:
    """Fetch the archive as anybody would who has keys of the bucket; return how many bytes it has."""
    to.mkdir()
    keys = [item["Key"] for item in server.client.list_objects_v2(Bucket="large")["Contents"]]
    (manifest,) = [key for key in keys if key.endswith(".json")]
    said = json.loads(server.client.get_object(Bucket="large", Key=manifest)["Body"].read())
    for file in said["archive"]:
        with (to / file["name"].rpartition("/")[2]).open("wb") as written:
            shutil.copyfileobj(server.client.get_object(Bucket="large", Key=file["name"])["Body"], written, MIB)
    return sum(path.stat().st_size for path in to.iterdir())
