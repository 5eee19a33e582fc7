"""Indices and manifests that lie: found, in one clear line, before anybody counts on the copy."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import pytest
import zstandard

from opsrunner.archives.drilling import drill_all
from opsrunner.archives.manifest import Manifest, StoredFile, read_manifest
from opsrunner.archives.reader import fetch_manifest
from opsrunner.archives.writer import store_chunks
from opsrunner.errors import ArchiveDamaged, StateError
from opsrunner.stores.local import LocalFolder

from .conftest import NAME, Act, bytes_of, hash_of, made_by_hand, member, pack, restore, sample, some, whole, with_error


def rewritten(store: LocalFolder, manifest: Manifest, *, archive: bytes = b"", index: bytes = b"") -> Manifest:
    """Return the manifest of somebody who can write to the store and puts something else there."""
    given = {manifest.archive[0].name: archive, manifest.index.name: index}
    for name, data in given.items():
        if data:
            store_chunks(store, name, [data])
    found = {name: _as_it_lies(store, name) for name in given}
    return manifest.model_copy(
        update={"archive": (found[manifest.archive[0].name],), "index": found[manifest.index.name]}
    )


def _as_it_lies(store: LocalFolder, name: str) -> StoredFile:
    return StoredFile(name=name, size=len(b"".join(store.read(name))), sha256=hash_of(store, name))


def index_lines(store: LocalFolder, manifest: Manifest) -> list[object]:
    packed = b"".join(store.read(manifest.index.name))
    plain = zstandard.ZstdDecompressor().decompressobj().decompress(packed)
    return [json.loads(line) for line in plain.splitlines()]


def index_of(lines: list[object]) -> bytes:
    return zstandard.compress(b"".join(json.dumps(line).encode() + b"\n" for line in lines))


@pytest.fixture
def three(store: LocalFolder) -> Manifest:
    return pack(store, made_by_hand(*(member(name, data=name.encode() * 9) for name in "abc")))


def test_a_member_that_the_index_does_not_know_is_found(three: Manifest, store: LocalFolder, to: Path) -> None:
    lines = [line for line in index_lines(store, three) if not (isinstance(line, dict) and line["p"] == "b")]
    with pytest.raises(ArchiveDamaged, match="the copy holds b, and its index does not say so"):
        whole(store, rewritten(store, three, index=index_of(lines)), to)


def test_a_member_that_only_the_index_knows_is_found(three: Manifest, store: LocalFolder, to: Path) -> None:
    lines = index_lines(store, three)
    lines.append({"p": "d", "k": "file", "s": 1, "m": 1.0, "b": 9000, "e": 9512, "h": "0" * 64})
    with pytest.raises(ArchiveDamaged, match="d: no such file"):
        whole(store, rewritten(store, three, index=index_of(lines)), to)


@pytest.mark.parametrize("key", list("pksmbeh"))
@pytest.mark.parametrize("value", [-1, 0, 511, 1 << 70, "x", "../x", None, [], [[1, 2]], 1.5, "\ud800", "a\0b", True])
def test_an_index_that_lies_about_a_member_is_found(
    three: Manifest, store: LocalFolder, tmp_path: Path, key: str, value: object
) -> None:
    lines = index_lines(store, three)
    line = next(line for line in lines if isinstance(line, dict) and line["p"] == "b")
    line[key] = value
    lying = rewritten(store, three, index=index_of(lines))
    for number, one in enumerate((whole, sample)):
        to = tmp_path / f"to{number}"
        to.mkdir()
        said = with_error(one, store, lying, to)
        assert said or (one is sample and key == "e"), "a member may end where only the archive knows"


@pytest.mark.parametrize("place", range(4))
@pytest.mark.parametrize("value", [-1, 0, 7, 1 << 70, "x", None, 1.5])
def test_an_index_that_lies_about_frames_is_found(
    three: Manifest, store: LocalFolder, to: Path, act: Act, place: int, value: object
) -> None:
    lines = index_lines(store, three)
    frame = next(line for line in lines if isinstance(line, list))
    before = frame[place]
    frame[place] = value
    lying = rewritten(store, three, index=index_of(lines))
    assert act is restore or value == before or with_error(act, store, lying, to)


@pytest.mark.parametrize(
    "index",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"[0,1,0,1]\n" * 2, id="not packed"),
        pytest.param(zstandard.compress(b"[" * 100_000 + b"\n"), id="deep"),
        pytest.param(zstandard.compress(b'"' + b"x" * (70 << 20)), id="a line without end"),
        pytest.param(zstandard.compress(b"[0,1]\n"), id="half a frame"),
        pytest.param(zstandard.compress(b'{"p":"x"}\n'), id="half a member"),
        pytest.param(zstandard.compress(b"7\n"), id="a number"),
        pytest.param(zstandard.compress(b"\xff\xfe\n"), id="no text"),
    ],
)
def test_an_index_that_is_none_is_one_clear_line(index: bytes, three: Manifest, store: LocalFolder, to: Path) -> None:
    lying = rewritten(store, three, index=index or zstandard.compress(b""))
    with pytest.raises(ArchiveDamaged):
        whole(store, lying, to)


def test_a_bomb_ends_where_the_manifest_says(store: LocalFolder, to: Path) -> None:
    info = tarfile.TarInfo("zeros")
    info.size = 1 << 30
    packer = zstandard.ZstdCompressor().compressobj()
    packed = packer.compress(info.tobuf()) + b"".join(packer.compress(bytes(1 << 20)) for _ in range(1024))
    bomb = packed + packer.compress(bytes(10240)) + packer.flush()
    assert len(bomb) < 1 << 20
    manifest = rewritten(store, pack(store, made_by_hand(member("a", data=b"a"))), archive=bomb)
    with pytest.raises(ArchiveDamaged, match=r"does not unpack to the 10240 bytes|ends within"):
        restore(store, manifest, to)
    assert sum(path.stat().st_blocks * 512 for path in to.iterdir()) < 4 << 20
    with pytest.raises(ArchiveDamaged):
        some(store, manifest, to)


def test_a_drill_of_more_than_the_disk_has_is_not_begun(three: Manifest, store: LocalFolder, to: Path) -> None:
    lying = three.model_copy(update={"plain_size": 1 << 60})
    with pytest.raises(StateError, match="no room for the drill"):
        whole(store, lying, to)


@pytest.mark.parametrize("size", [0, 1, 511, 10239, 10241, 1 << 30])
def test_a_manifest_that_lies_about_the_size_is_found(
    three: Manifest, store: LocalFolder, to: Path, size: int, act: Act
) -> None:
    assert with_error(act, store, three.model_copy(update={"plain_size": size}), to)


@pytest.mark.parametrize(
    "change",
    [
        {"name": "another"},
        {"archive": [{"name": "../../etc/shadow", "size": 1, "sha256": "0" * 64}]},
        {"archive": [{"name": "nightly/other/x.tar.zst", "size": 1, "sha256": "0" * 64}]},
        {"archive": [{"name": f"{NAME}./../x", "size": 1, "sha256": "0" * 64}]},
        {"archive": [{"name": f"{NAME}.x\n", "size": 1, "sha256": "0" * 64}]},
        {"index": {"name": f"{NAME}.i", "size": -1, "sha256": "0" * 64}},
        {"form": "stream", "stream_name": "../evil"},
        {"form": "stream", "stream_name": ".."},
        {"form": "stream", "stream_name": ""},
        {"plain_size": -1},
        {"seconds": float("inf")},
        {"made_at": "2026-11-21T02:30:00"},
        {"opsrunner_backup": 2},
        {"encrypted": "rot13"},
        {"more": 1},
    ],
)
def test_a_manifest_that_cannot_be_ours_is_one_clear_line(three: Manifest, change: dict[str, object]) -> None:
    said = three.model_dump(mode="json") | change
    with pytest.raises(ArchiveDamaged, match=r"\.json (is|names|does not)") as raised:
        read_manifest(json.dumps(said).encode(), name=NAME)
    assert "\n" not in raised.value.message


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"\xff", b"[" * 100_000, b"null"])
def test_what_is_no_manifest_is_one_clear_line(data: bytes) -> None:
    with pytest.raises(ArchiveDamaged, match=r"\.json is no manifest of a copy"):
        read_manifest(data, name=NAME)


def test_a_manifest_reads_as_it_was_written(three: Manifest, store: LocalFolder) -> None:
    lying = fetch_manifest(store, NAME, sha256=hash_of(store, f"{NAME}.json"))
    assert lying == three
    assert lying.to_bytes() == b"".join(store.read(f"{NAME}.json"))


def test_data_behind_the_end_is_hashed_with_the_rest(store: LocalFolder, to: Path) -> None:
    data = made_by_hand(member("a", data=b"a")) + b"trailing" * 100
    manifest = pack(store, data)
    drill_all(store, manifest, to, must_include=[])
    plain = io.BytesIO(zstandard.ZstdDecompressor().decompressobj().decompress(bytes_of(manifest, store)))
    assert plain.getvalue() == data
