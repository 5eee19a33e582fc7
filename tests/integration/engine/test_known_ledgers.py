"""What a site remembers of its ledgers."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from opsrunner.engine.known_ledgers import NAME, KnownLedgers
from opsrunner.errors import LedgerGone


def make_ledger(state: Path) -> Path:
    state.mkdir(exist_ok=True)
    (state / "ledger.db").write_bytes(b"x")
    return state


def test_a_place_that_it_does_not_know_may_be_begun_anew(tmp_path: Path) -> None:
    known = KnownLedgers(tmp_path)
    known.require_ledger(tmp_path / "var")
    known.require_same(tmp_path / "var", "any")


def test_it_knows_each_place_apart(tmp_path: Path) -> None:
    known = KnownLedgers(tmp_path)
    for name in ("one", "two\nlines", "drei ü"):
        known.remember(make_ledger(tmp_path / name), f"ledger of {name}")
    assert stat.S_IMODE((tmp_path / NAME).stat().st_mode) == 0o600
    assert len((tmp_path / NAME).read_text().splitlines()) == 3
    known.require_same(tmp_path / "two\nlines", "ledger of two\nlines")
    with pytest.raises(LedgerGone, match="is not the ledger"):
        known.require_same(tmp_path / "one", "ledger of two")
    (tmp_path / "one" / "ledger.db").unlink()
    with pytest.raises(LedgerGone, match="never made anew"):
        known.require_ledger(tmp_path / "one")
    known.require_ledger(tmp_path / "drei ü")


def test_an_emptied_ledger_is_gone_too(tmp_path: Path) -> None:
    known = KnownLedgers(tmp_path)
    known.remember(make_ledger(tmp_path / "var"), "a")
    (tmp_path / "var" / "ledger.db").write_bytes(b"")
    with pytest.raises(LedgerGone):
        known.require_ledger(tmp_path / "var")


@pytest.mark.parametrize("line", [b"{", b"\xff\xfe", b"[]", b"3", b'{"state": "x"}', b""])
def test_a_line_that_a_person_has_spoilt_says_nothing_and_the_others_stand(tmp_path: Path, line: bytes) -> None:
    known = KnownLedgers(tmp_path)
    known.remember(make_ledger(tmp_path / "var"), "a")
    (tmp_path / NAME).write_bytes(line + b"\n" + (tmp_path / NAME).read_bytes())
    known.require_same(tmp_path / "var", "a")
    with pytest.raises(LedgerGone):
        known.require_same(tmp_path / "var", "b")
