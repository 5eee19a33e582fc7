"""Those whom a backup is measured beside: the pipe that people write themselves, and restic."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from itertools import count
from pathlib import Path

from benchmarks.backup_site import BUCKET, environment
from benchmarks.turns import ROOT

AWS = ROOT / ".venv-peers" / "bin" / "aws"
UPLOAD = Path(__file__).with_name("peer_upload.py")
_ZSTD = "zstd -q -c -3 -T2"
_numbers = count(1)


def packed_to_nowhere(folder: Path) -> None:
    """Pack a folder, and keep nothing."""
    _pipe(f"{_packing(folder)} > /dev/null")


def packed_and_hashed(folder: Path) -> None:
    """Pack a folder and keep nothing but the SHA-256 of what was packed, and of what came of it."""
    hashed = "tee >(openssl dgst -sha256 > /dev/null)"
    _pipe(f"tar -c -C {shlex.quote(str(folder))} . | {hashed} | {_ZSTD} | {hashed} > /dev/null")


def packed_by_boto3(folder: Path, endpoint: str) -> None:
    """Pack a folder into a new object by boto3."""
    words = [sys.executable, str(UPLOAD), endpoint, BUCKET, f"boto3/{next(_numbers)}.tar.zst"]
    _pipe(f"{_packing(folder)} | {shlex.join(words)}")


def packed_by_aws(folder: Path, endpoint: str) -> None:
    """Pack a folder into a new object by `aws s3 cp -`."""
    target = f"s3://{BUCKET}/aws/{next(_numbers)}.tar.zst"
    words = [str(AWS), "s3", "cp", "--only-show-errors", "--endpoint-url", endpoint, "-", target]
    _pipe(f"{_packing(folder)} | {shlex.join(words)}")


class Restic:
    """A repository of restic, new each time: what it has already it would not send again."""

    def __init__(self, endpoint: str, *, cache: Path) -> None:
        """Make it."""
        self._cache = cache
        self._environment = {
            **environment(),
            "RESTIC_REPOSITORY": f"s3:{endpoint}/{BUCKET}/restic-{next(_numbers)}",
            "RESTIC_PASSWORD": "of-a-benchmark",
            "RESTIC_CACHE_DIR": str(cache),
        }
        _run(["restic", "init", "--quiet"], self._environment)

    def back_up(self, folder: Path) -> None:
        """Make the first snapshot."""
        _run(["restic", "backup", "--quiet", str(folder)], self._environment)

    def forget_cache(self) -> None:
        """Remove what it keeps on this machine."""
        shutil.rmtree(self._cache, ignore_errors=True)


def _packing(folder: Path) -> str:
    return f"tar -c -C {shlex.quote(str(folder))} . | {_ZSTD}"


def _pipe(line: str) -> None:
    _run(["bash", "-o", "pipefail", "-c", line], environment())


def _run(command: list[str], env: Mapping[str, str]) -> None:
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False, cwd=ROOT)
    if done.returncode != 0:
        raise RuntimeError(f"{command[-1]}: {done.stderr}")
