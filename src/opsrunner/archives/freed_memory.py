"""Memory that goes from hand to hand: pieces of megabytes are taken and freed hundreds of times in a copy."""

from __future__ import annotations

_LARGEST_BYTES = 16 << 20
"""As large as a part of a bucket: more would stay with a daemon when the copy is made."""


def keep_freed_memory() -> None:
    """Let the C library keep what is freed, where it would give it back to the system and take it anew each time.

    Each page that comes anew costs a fault and is cleared first. glibc keeps blocks up to the largest that it has
    freed so far (mallopt(3), M_MMAP_THRESHOLD); this one is never touched, so it costs no memory. Another C library
    may do as it likes.
    """
    bytes(_LARGEST_BYTES)
