"""What goes wrong becomes one line and an exit code."""

import gc
from pathlib import Path

import click
import pytest

from opsrunner.cli import main as door
from opsrunner.errors import ConfigurationError, NotFound


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> list[BaseException]:
    """Let the verb `runs` raise what the test puts into the list."""
    raised: list[BaseException] = []

    @click.command()
    def runs() -> None:
        raise raised[0]

    monkeypatch.setattr(door.LazyGroup, "get_command", lambda *_: runs)
    return raised


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (NotFound("there is no run 7"), 1, "opsrunner: there is no run 7"),
        (ConfigurationError("a.yaml:1:2: wrong"), 2, "opsrunner: a.yaml:1:2: wrong"),
        (
            ConfigurationError("a.yaml:1:2: wrong\nb.yaml:3:4: wrong too\nc"),
            2,
            "opsrunner: a.yaml:1:2: wrong (and 2 more; see: opsrunner check)",
        ),
        (NotFound("no host '\x1b[2Jx'"), 1, "opsrunner: no host '\\x1b[2Jx'"),
        (KeyboardInterrupt(), 130, "opsrunner: interrupted"),
    ],
    ids=["not found", "one mistake", "several mistakes", "escapes", "interrupted"],
)
def test_it_says_one_line(
    failing: list[BaseException], capsys: pytest.CaptureFixture[str], error: BaseException, code: int, line: str
) -> None:
    failing.append(error)

    assert door.call(["runs"]) == code
    written = capsys.readouterr()
    assert written.err.removeprefix("\n") == f"{line}\n"  # click ends the line that shows ^C
    assert written.out == ""


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        SystemError("error return without exception set"),
        ImportError("failed to map segment from shared object"),
        RuntimeError("can't start new thread"),
    ],
)
def test_no_memory_is_one_line_and_no_crash(
    failing: list[BaseException],
    capfdbinary: pytest.CaptureFixture[bytes],
    monkeypatch: pytest.MonkeyPatch,
    error: BaseException,
) -> None:
    monkeypatch.setattr(door, "SOME_MEMORY", 1 << 60)
    failing.append(error)

    assert door.call(["runs"]) == 1
    assert capfdbinary.readouterr() == (b"", door.NO_MEMORY)


def test_a_net_that_has_no_memory_itself_is_caught_by_the_last_one(
    capfdbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    def call(_: object) -> int:
        raise MemoryError

    monkeypatch.setattr(door, "call", call)
    monkeypatch.setattr(gc, "freeze", lambda: None)
    monkeypatch.setattr(gc, "set_threshold", lambda *_: None)
    with pytest.raises(SystemExit) as left:
        door.main()
    assert left.value.code == 1
    assert capfdbinary.readouterr() == (b"", door.NO_MEMORY)


def test_what_is_no_number_is_called_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert door.call(["tick", "7", "--strike", "kari@example.com"]) == 2
    assert "'kari@example.com' is not a whole number" in capsys.readouterr().err


def test_what_nobody_expected_is_kept_in_a_file(
    failing: list[BaseException],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "var").mkdir()
    failing.append(ZeroDivisionError("a fault"))

    assert door.call(["runs"]) == 1
    assert capsys.readouterr().err == (
        "opsrunner: unexpected ZeroDivisionError; the details are in var/crash.log; please report this\n"
    )
    kept = tmp_path / "var/crash.log"
    assert "ZeroDivisionError: a fault" in kept.read_text(encoding="utf-8")
    assert kept.stat().st_mode & 0o777 == 0o600


def test_it_says_so_without_a_state_folder_too(
    failing: list[BaseException],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    failing.append(ZeroDivisionError("a fault"))

    assert door.call(["runs"]) == 1
    (kept,) = tmp_path.glob("opsrunner-crash-*.log")
    assert str(kept) in capsys.readouterr().err
    assert not (tmp_path / "var").exists()


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["rnu"], "opsrunner: there is no verb 'rnu'; did you mean 'run'?"),
        (["zzz"], "opsrunner: there is no verb 'zzz'; see: opsrunner --help"),
        (["tick"], "opsrunner: Missing argument 'TASK'; see: opsrunner tick --help"),
        (["runs", "--limit", "x"], "opsrunner: Invalid value for '--limit': 'x' is not a whole number"),
        (["runs", "--colour"], "opsrunner: No such option '--colour'"),
        (["task", "fly"], "opsrunner: No such command 'fly'"),
        (["next"], "opsrunner: name a routine, or give --cron 'EXPR'; see: opsrunner next --help"),
    ],
)
def test_a_slip_on_the_command_line_is_one_line_with_advice(
    capsys: pytest.CaptureFixture[str], arguments: list[str], line: str
) -> None:
    assert door.call(arguments) == 2
    written = capsys.readouterr()
    assert written.err.startswith(line)
    assert written.err.count("\n") == 1
    assert written.out == ""


def test_without_a_verb_it_helps(capsys: pytest.CaptureFixture[str]) -> None:
    assert door.call([]) == 2
    assert "Run a routine by hand now" in capsys.readouterr().out
