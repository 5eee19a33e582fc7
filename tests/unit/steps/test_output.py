"""The file of a step's output: bounded, masked, private; and its last words."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsrunner.secrets import MASK, Vault
from opsrunner.steps.output import OutputSink, cut, printable


def _vault(*secrets: str) -> Vault:
    vault = Vault(Path("/nonexistent"))
    for secret in secrets:
        vault.remember(secret)
    return vault


def _written(path: Path, pieces: list[bytes], *, limit_bytes: int = 10_000, vault: Vault | None = None) -> OutputSink:
    sink = OutputSink(path, limit_bytes=limit_bytes, vault=vault or _vault())
    for piece in pieces:
        sink.write(piece)
    sink.close()
    return sink


def test_it_keeps_all_of_a_short_output(tmp_path: Path) -> None:
    sink = _written(tmp_path / "out", [b"one\n", b"two\n"])
    assert (tmp_path / "out").read_bytes() == b"one\ntwo\n"
    assert (sink.total_bytes, sink.left_out_bytes) == (8, 0)


def test_it_keeps_head_and_tail_of_a_long_output_and_says_how_much_is_missing(tmp_path: Path) -> None:
    lines = [f"line {number:05}\n".encode() for number in range(10_000)]
    sink = _written(tmp_path / "out", lines, limit_bytes=1_100)
    text = (tmp_path / "out").read_text()
    assert text.startswith("line 00000\n")
    assert text.endswith("line 09999\n")
    assert "\n[… 108900 bytes left out …]\n" in text
    assert sink.left_out_bytes == 110_000 - 1_100
    assert len(text) < 1_200


def test_it_writes_the_head_at_once(tmp_path: Path) -> None:
    sink = OutputSink(tmp_path / "out", limit_bytes=1_000, vault=_vault())
    sink.write(b"first\n")
    assert (tmp_path / "out").read_bytes() == b"first\n"
    sink.close()


def test_it_adds_to_what_an_earlier_try_wrote(tmp_path: Path) -> None:
    _written(tmp_path / "out", [b"first try\n"])
    _written(tmp_path / "out", [b"second try\n"])
    assert (tmp_path / "out").read_bytes() == b"first try\nsecond try\n"


def test_it_makes_a_private_file_under_any_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        _written(tmp_path / "out", [b"x"])
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "out").stat().st_mode) == 0o600


def test_it_goes_on_where_the_file_cannot_be_written(tmp_path: Path) -> None:
    sink = _written(tmp_path / "no" / "such" / "folder", [b"last words\n"])
    assert sink.problem == "its output could not be kept: No such file or directory"
    assert sink.last_line() == "last words"


def test_it_goes_on_where_the_disk_is_full() -> None:
    sink = _written(Path("/dev/full"), [b"last words\n"])
    assert sink.problem == "its output could not be kept: No space left on device"
    assert sink.last_line() == "last words"


SPLITS = [
    [b"key=hunter22!"],
    [b"key=hun", b"ter22!"],
    [b"key=", b"h", b"u", b"n", b"t", b"e", b"r", b"2", b"2", b"!"],
]


@pytest.mark.parametrize("pieces", SPLITS)
def test_it_masks_a_secret_however_it_is_cut(tmp_path: Path, pieces: list[bytes]) -> None:
    _written(tmp_path / "out", pieces, vault=_vault("hunter22"))
    assert (tmp_path / "out").read_text() == f"key={MASK}!"


def test_it_masks_the_longer_of_two_secrets_that_begin_alike(tmp_path: Path) -> None:
    _written(tmp_path / "out", [b"abcd", b"efgh abcd"], vault=_vault("abcd", "abcdefgh"))
    assert (tmp_path / "out").read_text() == f"{MASK} {MASK}"


def test_it_masks_every_line_of_a_key(tmp_path: Path) -> None:
    key = "-----BEGIN KEY-----\nAAAABBBB\nCCCCDDDD\n-----END KEY-----"
    _written(tmp_path / "out", [b"AAAA", b"BBBB\nx\n", key.encode()], vault=_vault(key))
    text = (tmp_path / "out").read_text()
    assert "AAAABBBB" not in text
    assert "CCCCDDDD" not in text


def test_it_shows_the_beginning_of_a_secret_that_does_not_come(tmp_path: Path) -> None:
    _written(tmp_path / "out", [b"hunt"], vault=_vault("hunter22"))
    assert (tmp_path / "out").read_text() == "hunt"


@given(
    secrets=st.lists(st.text("abc", min_size=4, max_size=8), min_size=1, max_size=3),
    pieces=st.lists(st.text("abcx", max_size=6), max_size=12),
)
def test_it_lets_no_secret_through_whatever_the_pieces(secrets: list[str], pieces: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "out"
        _written(path, [piece.encode() for piece in pieces], vault=_vault(*secrets))
        text = path.read_text()
    assert not [secret for secret in secrets if secret in text]


LAST_LINES = [
    (b"one\ntwo\n\n  \n", "two"),
    (b"\x1b[31mred\x1b[0m text\n", "red text"),
    (b"\x1b]0;title\x07bell\x07\n", "bell\\x07"),
    (b"nul\0 and \xff\xfe bytes\n", "nul\\x00 and \ufffd\ufffd bytes"),
    ("right\u202eleft\n".encode(), "right\\u202eleft"),
    (b"progress 1\rprogress 2\n", "progress 1\\rprogress 2"),
    (b"", ""),
]


@pytest.mark.parametrize(("output", "line"), LAST_LINES)
def test_it_gives_the_last_line_fit_for_a_message(tmp_path: Path, output: bytes, line: str) -> None:
    assert _written(tmp_path / "out", [output]).last_line() == line


def test_it_cuts_a_last_line_without_end(tmp_path: Path) -> None:
    line = _written(tmp_path / "out", [b"x" * 100_000] * 20).last_line()
    assert line == "x" * 199 + "…"


def test_it_keeps_line_feeds_and_tabs_of_a_printed_text() -> None:
    assert printable("a\tb\r\nc\n") == "a\tb\nc\n"


def test_it_leaves_a_text_of_the_right_length_uncut() -> None:
    assert cut("x" * 200) == "x" * 200
