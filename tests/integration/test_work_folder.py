"""Removing the folder of a run, whatever its steps made of it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from opsrunner.work_folder import mounts_in, remove_folder

as_root = pytest.mark.needs("root")  # only root may mount


@pytest.mark.parametrize("deep", [False, True], ids=["empty", "full"])
def test_it_removes_a_folder_with_all_in_it(tmp_path: Path, deep: bool) -> None:
    folder = tmp_path / "work"
    (folder / "a b" / "c" if deep else folder).mkdir(parents=True)
    if deep:
        (folder / "a b" / "file").write_text("x")
        (folder / "elsewhere").symlink_to("/etc")
    remove_folder(folder)
    assert not folder.exists()
    assert Path("/etc/passwd").exists()


def test_it_minds_nothing_that_is_not_there(tmp_path: Path) -> None:
    remove_folder(tmp_path / "gone")
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def precious(tmp_path: Path) -> Iterator[Path]:
    """A file that is seen through a mount in a folder of a run, as a step that was cut off leaves it."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "file").write_text("precious")
    point = tmp_path / "work" / "mounted here"
    point.mkdir(parents=True)
    subprocess.run(["mount", "--bind", str(tmp_path / "elsewhere"), str(point)], check=True)
    yield tmp_path / "elsewhere" / "file"
    subprocess.run(["umount", str(point)], check=True)


@as_root
def test_it_never_removes_what_is_mounted_in_it(
    tmp_path: Path, precious: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert mounts_in(tmp_path / "work") == [str(tmp_path / "work" / "mounted here")]
    remove_folder(tmp_path / "work")
    assert precious.read_text() == "precious"
    assert caplog.messages == [f"{tmp_path}/work stays: something is mounted at {tmp_path}/work/mounted here"]


@as_root
def test_its_owner_needs_no_right_to_look_into_it(tmp_path: Path) -> None:
    """Root may look everywhere, so somebody else does it here."""
    script = """
import os, sys
from pathlib import Path
from opsrunner.work_folder import remove_folder
os.chown(sys.argv[1], 65534, 65534)
os.chdir(sys.argv[1])
os.setgroups([]); os.setresgid(65534, 65534, 65534); os.setresuid(65534, 65534, 65534)
folder = Path("work")
(folder / "closed" / "deeper").mkdir(parents=True)
(folder / "closed" / "deeper" / "file").write_text("x")
(folder / "closed" / "deeper").chmod(0)
(folder / "closed").chmod(0)
folder.chmod(0)
remove_folder(folder)
print(os.listdir("."))
"""
    answer = subprocess.run([sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=True)
    assert answer.stdout == "[]\n"
