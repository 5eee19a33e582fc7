"""One copy, from the stream that it is made of to what lies in the stores: whole, or nothing of it is left."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import field
from datetime import UTC, datetime
from typing import Literal

from opsrunner.archives.frames import Packing
from opsrunner.archives.hashing import HASHED_BY
from opsrunner.archives.manifest import Manifest, manifest_name
from opsrunner.archives.together import Together
from opsrunner.archives.writer import INDEX_SUFFIX, ArchiveWriter, Written, store_chunks
from opsrunner.clock import Clock
from opsrunner.errors import ConfigurationError
from opsrunner.model.backup import TRIED, NewCopy
from opsrunner.records import dataclass
from opsrunner.stores.base import Store
from opsrunner.version import VERSION

TAIL_BYTES = 4096
HIDDEN_DOUBT = "there were doubts, told to the catalogue alone"
"""Stands in the manifest of an encrypted copy: doubts name files."""
_STRANGE = re.compile(r"[^A-Za-z0-9._-]+")


@dataclass(frozen=True, kw_only=True)
class Order:
    """What is to be copied, and what its manifest says of it."""

    site: str
    routine: str
    step: str
    run: int
    ledger: str = ""
    key: str = ""
    of: str
    """In words."""
    form: Literal["tar", "stream"]
    stream_name: str = ""
    packing: Packing = field(default_factory=Packing)
    recipients: tuple[str, ...] = ()
    """Public keys of age: who can read the copy. Without any it is not encrypted."""
    is_trial: bool = False
    """It is of a try, whose copies lie apart: real ones are left alone, and nobody takes one of them for real."""

    def __post_init__(self) -> None:
        """Raise ConfigurationError where what a program writes could not be restored under its name."""
        if self.form == "stream" and (self.stream_name in ("", ".", "..") or set(self.stream_name) & set("/\0")):
            raise ConfigurationError(f"{self.stream_name!r} is no name of a file; say in `as` what the dump is called")

    def name_at(self, at: datetime) -> str:
        """Return what a copy that begins now is called: `nightly/copy/2026-11-21T023000Z-r7`; it sorts as time does."""
        return f"{self.prefix}{at.astimezone(UTC):%Y-%m-%dT%H%M%SZ}-r{self.run}"

    @property
    def prefix(self) -> str:
        """What the names of all copies of this step begin with, for a row with its key."""
        apart = TRIED if self.is_trial else ""
        return f"{apart}{self.routine}/{self.step}/{f'{_word(self.key)}/' if self.key else ''}"

    @property
    def suffix(self) -> str:
        """What the name of the archive ends with, unless it is encrypted."""
        suffix = ".tar.zst" if self.form == "tar" else f".{_word(self.stream_name)}.zst"
        return suffix if suffix != INDEX_SUFFIX else f".stream{suffix}"


class Copying:
    """A copy under way. `take` is given the stream; then it is either finished or aborted."""

    def __init__(self, order: Order, stores: Mapping[str, Store], *, clock: Clock) -> None:
        """Begin it in all stores. Raises StoreFailed where none of them takes it."""
        self._order, self._clock = order, clock
        self._began_at, self._began = clock.now(), clock.monotonic()
        self.name = order.name_at(self._began_at)
        self.together = Together(stores)
        self._writer = ArchiveWriter(
            self.together,
            self.name,
            suffix=order.suffix,
            packing=order.packing,
            is_tar=order.form == "tar",
            recipients=order.recipients,
        )
        self._tail = bytearray()

    def take(self, data: bytes) -> None:
        """Take the next bytes. Raises StoreFailed where no store is left that takes them, ArchiveDamaged."""
        self._tail += data[-TAIL_BYTES:]
        del self._tail[:-TAIL_BYTES]
        self._writer.write(data)

    @property
    def tail(self) -> bytes:
        """The end of what was taken, up to TAIL_BYTES."""
        return bytes(self._tail)

    def store_archive(self) -> Written:
        """Store what is left, so that only the manifest is missing. Raises StoreFailed, ArchiveDamaged."""
        return self._writer.finish()

    def finish(self, written: Written, *, doubts: Sequence[str], made_by: Mapping[str, str]) -> list[NewCopy]:
        """Write the manifest: from now on it is a copy. Return it for each store that has it. Raises StoreFailed."""
        data = self._manifest(written, doubts=doubts, made_by=made_by).to_bytes()
        store_chunks(self.together, manifest_name(self.name), [data])
        sha256 = hashlib.sha256(data).hexdigest()
        return [self._copy(written, store, doubts=doubts, sha256=sha256) for store in self.together.whole]

    def abort(self) -> None:
        """Leave nothing behind, as far as that can be done now; never raises."""
        self.together.remove(manifest_name(self.name))
        self._writer.abort()

    def close(self) -> None:
        """Let go of threads and files."""
        self._writer.close()

    def _manifest(self, written: Written, *, doubts: Sequence[str], made_by: Mapping[str, str]) -> Manifest:
        is_encrypted = bool(self._order.recipients)
        return Manifest(
            name=self.name,
            site=self._order.site,
            routine=self._order.routine,
            step=self._order.step,
            run=self._order.run,
            ledger=self._order.ledger,
            key=self._order.key,
            made_at=self._began_at,
            seconds=round(self._clock.monotonic() - self._began, 3),
            of="encrypted" if is_encrypted else self._order.of,
            form=self._order.form,
            stream_name=self._order.stream_name,
            encrypted="age" if is_encrypted else "",
            archive=written.archive,
            index=written.index,
            hashed_by=HASHED_BY,
            plain_size=written.plain_size,
            files=written.files,
            doubts=(HIDDEN_DOUBT,) if doubts and is_encrypted else tuple(doubts),
            made_by={"opsrunner": VERSION, **made_by},
        )

    def _copy(self, written: Written, store: str, *, doubts: Sequence[str], sha256: str) -> NewCopy:
        return NewCopy(
            name=self.name,
            store=store,
            routine=self._order.routine,
            step=self._order.step,
            run=self._order.run,
            key=self._order.key,
            made_at=self._began_at,
            received_at=self._clock.now(),
            checked_by=self.together.checked_by(store, written.archive[0].name),
            size_bytes=sum(part.size for part in (*written.archive, written.index)),
            plain_bytes=written.plain_size,
            files=written.files,
            manifest_sha256=sha256,
            of=self._order.of,
            doubts=tuple(doubts),
        )


def _word(text: str) -> str:
    """Return a text as a word of an object's name; texts that differ make words that differ."""
    word = _STRANGE.sub("-", text).lstrip(".-")[:100]
    return word if word == text else f"{word or 'x'}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"
