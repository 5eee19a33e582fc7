"""The state folder: private, ours, and held by one at a time."""

from __future__ import annotations

import fcntl
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from opsrunner.engine.state import StateLock, prepare_state
from opsrunner.errors import StateError, StateLocked


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_it_is_made_for_its_owner_alone_whatever_the_umask(tmp_path: Path) -> None:
    """C34."""
    os.umask(0)
    state = tmp_path / "site" / "var"
    prepare_state(state)
    assert {mode(folder) for folder in (state, *state.iterdir())} == {0o700}


def test_one_that_others_could_read_is_closed(tmp_path: Path) -> None:
    state = tmp_path / "var"
    prepare_state(state)
    state.chmod(0o755)
    prepare_state(state)
    assert mode(state) == 0o700


def test_a_folder_that_is_not_ours_is_left_as_it_is(tmp_path: Path) -> None:
    folder = tmp_path / "etc"
    folder.mkdir(mode=0o755)
    folder.chmod(0o755)
    (folder / "passwd").touch()
    with pytest.raises(StateError, match="is no state folder: it holds passwd"):
        prepare_state(folder)
    assert (mode(folder), [entry.name for entry in folder.iterdir()]) == (0o755, ["passwd"])


def test_what_verbs_leave_before_the_first_ledger_is_ours(tmp_path: Path) -> None:
    state = tmp_path / "var"
    (state / "try").mkdir(parents=True)
    (state / "known_hosts").touch()
    prepare_state(state)
    assert (state / "runs").is_dir()


def test_one_holds_it_and_the_other_is_told_who(tmp_path: Path) -> None:
    prepare_state(tmp_path / "var")
    with StateLock(tmp_path / "var"):
        other = StateLock(tmp_path / "var")
        assert other.is_held()
        with pytest.raises(StateLocked, match=f"process {os.getpid()}"):
            other.take()
    assert not StateLock(tmp_path / "var").is_held()


def test_it_holds_without_its_file(tmp_path: Path) -> None:
    prepare_state(tmp_path / "var")
    with StateLock(tmp_path / "var"):
        (tmp_path / "var" / "lock").unlink()
        other = StateLock(tmp_path / "var")
        assert other.is_held()
        with pytest.raises(StateLocked, match="process unknown"):
            other.take()


def test_the_name_of_a_holder_that_is_no_more_is_not_told(tmp_path: Path) -> None:
    """A process that was killed leaves its number in the file; the next holder has not signed yet."""
    prepare_state(tmp_path / "var")
    with subprocess.Popen(["true"]) as gone:
        pass
    with StateLock(tmp_path / "var"):
        (tmp_path / "var" / "lock").write_text(f"{gone.pid}\n")
        assert StateLock(tmp_path / "var").holder() == "unknown"


def test_who_only_looks_keeps_nobody_from_taking_it(tmp_path: Path) -> None:
    prepare_state(tmp_path / "var")
    looking = threading.Event()

    def look() -> None:
        while not looking.is_set():
            StateLock(tmp_path / "var").is_held()

    threads = [threading.Thread(target=look) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(50):
            with StateLock(tmp_path / "var"):
                pass
    finally:
        looking.set()
        for thread in threads:
            thread.join()


def test_a_look_that_takes_long_is_waited_for(tmp_path: Path) -> None:
    prepare_state(tmp_path / "var")
    looking = os.open(tmp_path / "var", os.O_RDONLY | os.O_DIRECTORY)
    fcntl.flock(looking, fcntl.LOCK_SH)
    is_over = threading.Event()

    def end() -> None:
        is_over.set()  # before: whoever waits goes on with the close
        os.close(looking)

    timer = threading.Timer(0.4, end)  # eight times as long as somebody who has it is waited for
    timer.start()
    with StateLock(tmp_path / "var"):
        assert is_over.is_set()
    timer.join()


def test_a_name_that_cannot_be_written_keeps_nobody_from_working(tmp_path: Path) -> None:
    prepare_state(tmp_path / "var")
    (tmp_path / "var" / "lock").mkdir()
    with StateLock(tmp_path / "var"):
        assert StateLock(tmp_path / "var").is_held()


def test_the_lock_goes_with_its_process(tmp_path: Path) -> None:
    prepare_state(tmp_path / "var")
    script = (
        "import sys; from pathlib import Path; from opsrunner.engine.state import StateLock; "
        "StateLock(Path(sys.argv[1])).take(); print('held', flush=True); sys.stdin.read()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path / "var")], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        assert StateLock(tmp_path / "var").is_held()
        process.kill()
    StateLock(tmp_path / "var").take()
