"""Files as a server has them, made up from a seed: a few kB to tens of MB, half of the bytes packed already, half text.

The text is lines of a log: a time that rises, then words in an order that never comes back, so that what zstd makes
of it does not hang on how far back it looks.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

COUNT = 800
GIB = 1 << 30
SEED = 20261123
SPREAD = 1.6
"""Of the sizes' logarithm: with it the smallest of 800 has a few kB, and the largest some 50 MB."""
AT_ONCE = 1 << 20
_FOLDERS = 40
_LINES_AT_ONCE = 200
_LETTERS = "etaoinshrdlucmfw"


@dataclass(frozen=True, kw_only=True)
class Made:
    """What was made."""

    folder: Path
    bytes: int
    files: tuple[Path, ...]
    """Below `folder`, by their size."""

    def read(self) -> None:
        """Read everything once, so that it lies in the page cache where that has room for it."""
        for path in self.files:
            with path.open("rb") as file:
                while file.read(AT_ONCE):
                    pass


def make_files(folder: Path, *, size_bytes: int = GIB, count: int = COUNT) -> Made:
    """Make `count` files of `size_bytes` in all; the same ones each time."""
    dice = random.Random(SEED)
    text = _text(dice)
    paths: list[Path] = []
    for number, size in enumerate(_sizes(dice, count // 2, size_bytes // 2)):
        for kind in ("packed", "log"):
            path = folder / f"part-{number % _FOLDERS:02}" / f"{number:03}.{kind}"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(dice.randbytes(size) if kind == "packed" else _take(text, size))
            paths.append(path)
    paths.sort(key=lambda path: (path.stat().st_size, path.name))
    return Made(folder=folder, bytes=sum(path.stat().st_size for path in paths), files=tuple(paths))


def repeat_files(made: Made, folder: Path, *, times: int) -> Made:
    """Copy what was made, so many times, side by side: zstd does not look back as far as from one to the next."""
    for number in range(times):
        shutil.copytree(made.folder, folder / f"{number}")
    paths = tuple(
        folder / str(number) / path.relative_to(made.folder) for path in made.files for number in range(times)
    )
    return Made(folder=folder, bytes=made.bytes * times, files=paths)


def _sizes(dice: random.Random, count: int, size_bytes: int) -> list[int]:
    """Return `count` sizes that come to `size_bytes`."""
    drawn = [dice.lognormvariate(0, SPREAD) for _ in range(count)]
    sizes = [int(one / sum(drawn) * size_bytes) for one in drawn]
    sizes[-1] += size_bytes - sum(sizes)
    return sizes


def _take(pieces: Iterator[bytes], size: int) -> bytes:
    taken, length = [], 0
    while length < size:
        taken.append(next(pieces))
        length += len(taken[-1])
    return b"".join(taken)[:size]


def _text(dice: random.Random) -> Iterator[bytes]:
    """Yield lines without end, those of one second at a time."""
    words = ["".join(dice.choices(_LETTERS, k=dice.randint(2, 9))) for _ in range(4_000)]
    phrases = [" ".join(dice.choices(words, k=4)) for _ in range(30_000)]
    at = datetime(2026, 1, 1, tzinfo=UTC)
    while True:
        at += timedelta(seconds=1)
        stamp, drawn = f"{at:%Y-%m-%dT%H:%M:%S}", iter(dice.choices(phrases, k=3 * _LINES_AT_ONCE))
        numbered = enumerate(zip(drawn, drawn, drawn, strict=True))
        lines = [f"{stamp}.{number:03} {one} {two} {three}\n" for number, (one, two, three) in numbered]
        yield "".join(lines).encode()
