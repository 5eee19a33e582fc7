"""What a copy is made with, for whoever unpacks it in ten years."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from contextlib import suppress
from functools import lru_cache

import zstandard


@lru_cache(maxsize=1)
def archive_versions() -> Mapping[str, str]:
    """Return the versions of zstd and, where there is one on this machine, of tar."""
    versions = {"zstd": ".".join(str(number) for number in zstandard.ZSTD_VERSION)}
    with suppress(OSError, subprocess.SubprocessError):
        said = subprocess.run(["tar", "--version"], capture_output=True, text=True, check=True, timeout=10).stdout  # noqa: S607 (found on the path, as the archiver is)
        versions["tar"] = said.splitlines()[0]
    return versions
