"""Certificate files of this machine, by path, folder or pattern."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from datetime import datetime
from glob import has_magic, iglob
from itertools import islice
from pathlib import Path

from opsrunner.expiries.certificates import Certificate, NoCertificate, chain_words, ends_first, read_file
from opsrunner.records import dataclass

MOST_FILES = 5_000
MOST_BYTES = 1_000_000
DEEPEST = 4
"""How many folders below a folder that is named."""
ENDINGS = (".pem", ".crt", ".cer", ".der")
"""Of the files that are read in a folder; one named `combined` is as well."""


@dataclass(frozen=True, kw_only=True)
class InFile:
    """What one file came to."""

    path: str
    ends_at: datetime | None = None
    """Of all certificates in it, what ends first; None: see `failure`."""
    about: str = ""
    failure: str = ""
    """Why nothing could be read of it."""
    of: tuple[str, bytes, datetime] = ("", b"", datetime.min)  # noqa: DTZ901 (stands for none, and is never compared)
    """What makes it the same as another file: its folder, its first certificate, its end."""


def certificates_in(wanted: Sequence[str]) -> Iterator[InFile]:
    """Give each file that holds certificates, and each file or folder that may not be read; by path, each once.

    Files without a certificate (keys, notes) are passed over, and so are lists of authorities, and a file that says
    the same as one beside it (`cert.pem` and `fullchain.pem`). A path without `*` that is not there is a failure
    where it names a file (`….pem`), and nothing where it may be a folder.
    """
    seen: dict[str, None] = {}
    told: set[tuple[str, bytes, datetime]] = set()
    for pattern in wanted:
        for path in _matching(pattern):
            real = os.path.realpath(path)
            if real in seen:
                continue
            seen[real] = None
            if len(seen) > MOST_FILES:
                yield InFile(path=pattern, failure=f"more than {MOST_FILES:,} files match; name those that count")
                return
            found = _read(path)
            if found is None or (found.ends_at and found.of in told):
                continue
            if found.ends_at:
                told.add(found.of)
            yield found


def _matching(pattern: str) -> Iterator[str]:
    """Yield the files that a path, folder or pattern means, and what of it is closed to this account."""
    if not has_magic(pattern):
        yield from _below(pattern) if os.path.isdir(pattern) else _one(pattern)  # noqa: PTH112 (patterns are texts)
        return
    top = pattern
    while has_magic(top):
        top = os.path.dirname(top)  # noqa: PTH120
    if _is_closed(top):
        yield top
        return
    yield from sorted(islice(iglob(pattern, recursive=True), MOST_FILES + 1))  # noqa: PTH207 (patterns are texts)


def _one(path: str) -> Iterator[str]:
    if os.path.lexists(path) or path.lower().endswith(ENDINGS) or _is_closed(os.path.dirname(path)):  # noqa: PTH120
        yield path


def _below(folder: str) -> Iterator[str]:
    closed: list[str] = []
    for parent, folders, files in os.walk(folder, onerror=lambda error: closed.append(str(error.filename))):
        folders.sort()
        if parent.removeprefix(folder).count(os.sep) >= DEEPEST:
            folders.clear()
        yield from (
            os.path.join(parent, name)  # noqa: PTH118
            for name in sorted(files)
            if name.lower().endswith(ENDINGS) or name == "combined"
        )
    yield from closed


def _read(path: str) -> InFile | None:
    """Return what a file came to; None for one without a certificate of somebody's own."""
    try:
        chain = _certificates(Path(path))
    except PermissionError:
        return InFile(path=path, failure="this account may not read it")
    except OSError as exc:
        return InFile(path=path, failure=(exc.strerror or "cannot be read").lower())
    except NoCertificate as exc:
        return InFile(path=path, failure=str(exc))
    if not chain or _are_issuers(chain):
        return None
    ends_at = ends_first(chain).ends_at
    of = (os.path.dirname(path), chain[0].fingerprint, ends_at)  # noqa: PTH120
    return InFile(path=path, ends_at=ends_at, about=chain_words(chain), of=of)


def _certificates(file: Path) -> list[Certificate]:
    """Return what a file holds, none for what is no file. Raises NoCertificate and OSError."""
    if file.is_dir():
        if _is_closed(str(file)):
            raise NoCertificate("this account may not look into it")
        return []
    if not file.is_file():
        if not os.path.lexists(file):
            raise NoCertificate("there is no such file")
        return []
    with file.open("rb") as content:
        data = content.read(MOST_BYTES + 1)
    return read_file(data) if len(data) <= MOST_BYTES else []


def _are_issuers(chain: Sequence[Certificate]) -> bool:
    """Tell whether a file holds issuers alone, as `chain.pem`: they stand behind others, and are nobody's own."""
    return not chain[0].is_self_issued and all(one.is_authority for one in chain)


def _is_closed(folder: str) -> bool:
    return os.path.isdir(folder) and not os.access(folder, os.R_OK | os.X_OK, effective_ids=True)  # noqa: PTH112
