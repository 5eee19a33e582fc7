"""Copies for age's keys: who has none of them reads nothing, and pyrage alone opens them."""

from __future__ import annotations

import io
import random
import sys
import threading
import time
from pathlib import Path

import pyrage
import pytest
import zstandard

from opsrunner.archives.choosing import choose, matches
from opsrunner.archives.drilling import drill_all, drill_sample
from opsrunner.archives.encryption import encrypt, read_recipients
from opsrunner.archives.reader import fetch_index, read_again, read_plain
from opsrunner.archives.restoring import restore_all, restore_chosen
from opsrunner.errors import ArchiveDamaged, ConfigurationError, OpsrunnerError, Refused
from opsrunner.stores.local import LocalFolder

from .conftest import NAME, bytes_of, made_by_hand, member, pack

KEY, OTHER = pyrage.x25519.Identity.generate(), pyrage.x25519.Identity.generate()
RECIPIENT, IDENTITY = str(KEY.to_public()), str(KEY)
WRITTEN = f"# created: 2026-11-21T02:30:00+01:00\n# public key: {RECIPIENT}\n{IDENTITY}\n"
"""As age-keygen writes it."""
PLAIN = made_by_hand(
    member("a-telling-name", data=b"a" * 9),
    member("b", data=random.Random(1).randbytes(9 << 20)),
    member("c", data=b"c" * 99),
)


def test_it_comes_back_and_a_whole_drill_finds_it_right(store: LocalFolder, to: Path) -> None:
    manifest = pack(store, PLAIN, recipients=[RECIPIENT], volume_bytes=3 << 20)
    assert [file.name.removeprefix(NAME) for file in manifest.archive[:2]] == [".tar.zst.age", ".tar.zst.age.2"]
    assert manifest.index.name == f"{NAME}.index.zst.age"
    assert b"".join(read_plain(store, manifest, identities=[IDENTITY])) == PLAIN
    assert drill_all(store, manifest, to, must_include=["b"], identities=[WRITTEN]).files == 3


def test_each_of_several_recipients_opens_it(store: LocalFolder, tmp_path: Path) -> None:
    manifest = pack(store, PLAIN, recipients=[RECIPIENT, str(OTHER.to_public())])
    for number, identities in enumerate(([IDENTITY], [str(OTHER)], ["# none", str(OTHER)])):
        to = tmp_path / f"to{number}"
        to.mkdir()
        restore_all(store, manifest, to, own=False, replace=False, tell=lambda _: None, identities=identities)
        assert (to / "c").read_bytes() == b"c" * 99


def test_age_alone_gives_the_plain_archive(store: LocalFolder) -> None:
    manifest = pack(store, PLAIN, recipients=[RECIPIENT], volume_bytes=3 << 20)
    opened = pyrage.decrypt(bytes_of(manifest, store), [KEY])
    assert zstandard.ZstdDecompressor().stream_reader(io.BytesIO(opened), read_across_frames=True).read() == PLAIN


def test_no_name_of_a_file_stands_in_the_store(store: LocalFolder, tmp_path: Path) -> None:
    pack(store, PLAIN, recipients=[RECIPIENT])
    for path in (tmp_path / "store").rglob("*"):
        assert "telling" not in path.name
        assert path.is_dir() or b"telling" not in path.read_bytes()


def test_chosen_members_stream_through(store: LocalFolder, to: Path, tmp_path: Path) -> None:
    manifest = pack(store, PLAIN, recipients=[RECIPIENT])
    chosen = choose(store, manifest, matches(["c"]), identities=[IDENTITY])
    done = restore_chosen(
        store, manifest, chosen, to, own=False, replace=False, tell=lambda _: None, identities=[IDENTITY]
    )
    assert (done.files, [path.name for path in to.iterdir()]) == (1, ["c"])
    again = tmp_path / "again"
    again.mkdir()
    drilled = drill_sample(
        store,
        manifest,
        again,
        count=1,
        must_include=["a*"],
        dice=random.Random(2),
        room_bytes=1 << 30,
        identities=[IDENTITY],
    )
    assert drilled.files in (1, 2)


def test_hashing_again_needs_no_identity(store: LocalFolder) -> None:
    manifest = pack(store, PLAIN, recipients=[RECIPIENT])
    assert read_again(store, manifest) == manifest.size_bytes


