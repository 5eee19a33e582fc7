"""Where a step's output lies, and its end."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from opsrunner.engine.outputs import PIECE_BYTES, TAIL_BYTES, Piece, last_output, output_file, output_since


@pytest.mark.parametrize(
    ("step", "key"),
    [("dump", ""), ("dump", "web1"), ("dump", "../../etc/passwd"), ("a/b", "x" * 500), ("dump", "\x00\n\udcff")],
)
def test_output_lies_in_the_folder_of_its_run_whatever_the_key(tmp_path: Path, step: str, key: str) -> None:
    path = output_file(tmp_path, 7, step, key)
    assert path.parent == tmp_path / "runs" / "7"
    assert re.fullmatch(r"[A-Za-z0-9._-]{1,200}\.log", path.name)


def test_a_plain_key_stands_in_the_name_as_it_is(tmp_path: Path) -> None:
    assert output_file(tmp_path, 7, "dump").name == "dump.log"
    assert output_file(tmp_path, 7, "dump", "web1").name == "dump.web1.log"


def test_it_gives_the_end_of_a_turns_own_output_else_of_the_steps(tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "7"
    folder.mkdir(parents=True)
    assert last_output(tmp_path, 7, "dump") == Piece(text="", end=0)
    (folder / "dump.log").write_bytes(b"x" * 100_000 + b"\xff the end")
    (folder / "dump.web1.log").write_text("of web1")
    end = last_output(tmp_path, 7, "dump")
    assert end.text.endswith("x\ufffd the end")
    assert (len(end.text), end.end) == (TAIL_BYTES, 100_009)
    assert last_output(tmp_path, 7, "dump", "web1") == Piece(text="of web1", end=7)
    assert last_output(tmp_path, 7, "dump", "web2") == end


def wrote(folder: Path, body: bytes) -> None:
    (folder / "runs" / "7").mkdir(parents=True, exist_ok=True)
    with output_file(folder, 7, "dump").open("ab") as file:
        file.write(body)


def test_what_came_since_is_told_line_by_line_and_nothing_twice(tmp_path: Path) -> None:
    wrote(tmp_path, b"one\ntwo\nthr")
    first = output_since(tmp_path, 7, "dump", from_=0, whole_lines=True)
    assert first == Piece(text="one\ntwo\n", end=8)
    assert output_since(tmp_path, 7, "dump", from_=8, whole_lines=True) == Piece(text="", end=8)
    assert output_since(tmp_path, 7, "dump", from_=8, whole_lines=False) == Piece(text="thr", end=11)
    wrote(tmp_path, b"ee\n")
    assert output_since(tmp_path, 7, "dump", from_=8, whole_lines=True) == Piece(text="three\n", end=14)


def test_a_piece_never_ends_within_a_character(tmp_path: Path) -> None:
    wrote(tmp_path, "blåb".encode()[:3])  # the half of å
    assert output_since(tmp_path, 7, "dump", from_=0, whole_lines=False) == Piece(text="bl", end=2)
    wrote(tmp_path, "blåb".encode()[3:])
    assert output_since(tmp_path, 7, "dump", from_=2, whole_lines=False) == Piece(text="åb", end=5)


def test_much_comes_in_pieces_and_control_characters_are_escaped(tmp_path: Path) -> None:
    wrote(tmp_path, b"x" * (PIECE_BYTES + 5) + b"\x07\x1b[31mred\n")
    first = output_since(tmp_path, 7, "dump", from_=0, whole_lines=True)
    assert (len(first.text), first.end) == (PIECE_BYTES, PIECE_BYTES)
    assert output_since(tmp_path, 7, "dump", from_=first.end, whole_lines=True).text == "xxxxx\\x07red\n"


@pytest.mark.parametrize("from_", [0, 10**6, 2**40])
def test_where_there_is_no_file_or_no_more_nothing_came(tmp_path: Path, from_: int) -> None:
    assert output_since(tmp_path, 9, "dump", from_=from_, whole_lines=False) == Piece(text="", end=from_)
    wrote(tmp_path, b"x")
    assert output_since(tmp_path, 7, "dump", from_=from_ + 1, whole_lines=False) == Piece(text="", end=from_ + 1)
