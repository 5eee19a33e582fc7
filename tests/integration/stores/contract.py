"""What every store is held to. A store's test gives the fixture `store`, empty each time, and inherits the class."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from opsrunner.errors import NotStored, StoreFailed
from opsrunner.stores.base import READ_BYTES, Store

NAME = "nightly/copy/2026-11-21T023000Z-r7.tar.zst"
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
MORE_THAN_A_PART = 17 << 20


def later() -> datetime:
    return datetime.now(UTC) + timedelta(hours=1)


def put(store: Store, name: str, data: bytes) -> None:
    upload = store.begin(name)
    upload.write(data)
    upload.finish()


def got(store: Store, name: str, *, offset: int = 0, length: int | None = None) -> bytes:
    return b"".join(store.read(name, offset=offset, length=length))


def names(store: Store, prefix: str = "") -> list[str]:
    return [stored.name for stored in store.list(prefix)]


def nothing_remains(store: Store) -> bool:
    """Tell whether a store holds neither an object nor an upload that never ended."""
    return names(store) == [] and store.sweep("", before=later()) == 0


class StoreContract:
    """Whole objects by name, each either there and complete or not there at all."""

    @pytest.fixture
    def store(self) -> Iterator[Store]:
        raise NotImplementedError

    def test_an_object_is_there_whole_once_it_is_finished_and_not_before(self, store: Store) -> None:
        upload = store.begin(NAME)
        upload.write(b"first ")
        upload.write(b"second")
        assert (store.find(NAME), names(store)) == (None, [])
        received = upload.finish()
        assert (received.name, received.size_bytes) == (NAME, 12)
        assert received.checked_by, "it says by what it was compared"
        assert got(store, NAME) == b"first second"

    def test_what_is_found_has_its_size_and_when_it_came(self, store: Store) -> None:
        before = datetime.now(UTC) - timedelta(seconds=2)
        put(store, NAME, b"12345")
        found = store.find(NAME)
        assert found is not None
        assert (found.name, found.size_bytes) == (NAME, 5)
        assert before <= found.modified_at <= datetime.now(UTC) + timedelta(seconds=2)

    def test_an_object_may_be_empty(self, store: Store) -> None:
        assert store.begin("empty").finish().size_bytes == 0
        found = store.find("empty")
        assert found is not None
        assert (found.size_bytes, got(store, "empty"), got(store, "empty", length=5)) == (0, b"", b"")

    def test_pieces_of_any_length_become_the_same_object(self, store: Store) -> None:
        chance = random.Random(7)
        data = chance.randbytes(3_000_000)
        upload = store.begin(NAME)
        at = 0
        while at < len(data):
            length = chance.choice((0, 1, 17, 4096, 65537, 300_000))
            upload.write(memoryview(data)[at : at + length])
            at += length
        upload.finish()
        assert got(store, NAME) == data

    def test_memory_may_be_used_again_once_it_was_written(self, store: Store) -> None:
        upload, memory = store.begin(NAME), bytearray(1 << 20)
        for number in range(20):
            memory[:] = bytes([number]) * len(memory)
            upload.write(memory)
        memory[:] = bytes(len(memory))
        upload.finish()
        assert got(store, NAME) == b"".join(bytes([number]) * (1 << 20) for number in range(20))

    def test_forty_megabytes_come_back_as_they_went(self, store: Store) -> None:
        chance, sent = random.Random(40), hashlib.sha256()
        upload = store.begin(NAME)
        for _ in range(40):
            piece = chance.randbytes(1 << 20)
            sent.update(piece)
            upload.write(piece)
        assert upload.finish().size_bytes == 40 << 20
        came, last = hashlib.sha256(), piece
        for read in store.read(NAME):
            assert len(read) <= READ_BYTES
            came.update(read)
        assert came.digest() == sent.digest()
        assert got(store, NAME, offset=(40 << 20) - 3) == last[-3:]

    @pytest.mark.parametrize(
        ("offset", "length", "expected"),
        [
            pytest.param(0, None, b"0123456789", id="all"),
            pytest.param(0, 3, b"012", id="the beginning"),
            pytest.param(4, 3, b"456", id="the middle"),
            pytest.param(7, None, b"789", id="the end"),
            pytest.param(7, 100, b"789", id="more than there is"),
            pytest.param(9, 1, b"9", id="the last byte"),
            pytest.param(10, None, b"", id="from the end on"),
            pytest.param(10, 5, b"", id="just past the end"),
            pytest.param(1000, 5, b"", id="far past the end"),
            pytest.param(3, 0, b"", id="nothing"),
        ],
    )
    def test_a_range_is_read(self, store: Store, offset: int, length: int | None, expected: bytes) -> None:
        put(store, NAME, b"0123456789")
        assert got(store, NAME, offset=offset, length=length) == expected

    @pytest.mark.parametrize(("offset", "length"), [(0, None), (5, None), (5, 5), (0, 0)])
    def test_what_is_not_there_cannot_be_read(self, store: Store, offset: int, length: int | None) -> None:
        put(store, NAME, b"x")
        with pytest.raises(NotStored):
            got(store, "nightly/copy/another", offset=offset, length=length)
        with pytest.raises(NotStored):
            got(store, "nightly/copy", offset=offset, length=length)

    def test_what_is_not_there_is_not_found(self, store: Store) -> None:
        assert store.find(NAME) is None
        put(store, NAME, b"x")
        assert (store.find("nightly"), store.find("nightly/copy/another"), store.find("a/b")) == (None, None, None)

    def test_an_object_of_the_same_name_is_replaced_at_once_and_whole(self, store: Store) -> None:
        put(store, NAME, b"the older one, which is longer")
        upload = store.begin(NAME)
        upload.write(b"newer")
        assert got(store, NAME) == b"the older one, which is longer"
        upload.finish()
        assert (got(store, NAME), names(store)) == (b"newer", [NAME])

    def test_objects_are_listed_in_the_order_of_their_names(self, store: Store) -> None:
        made = ["a/z", "a-b", "a.c", "a/b/c", "a0", "ab", "A", "_", "b/" + "n" * 200, "a/b.x", "a/b-y"]
        for name in made:
            put(store, name, name.encode())
        assert names(store) == sorted(made)
        assert [stored.size_bytes for stored in store.list()] == [len(name) for name in sorted(made)]
        assert names(store, "a/") == ["a/b-y", "a/b.x", "a/b/c", "a/z"]
        assert names(store, "a/b") == ["a/b-y", "a/b.x", "a/b/c"], "a prefix may end within a word"
        assert names(store, "a/b/c") == ["a/b/c"]
        assert names(store, "nothing") == []

    def test_a_store_that_nothing_was_put_in_is_empty(self, store: Store) -> None:
        assert (names(store), store.find(NAME), store.sweep("", before=later())) == ([], None, 0)
        store.remove(NAME)

    def test_an_object_is_removed_once_and_a_second_time_is_no_mistake(self, store: Store) -> None:
        put(store, NAME, b"x")
        put(store, "nightly/other", b"y")
        store.remove(NAME)
        store.remove(NAME)
        store.remove("nightly")
        assert (store.find(NAME), names(store)) == (None, ["nightly/other"])
        put(store, NAME, b"again")
        assert got(store, NAME) == b"again"

    @pytest.mark.parametrize("size_bytes", [0, 10, MORE_THAN_A_PART])
    def test_an_upload_that_is_aborted_leaves_nothing(self, store: Store, size_bytes: int) -> None:
        upload = store.begin(NAME)
        upload.write(bytes(size_bytes))
        upload.abort()
        upload.abort()
        assert (names(store), store.sweep("", before=later())) == ([], 0)

    def test_an_upload_that_is_aborted_leaves_what_was_there(self, store: Store) -> None:
        put(store, NAME, b"older")
        upload = store.begin(NAME)
        upload.write(b"newer")
        upload.abort()
        assert got(store, NAME) == b"older"

    def test_aborting_what_is_finished_does_nothing(self, store: Store) -> None:
        upload = store.begin(NAME)
        upload.write(b"x")
        upload.finish()
        upload.abort()
        assert got(store, NAME) == b"x"

    def test_an_upload_that_has_ended_takes_nothing_more(self, store: Store) -> None:
        upload = store.begin(NAME)
        upload.abort()
        with pytest.raises(StoreFailed):
            upload.write(b"x")
        with pytest.raises(StoreFailed):
            upload.finish()
        assert names(store) == []

    def test_uploads_that_never_ended_are_swept_by_prefix_and_age(self, store: Store) -> None:
        upload = store.begin(NAME)
        upload.write(bytes(MORE_THAN_A_PART))
        put(store, "nightly/whole", b"stays")
        assert store.sweep("nightly/", before=LONG_AGO) == 0, "it may be under way"
        assert store.sweep("weekly/", before=later()) == 0, "it is another's"
        assert store.sweep("nightly/", before=later()) == 1
        assert (store.sweep("nightly/", before=later()), names(store)) == (0, ["nightly/whole"])
        upload.abort()

    def test_an_upload_that_was_swept_away_fails(self, store: Store) -> None:
        upload = store.begin(NAME)
        upload.write(bytes(MORE_THAN_A_PART))
        store.sweep("", before=later())
        with pytest.raises(StoreFailed):
            upload.finish()
        upload.abort()
        assert names(store) == []

    def test_several_uploads_go_on_at_once(self, store: Store) -> None:
        contents = {f"at-once/{number}": random.Random(number).randbytes(1_500_000) for number in range(6)}
        with ThreadPoolExecutor(6) as pool:
            list(pool.map(lambda name: put(store, name, contents[name]), contents))
        assert {name: got(store, name) for name in names(store, "at-once/")} == contents

    def test_of_two_uploads_of_one_name_the_last_to_finish_stands_whole(self, store: Store) -> None:
        first, second = store.begin(NAME), store.begin(NAME)
        first.write(b"first, and longer")
        second.write(b"second")
        second.finish()
        first.finish()
        assert (got(store, NAME), names(store)) == (b"first, and longer", [NAME])

    def test_a_survey_tells_of_all_that_lies_there_with_size_and_time(self, store: Store) -> None:
        for name in ("daily/alice/home", "daily/bob", "dailies", "weekly/alice/home", "weekly/x/y/z"):
            put(store, name, name.encode())
        found = {one.name: one for one in store.survey("daily/", may_hold=lambda _: True)}
        assert sorted(found) == ["daily/alice/home", "daily/bob"]
        assert found["daily/bob"].size_bytes == len("daily/bob")
        assert abs(found["daily/bob"].modified_at - datetime.now(UTC)) < timedelta(minutes=1)
        assert {one.name for one in store.survey("dail", may_hold=lambda _: True)} >= {"dailies", "daily/bob"}
        told = {one.name for one in store.survey(may_hold=lambda folder: folder.startswith("weekly"))}
        assert told >= {"dailies", "weekly/alice/home", "weekly/x/y/z"}, "folders that hold nothing may be left out"
        assert list(store.survey("yearly/", may_hold=lambda _: True)) == []
        assert b"".join(store.fetch("daily/alice/home")) == b"daily/alice/home"
        with pytest.raises(NotStored):
            list(store.fetch("daily/carol"))

    @pytest.mark.parametrize("name", ["", "/etc/passwd", "../secret", "a/../../secret", "a//b", "a/.", "a\0b"])
    def test_what_leads_out_of_a_store_is_never_fetched(self, store: Store, name: str) -> None:
        with pytest.raises(NotStored, match="is no name that can be fetched"):
            list(store.fetch(name))

    @pytest.mark.parametrize("name", ["", "/a", "a/", "a//b", "../a", "a/../b", ".hidden", "a/.b", "a b", "a\n", "ü"])
    def test_what_is_no_name_is_our_own_fault(self, store: Store, name: str) -> None:
        for act in (store.begin, store.find, store.remove, lambda name: got(store, name)):
            with pytest.raises(ValueError, match="no name of an object"):
                act(name)
        assert names(store) == []


class FolderContract(StoreContract):
    """What is more of a store that is a folder: its disk may not be there. The fixture `store` lies in `disk`."""

    @pytest.fixture
    def disk(self, tmp_path: Path) -> Path:
        disk = tmp_path / "disk"
        disk.mkdir()
        return disk

    @pytest.mark.parametrize("act", ["begin", "read", "find", "list", "remove", "sweep"])
    def test_a_disk_that_is_not_there_is_told_from_an_empty_store(self, store: Store, disk: Path, act: str) -> None:
        put(store, NAME, b"x")
        disk.rename(disk.with_name("away"))
        acts: dict[str, Callable[[], object]] = {
            "begin": lambda: store.begin(NAME),
            "read": lambda: got(store, NAME),
            "find": lambda: store.find(NAME),
            "list": lambda: names(store),
            "remove": lambda: store.remove(NAME),
            "sweep": lambda: store.sweep("", before=later()),
        }
        with pytest.raises(StoreFailed, match=r"disk is not there; is its disk mounted\?") as seen:
            acts[act]()
        assert seen.value.permanent
        assert not isinstance(seen.value, NotStored)
        assert not disk.exists(), "and nothing is made in its place"

    def test_a_folder_that_is_not_there_is_told_from_an_object_that_is_not(self, store: Store, disk: Path) -> None:
        put(store, NAME, b"x")
        (disk / "copies").rename(disk / "away")
        with pytest.raises(StoreFailed, match=r"copies is not there; is its disk mounted\?") as seen:
            got(store, NAME)
        assert not isinstance(seen.value, NotStored)
