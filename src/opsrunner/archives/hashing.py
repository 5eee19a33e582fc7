"""The hash of each file of a copy.

All bytes of a backup are hashed twice: the archive by SHA-256, which stores and `sha256sum` speak too, and the files in
it by BLAKE3, which finds any change as surely; on x86_64 it costs a quarter (github.com/BLAKE3-team/BLAKE3-specs).
"""

from __future__ import annotations

import hashlib
from typing import Literal, Protocol, TypeAlias

from blake3 import blake3

HashName: TypeAlias = Literal["blake3", "sha256"]
"""SHA-256 is in the copies of versions before 0.6."""
HASHED_BY: HashName = "blake3"
"""What new copies are made with."""


class Digest(Protocol):
    """A hash that is being made."""

    def update(self, data: bytes | memoryview, /) -> object:
        """Take the next bytes."""

    def hexdigest(self) -> str:
        """Return the hash of all that was taken, in hexadecimal."""


def begin_hash(name: HashName) -> Digest:
    """Return a hash of nothing yet."""
    return blake3() if name == "blake3" else hashlib.sha256()
