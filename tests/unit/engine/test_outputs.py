"""Where a step's output lies, and its end."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from opsrunner.engine.outputs import TAIL_BYTES, last_output, output_file


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
    assert last_output(tmp_path, 7, "dump") == ""
    (folder / "dump.log").write_bytes(b"x" * 100_000 + b"\xff the end")
    (folder / "dump.web1.log").write_text("of web1")
    end = last_output(tmp_path, 7, "dump")
    assert end.endswith("x\ufffd the end")
    assert len(end) == TAIL_BYTES
    assert last_output(tmp_path, 7, "dump", "web1") == "of web1"
    assert last_output(tmp_path, 7, "dump", "web2") == end
