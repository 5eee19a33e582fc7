"""A copy is whole in the store, or nothing of it is left: no object, no upload, no thread, no file."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import pyrage
import pytest

from opsrunner.archives.copying import HIDDEN_DOUBT, Copying, Order
from opsrunner.archives.drilling import drill_all
from opsrunner.archives.frames import FRAME_BYTES, PACKED_AHEAD, Packing
from opsrunner.archives.reader import fetch_manifest, read_again
from opsrunner.archives.removing import remove_copy
from opsrunner.archives.writer import AHEAD, ArchiveWriter
from opsrunner.clock import SystemClock
from opsrunner.errors import ArchiveDamaged, ConfigurationError, StoreFailed
from opsrunner.model.backup import NewCopy
from opsrunner.model.store import Received
from opsrunner.stores.base import Store, Upload
from opsrunner.stores.local import LocalFolder

from .conftest import NAME, Counting, hash_of, made_by_hand, member, pack

PLAIN = made_by_hand(member("a", data=random.Random(1).randbytes(9 << 20)), member("b", data=b"b" * 5_000_000))
OURS = ("store", "members", "pack", "age")


@dataclass
class Failing:
    """A folder that fails at one of the acts that change it, counted from 0."""

    inner: LocalFolder
    fails_at: int = 1 << 30
    acts: int = 0
    says: str = "no room"

    def act(self) -> None:
        self.acts += 1
        if self.acts > self.fails_at:
            raise StoreFailed(self.says)

    def begin(self, name: str) -> Upload:
        self.act()
        return FailingUpload(self, self.inner.begin(name))

    def remove(self, name: str) -> None:
        self.inner.remove(name)

    def read(self, name: str, *, offset: int = 0, length: int | None = None) -> Iterator[bytes]:
        return self.inner.read(name, offset=offset, length=length)


@dataclass
class FailingUpload:
    store: Failing
    inner: Upload

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.store.act()
        self.inner.write(data)

    def finish(self) -> Received:
        self.store.act()
        return self.inner.finish()

    def abort(self) -> None:
        self.inner.abort()


def order(*recipients: str, form: str = "tar", key: str = "", stream_name: str = "") -> Order:
    return Order(
        site="Example",
        routine="nightly",
        step="copy",
        run=7,
        key=key,
        of="/srv",
        form="stream" if form == "stream" else "tar",
        stream_name=stream_name,
        recipients=recipients,
    )


def copy(
    stores: dict[str, Store], data: bytes = PLAIN, given: Order | None = None, doubts: list[str] | None = None
) -> list[NewCopy]:
    """Make a copy as a step does."""
    copying = Copying(given or order(), stores, clock=SystemClock())
    try:
        for begin in range(0, len(data), 100_000):
            copying.take(data[begin : begin + 100_000])
        return copying.finish(copying.store_archive(), doubts=doubts or [], made_by={})
    except BaseException:
        copying.abort()
        raise
    finally:
        copying.close()


def assert_nothing_left(folder: Path) -> None:
    assert [path for path in folder.rglob("*") if not path.is_dir()] == []
    assert our_threads() == []


def our_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith(OURS)]


@pytest.mark.parametrize(
    "recipients", [(), (str(pyrage.x25519.Identity.generate().to_public()),)], ids=["plain", "age"]
)
def test_a_store_that_fails_anywhere_is_left_with_nothing(tmp_path: Path, recipients: tuple[str, ...]) -> None:
    whole = Failing(LocalFolder(tmp_path / "whole"))
    copy({"whole": cast("Store", whole)}, given=order(*recipients))
    for number in range(whole.acts):
        failing = Failing(LocalFolder(tmp_path / "store"), fails_at=number)
        with pytest.raises(StoreFailed, match=r"^no room$"):
            copy({"store": cast("Store", failing)}, given=order(*recipients))
        assert_nothing_left(tmp_path / "store")
    assert whole.acts > 9


@pytest.mark.parametrize("cut", [0, 100, 5_000_000, len(PLAIN) - 12_000])
def test_a_stream_that_is_no_archive_leaves_nothing(tmp_path: Path, cut: int) -> None:
    with pytest.raises(ArchiveDamaged):
        copy({"store": LocalFolder(tmp_path / "store")}, PLAIN[:cut])
    assert_nothing_left(tmp_path / "store")


def test_a_copy_that_is_given_up_leaves_nothing_wherever_it_is(tmp_path: Path) -> None:
    for taken in (0, 1000, 5_000_000, len(PLAIN)):
        copying = Copying(order(), {"store": LocalFolder(tmp_path / "store")}, clock=SystemClock())
        copying.take(PLAIN[:taken])
        if taken == len(PLAIN):
            copying.store_archive()
        copying.abort()
        copying.abort()
        copying.close()
        assert_nothing_left(tmp_path / "store")


def test_a_writer_that_is_only_closed_leaves_no_thread(store: LocalFolder) -> None:
    writer = ArchiveWriter(store, NAME, suffix=".tar.zst", packing=Packing(), is_tar=True)
    writer.write(PLAIN)
    writer.close()
    assert our_threads() == []
    writer.abort()
    assert list(store.list()) == []


def test_one_store_that_fails_anywhere_keeps_the_other_whole(tmp_path: Path) -> None:
    counted = Failing(LocalFolder(tmp_path / "counted"))
    copy({"counted": cast("Store", counted)})
    for number in range(counted.acts):
        good, bad = LocalFolder(tmp_path / f"good{number}"), LocalFolder(tmp_path / f"bad{number}")
        failing = Failing(bad, fails_at=number)
        copies = copy({"bad": cast("Store", failing), "good": good})
        assert [one.store for one in copies] == ["good"]
        manifest = fetch_manifest(good, copies[0].name, sha256=copies[0].manifest_sha256)
        assert read_again(good, manifest) == copies[0].size_bytes
        assert_nothing_left(tmp_path / f"bad{number}")


def test_two_stores_have_the_same(tmp_path: Path) -> None:
    stores = {name: LocalFolder(tmp_path / name) for name in ("near", "far")}
    copies = copy(dict(stores))
    names = [[stored.name for stored in store.list()] for store in stores.values()]
    assert names[0] == names[1] == sorted(f"{copies[0].name}.{end}" for end in ("index.zst", "json", "tar.zst"))
    assert {hash_of(store, name) for store in stores.values() for name in names[0][:1]} == {
        hash_of(stores["near"], names[0][0])
    }


def test_a_copy_that_is_removed_leaves_nothing_and_its_neighbours_stay(store: LocalFolder, tmp_path: Path) -> None:
    pack(store, PLAIN, volume_bytes=1 << 20)
    (tmp_path / "store" / f"{NAME}7.json").write_text("of run 77")
    remove_copy(store, NAME)
    assert [stored.name for stored in store.list()] == [f"{NAME}7.json"]


def test_what_a_copy_says_of_itself_is_what_lies_there(store: LocalFolder, tmp_path: Path) -> None:
    new = copy({"store": store}, doubts=["changed: a"])[0]
    manifest = fetch_manifest(store, new.name, sha256=new.manifest_sha256)
    assert (manifest.doubts, manifest.of, manifest.encrypted) == (("changed: a",), "/srv", "")
    assert (new.size_bytes, new.plain_bytes, new.files) == (manifest.size_bytes, len(PLAIN), 2)
    assert new.checked_by == "SHA-256, read back"
    drill_all(store, manifest, made(tmp_path / "to"), must_include=["a"])


def made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def test_the_manifest_of_an_encrypted_copy_tells_no_name_of_a_file(store: LocalFolder) -> None:
    new = copy({"store": store}, given=order(str(pyrage.x25519.Identity.generate().to_public())), doubts=["a changed"])[
        0
    ]
    manifest = fetch_manifest(store, new.name)
    assert (manifest.doubts, manifest.of, manifest.encrypted) == ((HIDDEN_DOUBT,), "encrypted", "age")
    assert (new.doubts, new.of) == (("a changed",), "/srv")


@pytest.mark.parametrize("stream_name", ["billing.sql", "index", ".x y ø", "json", "..."])
def test_every_name_of_a_stream_makes_objects_that_do_not_collide(store: LocalFolder, stream_name: str) -> None:
    copy({"store": store}, b"dump", given=order(form="stream", stream_name=stream_name))
    assert len({stored.name for stored in store.list()}) == 3


@pytest.mark.parametrize("stream_name", ["", ".", "..", "a/b", "/a", "a\0"])
def test_a_stream_has_the_name_of_a_file(stream_name: str) -> None:
    with pytest.raises(ConfigurationError, match="is no name of a file; say in `as`"):
        order(form="stream", stream_name=stream_name)


def test_keys_that_differ_have_names_that_differ() -> None:
    keys = ["a b", "a-b", "a/b", "A-b", "ø", "x", "-", "." * 9, "a" * 300, "a" * 301]
    prefixes = [order(key=key).prefix for key in keys]
    assert len(set(prefixes)) == len(keys)
    assert order(key="web1").prefix == "nightly/copy/web1/"
    assert order().name_at(datetime(2026, 11, 21, 2, 30, tzinfo=UTC)) == "nightly/copy/2026-11-21T023000Z-r7"


@dataclass
class Slow:
    """A store that takes nothing before it is let."""

    let: threading.Event = field(default_factory=threading.Event)

    def begin(self, name: str) -> Slow:
        return self

    def write(self, data: bytes | bytearray | memoryview) -> None:
        assert self.let.wait(30)

    def finish(self) -> Received:
        return Received(name=NAME, size_bytes=0, checked_by="")

    def abort(self) -> None:
        self.let.set()

    def remove(self, name: str) -> None: ...


def test_what_is_held_in_memory_is_bounded_however_slow_the_store_is(
    most_bytes_of: Callable[[Callable[[], object]], int],
) -> None:
    assert most_bytes_of(_write_to_a_slow_store) < 20 * FRAME_BYTES


def _write_to_a_slow_store() -> None:
    slow, taken = Slow(), [0]
    writer = ArchiveWriter(cast("Store", slow), NAME, suffix=".x.zst", packing=Packing(level=1), is_tar=False)
    chunk = random.Random(1).randbytes(1 << 20)

    def feed() -> None:
        with suppress(StoreFailed):
            for _ in range(512):
                writer.write(chunk)
                taken[0] += len(chunk)

    feeding = threading.Thread(target=feed)
    feeding.start()
    before = -1
    while taken[0] != before:
        before = taken[0]
        time.sleep(0.7)
    packed = Packing().threads + PACKED_AHEAD + 1
    assert taken[0] <= (AHEAD + 2 + packed + 2) * FRAME_BYTES, "pieces that wait, that are packed, and one on each side"
    slow.let.set()
    feeding.join()
    writer.finish()
    writer.close()
    assert taken[0] == 512 << 20


def test_bytes_that_are_read_in_part_are_counted(store: LocalFolder) -> None:
    counting = Counting(store)
    manifest = pack(store, PLAIN)
    assert read_again(cast("Store", counting), manifest) == counting.read_bytes == manifest.size_bytes
