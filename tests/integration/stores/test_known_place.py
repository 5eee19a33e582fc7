"""A folder that has to be the place that the catalogue knows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from opsrunner.errors import StoreFailed
from opsrunner.stores.base import Store
from opsrunner.stores.known_place import KnownPlace, nothing_known
from opsrunner.stores.local import LocalFolder

from .contract import NAME, FolderContract, later, names, put

MANY = [f"nightly/copy/{number}.json" for number in range(100)]


class TestKnownPlace(FolderContract):
    """What nothing is known of is as any store."""

    @pytest.fixture
    def store(self, disk: Path) -> Iterator[Store]:
        with KnownPlace(LocalFolder(disk / "copies"), name="disk", known=nothing_known) as store:
            yield store


def known_place(folder: Path, known: Sequence[str]) -> KnownPlace:
    return KnownPlace(LocalFolder(folder), name="disk", known=lambda: known)


@pytest.mark.parametrize("there", [MANY[0], MANY[-1], "nightly/copy/0.tar.zst", "nightly/copy/99.index.zst"])
def test_it_is_the_place_where_any_of_what_is_known_is_there(tmp_path: Path, there: str) -> None:
    put(LocalFolder(tmp_path), there, b"x")
    assert names(known_place(tmp_path, MANY)) == [there]


def test_it_is_the_place_where_its_one_copy_lost_its_manifest(tmp_path: Path) -> None:
    put(LocalFolder(tmp_path), "nightly/copy/0.tar.zst.2", b"x")
    assert names(known_place(tmp_path, MANY[:1])) == ["nightly/copy/0.tar.zst.2"]


def test_it_is_another_one_where_nothing_is(tmp_path: Path) -> None:
    put(LocalFolder(tmp_path), "nightly/copy/other.json", b"x")
    acts: tuple[Callable[[Store], object], ...] = (
        lambda store: store.begin(NAME),
        lambda store: store.read(NAME),
        lambda store: store.find(NAME),
        lambda store: store.list(),
        lambda store: store.remove("nightly/copy/other.json"),
        lambda store: store.sweep("", before=later()),
    )
    for act in acts:
        with pytest.raises(
            StoreFailed, match=r"disk does not have any of the 100 copies that should lie there"
        ) as seen:
            act(known_place(tmp_path, MANY))
        assert seen.value.permanent
    with pytest.raises(StoreFailed, match=r"disk does not have the copy that should lie there; is its disk mounted\?"):
        known_place(tmp_path, MANY[:1]).find(NAME)
    assert names(LocalFolder(tmp_path)) == ["nightly/copy/other.json"]


def test_what_others_put_there_is_looked_at_in_any_place(tmp_path: Path) -> None:
    put(LocalFolder(tmp_path), "theirs", b"x")
    store = known_place(tmp_path, MANY)
    assert [one.name for one in store.survey(may_hold=lambda _: True)] == ["theirs"]
    assert b"".join(store.fetch("theirs")) == b"x"


def test_it_is_asked_once(tmp_path: Path) -> None:
    put(LocalFolder(tmp_path), MANY[0], b"x")
    store = known_place(tmp_path, MANY)
    store.remove(MANY[0])
    assert names(store) == []