@pytest.mark.parametrize(
    ("identities", "error", "said"),
    [
        ([], Refused, r"the copy is encrypted; give the identity \(secret key of age\) of one of its recipients"),
        (["# nothing but words"], Refused, "the copy is encrypted; give the identity"),
        ([str(OTHER)], Refused, "no identity that was given opens the copy: it was encrypted for other ones"),
        (["AGE-SECRET-KEY-1WRONG"], ConfigurationError, "identity is no secret key of age; give the file that"),
        ([RECIPIENT], ConfigurationError, "identity is no secret key of age; give the file that"),
    ],
    ids=["none", "words", "another", "wrong", "public"],
)
def test_without_the_right_identity_there_is_one_clear_error(
    identities: list[str], error: type[OpsrunnerError], said: str, store: LocalFolder, to: Path
) -> None:
    manifest = pack(store, PLAIN, recipients=[RECIPIENT])
    with pytest.raises(error, match=said) as raised:
        restore_all(store, manifest, to, own=False, replace=False, tell=lambda _: None, identities=identities)
    assert not any(word in raised.value.message for word in identities)
    with pytest.raises(error, match=said):
        list(fetch_index(store, manifest, identities=identities))
    assert list(to.iterdir()) == []


@pytest.mark.parametrize("recipient", ["", "nonsense", IDENTITY, RECIPIENT[:-1]], ids=["", "word", "secret", "cut"])
def test_a_recipient_that_is_none_is_one_clear_error_before_anything_is_written(
    recipient: str, store: LocalFolder, tmp_path: Path
) -> None:
    with pytest.raises(ConfigurationError, match="is no public key of age; give what `age-keygen -y` prints") as raised:
        pack(store, PLAIN, recipients=[recipient])
    assert not recipient or recipient not in raised.value.message
    assert not (tmp_path / "store").exists()


def test_without_the_extra_it_says_what_to_install(store: LocalFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest = pack(store, PLAIN, recipients=[RECIPIENT])
    monkeypatch.setitem(sys.modules, "pyrage", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'opsrunner\[age\]'"):
        pack(store, PLAIN, recipients=[RECIPIENT])
    with pytest.raises(ConfigurationError, match=r"pip install 'opsrunner\[age\]'"):
        list(read_plain(store, manifest, identities=[IDENTITY]))
    assert pack(store, PLAIN).encrypted == ""


@pytest.mark.parametrize("which", [0, 1], ids=["archive", "index"])
@pytest.mark.parametrize("where", [0.0, 0.001, 0.5, 0.999999, 2.0], ids=str)
def test_a_changed_or_longer_copy_is_found(
    store: LocalFolder, to: Path, tmp_path: Path, which: int, where: float
) -> None:
    manifest = pack(store, PLAIN, recipients=[RECIPIENT])
    path = tmp_path / "store" / (manifest.archive[0], manifest.index)[which].name
    data = bytearray(path.read_bytes())
    if where > 1:
        data += b"x"
    else:
        data[int(where * len(data))] ^= 1
    path.write_bytes(data)
    with pytest.raises((ArchiveDamaged, Refused)):  # where the head is changed no key fits
        drill_all(store, manifest, to, must_include=[], identities=[IDENTITY])
    with pytest.raises(ArchiveDamaged):
        read_again(store, manifest)


def test_no_thread_stays_where_somebody_stops_reading(store: LocalFolder) -> None:
    manifest = pack(store, PLAIN, recipients=[RECIPIENT])
    reading = read_plain(store, manifest, identities=[IDENTITY])
    next(reading)
    assert any(thread.name == "age" for thread in threading.enumerate())
    reading.close()  # type: ignore[attr-defined]
    until = time.monotonic() + 5
    while any(thread.name == "age" for thread in threading.enumerate()) and time.monotonic() < until:
        time.sleep(0.01)
    assert not any(thread.name == "age" for thread in threading.enumerate())


def test_what_the_source_raises_comes_back() -> None:
    def failing() -> object:
        yield b"x" * 100_000
        raise ArchiveDamaged("the source")

    with pytest.raises(ArchiveDamaged, match=r"^the source$"):
        list(encrypt(failing(), read_recipients([RECIPIENT])))  # type: ignore[arg-type]
