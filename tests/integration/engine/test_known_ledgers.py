"""The site's memory of where its ledger lies, as people, disks and strangers leave it."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from opsrunner.engine.known_ledgers import NAME, KnownLedgers
from opsrunner.errors import LedgerGone, StateError

SPOILT: list[tuple[str, Callable[[Path], object]]] = [
    ("deep nesting", lambda path: path.write_text("[" * 90_000)),
    ("a pipe that nobody writes to", os.mkfifo),
    ("a device", lambda path: path.symlink_to("/dev/zero")),
    ("no text", lambda path: path.write_bytes(os.urandom(9_000))),
    ("other JSON", lambda path: path.write_text('[]\n5\nnull\n{"state": "/x"}\n"x"\n')),
]


@pytest.mark.parametrize("spoil", [spoil for _, spoil in SPOILT], ids=[name for name, _ in SPOILT])
def test_a_spoilt_memory_says_nothing_and_is_written_anew(tmp_path: Path, spoil: Callable[[Path], object]) -> None:
    state, known = tmp_path / "state", KnownLedgers(tmp_path)
    spoil(tmp_path / NAME)

    known.require_ledger(state)
    known.remember(state, "one")

    assert not (tmp_path / NAME).is_symlink()
    with pytest.raises(LedgerGone, match="it is never made anew"):
        known.require_ledger(state)


@pytest.mark.parametrize("spoil", [os.mkdir, lambda path: path.symlink_to(NAME)], ids=["a folder", "a circle"])
def test_a_memory_that_cannot_be_read_is_named(tmp_path: Path, spoil: Callable[[Path], object]) -> None:
    spoil(tmp_path / NAME)

    with pytest.raises(StateError, match=NAME):
        KnownLedgers(tmp_path).require_ledger(tmp_path / "state")


def test_one_spoilt_line_takes_no_other_with_it(tmp_path: Path) -> None:
    known = KnownLedgers(tmp_path)
    known.remember(tmp_path / "state", "one")
    with (tmp_path / NAME).open("a") as file:
        file.write("[" * 50_000 + "\n{}\n")

    with pytest.raises(LedgerGone):
        known.require_same(tmp_path / "state", "two")


def test_many_who_remember_at_once_are_not_in_each_others_way(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    together = threading.Barrier(8)

    def remember(number: int) -> None:
        for turn in range(20):
            together.wait(10)
            KnownLedgers(tmp_path).remember(tmp_path / f"state{number}-{turn}", "one")

    threads = [threading.Thread(target=remember, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert caplog.text == ""
    assert [path.name for path in tmp_path.iterdir()] == [NAME]
