"""A site with one routine that copies a folder into a bucket, and `opsrunner run` of it, as a person would."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.turns import ROOT
from tests.seaweed import ACCESS_KEY, SECRET_KEY

PROGRAM = Path(sys.executable).with_name("opsrunner")
BUCKET, PREFIX = "copies", "ours"
SITE = """\
site: Example Hosting
timezone: UTC
people: {{boss: {{name: The owner, email: owner@example.com, roles: [owner]}}}}
stores:
  bucket:
    s3: {{bucket: {bucket}, prefix: {prefix}, endpoint: "{endpoint}", access_key: {{env: AWS_ACCESS_KEY_ID}},
         secret_key: {{env: AWS_SECRET_ACCESS_KEY}}}}
"""
ROUTINE = """\
name: Copy
accountable: owner
steps:
  - id: copy
    backup: {{paths: [{folder}], to: bucket}}
"""


@dataclass(frozen=True, kw_only=True)
class Usage:
    """What a backup took: of the whole process, and `step_seconds` of the step alone."""

    seconds: float
    megabytes: float
    processor_seconds: float
    step_seconds: float


@contextmanager
def scratch() -> Iterator[Path]:
    """Yield a folder on the disk that is gone afterwards: where temporary files lie may be memory."""
    (ROOT / "var").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=ROOT / "var") as folder:
        yield Path(folder)


def environment() -> Mapping[str, str]:
    """Return what every program here is started with: the same keys, under the names that all of them know.

    Python may keep what it compiled, as an installed program has it: without that, ours alone is compiled each time.
    """
    keys = {"AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY, "AWS_DEFAULT_REGION": "us-east-1"}
    files = {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**inherited, **keys, **files, "AWS_EC2_METADATA_DISABLED": "true"}


def write_site(root: Path, *, folder: Path, endpoint: str) -> Path:
    """Write the site into a new folder and return it."""
    (root / "routines").mkdir(mode=0o700, parents=True)
    root.chmod(0o700)
    files = {
        "opsrunner.yaml": SITE.format(bucket=BUCKET, prefix=PREFIX, endpoint=endpoint),
        "routines/copy.yaml": ROUTINE.format(folder=folder),
    }
    for name, text in files.items():
        (root / name).write_text(text, encoding="utf-8")
        (root / name).chmod(0o600)
    return root


def back_up(site: Path) -> Usage:
    """Run the routine in a process of its own. Raises RuntimeError where no good copy came of it."""
    verb = [str(PROGRAM), "run", "copy", "--json", "--as", "boss", "--site", str(site)]
    command = [sys.executable, "-m", "benchmarks.child_usage", *verb]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, env=environment())
    if done.returncode != 0:
        raise RuntimeError(f"no copy was made: {done.stdout}{done.stderr}")
    taken = json.loads(done.stdout)
    step = json.loads(taken.pop("said"))["steps"][0]
    return Usage(**taken, step_seconds=step["seconds"])
