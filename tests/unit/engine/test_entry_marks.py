from __future__ import annotations

import resource
from pathlib import Path

import pytest

from opsrunner.engine import entry_marks
from opsrunner.engine.entry_marks import EntryMarks
from opsrunner.errors import StateError


def test_what_was_entered_is_known_to_the_next_process_of_this_boot(tmp_path: Path) -> None:
    marks = EntryMarks(tmp_path / "entered")
    marks.begin()
    marks.enter(7, 0)
    marks.enter(7, 2)
    assert EntryMarks(tmp_path / "entered").entered() == {(7, 0), (7, 2)}
    assert (tmp_path / "entered").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("left", [None, b"", b"another boot\n7 0\n", b"\xff\n7 0\n"])
def test_after_another_boot_or_without_its_file_nobody_knows(tmp_path: Path, left: bytes | None) -> None:
    if left is not None:
        (tmp_path / "entered").write_bytes(left)
    assert EntryMarks(tmp_path / "entered").entered() is None


def test_where_the_kernel_names_no_boot_nobody_knows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entry_marks, "BOOT_ID", tmp_path / "none")
    marks = EntryMarks(tmp_path / "entered")
    marks.begin()
    marks.enter(7, 0)
    assert marks.entered() is None


def test_half_a_line_is_no_mark(tmp_path: Path) -> None:
    marks = EntryMarks(tmp_path / "entered")
    marks.begin()
    marks.enter(7, 0)
    with (tmp_path / "entered").open("ab") as file:
        file.write(b"8")
    assert marks.entered() == {(7, 0)}


def test_a_step_that_cannot_be_marked_must_not_be_entered(tmp_path: Path) -> None:
    marks = EntryMarks(tmp_path / "nowhere" / "entered")
    with pytest.raises(StateError, match="the step was not begun"):
        marks.enter(7, 0)


def test_marks_of_runs_that_are_over_are_forgotten_once_they_are_many(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    marks = EntryMarks(tmp_path / "entered")
    marks.begin()
    for run_id in range(100):
        marks.enter(run_id, 0)
    marks.forget(but={99})
    assert len(marks.entered() or ()) == 100
    monkeypatch.setattr(entry_marks, "KEPT_BYTES", 500)
    marks.forget(but={99})
    assert marks.entered() == {(99, 0)}
    marks.enter(100, 1)
    assert marks.entered() == {(99, 0), (100, 1)}


def test_half_a_line_on_a_full_disk_spoils_no_other(tmp_path: Path) -> None:
    marks = EntryMarks(tmp_path / "entered")
    marks.begin()
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, ((tmp_path / "entered").stat().st_size + 6, before[1]))
    try:
        marks.enter(7, 1)
        with pytest.raises(StateError, match="the step was not begun"):
            marks.enter(8, 1)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    marks.enter(9, 2)
    assert marks.entered() == {(7, 1), (9, 2)}
