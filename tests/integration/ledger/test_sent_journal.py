"""The journal of hand-overs: what it holds after any end of its sender, and what it makes of a file that is damaged."""

from __future__ import annotations

import os
import stat
import time
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from opsrunner.errors import StateError
from opsrunner.ledger.sent_journal import MOST_RECORDS, MOST_UNSYNCED, RECORD_BYTES, LeftBehind, SentJournal

SECOND = timedelta(seconds=1)
NOTHING = LeftBehind(sent={}, tried=None)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db-sent"


def left_in(path: Path) -> LeftBehind:
    """Return what the next sender finds."""
    with SentJournal(path) as journal:
        assert journal.take()
        return journal.left_behind()


def hand_over(path: Path, now: datetime, *names: str, then: str | None = None) -> None:
    """Note mails as handed over, begin with another one, and end without a word."""
    with SentJournal(path) as journal:
        assert journal.take()
        for number, name in enumerate(names):
            journal.begin(name, now)
            journal.note(name, now + number * SECOND)
        if then is not None:
            journal.begin(then, now)


def test_a_new_one_holds_nothing_and_is_for_its_owner_alone(path: Path) -> None:
    assert left_in(path) == NOTHING
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_next_sender_finds_what_went_and_what_was_about_to(path: Path, now: datetime) -> None:
    hand_over(path, now, "a.1", "b.1", then="c.1")
    assert left_in(path) == LeftBehind(sent={"a.1": now, "b.1": now + SECOND}, tried="c.1")


def test_a_mail_that_went_is_not_about_to_go(path: Path, now: datetime) -> None:
    hand_over(path, now, "a.1")
    assert left_in(path) == LeftBehind(sent={"a.1": now}, tried=None)


def test_after_all_is_settled_places_are_used_again(path: Path, now: datetime) -> None:
    hand_over(path, now, "a.1", "b.1")
    with SentJournal(path) as journal:
        assert journal.take()
        journal.settled()
        journal.begin("c.1", now)
        journal.note("c.1", now)
        journal.settled()
    assert left_in(path) == LeftBehind(sent={"c.1": now, "b.1": now + SECOND}, tried=None)


def test_its_size_never_changes(path: Path, now: datetime) -> None:
    hand_over(path, now, *(f"{number}.1" for number in range(MOST_RECORDS)), then="last.1")
    assert path.stat().st_size == (MOST_RECORDS + 1) * RECORD_BYTES
    assert len(left_in(path).sent) == MOST_RECORDS


@pytest.mark.parametrize("length", [0, 1, RECORD_BYTES, 5 * RECORD_BYTES - 3])
def test_one_that_was_never_finished_is_made_whole(path: Path, length: int) -> None:
    path.write_bytes(b" " * length)
    assert left_in(path) == NOTHING
    assert path.stat().st_size == (MOST_RECORDS + 1) * RECORD_BYTES


def test_records_that_make_no_sense_are_none(path: Path, now: datetime) -> None:
    hand_over(path, now, "a.1", "b.1", "c.1")
    with path.open("r+b") as file:
        file.seek(RECORD_BYTES)
        file.write(os.urandom(RECORD_BYTES))
        file.seek(2 * RECORD_BYTES)
        file.write(b"b.1 2026-99-21T07:00:00.000000Z")
    assert left_in(path).sent == {"c.1": now + 2 * SECOND}


def test_a_few_hand_overs_at_most_wait_for_the_disk(path: Path, now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    on_disk: list[int] = []
    noted = 0

    def sync(_: int) -> None:
        seen = noted
        time.sleep(0.002)
        on_disk.append(seen)

    monkeypatch.setattr(os, "fdatasync", sync)
    with SentJournal(path) as journal:
        assert journal.take()
        for number in range(100):
            journal.begin(f"{number}.1", now)
            assert noted - max(on_disk, default=0) <= MOST_UNSYNCED
            noted += 1
            journal.note(f"{number}.1", now)
        journal.settled()
    assert len(on_disk) < 100


def test_a_disk_that_fails_is_named_before_the_next_mail_goes(
    path: Path, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fdatasync", fail)
    with SentJournal(path) as journal:
        assert journal.take()

        def hand_over_some() -> None:
            for number in range(MOST_UNSYNCED + 1):
                journal.begin(f"{number}.1", now)
                journal.note(f"{number}.1", now)

        with pytest.raises(StateError, match=r"ledger\.db-sent: Input/output error; "):
            hand_over_some()


def test_a_folder_that_is_gone_is_named(path: Path) -> None:
    with SentJournal(path.parent / "gone" / path.name) as journal, pytest.raises(StateError, match="No such file"):
        journal.take()


def test_it_follows_no_link(path: Path, tmp_path: Path) -> None:
    path.symlink_to(tmp_path / "elsewhere")
    with SentJournal(path) as journal, pytest.raises(StateError, match="symbolic links"):
        journal.take()
    assert not (tmp_path / "elsewhere").exists()
