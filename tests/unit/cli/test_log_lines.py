import io
import logging
import sys
from pathlib import Path

import pytest

from opsrunner.cli.log_lines import Lines, Log
from opsrunner.cli.session import Session


def record(message: str, *, fault: BaseException | None = None) -> logging.LogRecord:
    info = (type(fault), fault, fault.__traceback__) if fault is not None else None
    return logging.LogRecord("opsrunner", logging.ERROR, __file__, 1, message, (), info)


def test_a_record_is_one_line_whatever_its_text() -> None:
    line = Lines(Session()).format(record("mail to x\r\n2026-01-01 00:00:00 ERROR forged\x1b[2J"))

    assert "\n" not in line
    assert "\x1b" not in line
    assert line.endswith(" ERROR mail to x 2026-01-01 00:00:00 ERROR forged\\x1b[2J")


def test_a_fault_is_one_line_and_its_traceback_lies_in_the_crash_log(tmp_path: Path) -> None:
    session = Session()
    session.state = tmp_path
    try:
        raise KeyError("what nobody expected")
    except KeyError:
        fault = sys.exc_info()[1]

    line = Lines(session).format(record("run 7 stopped by a fault of opsrunner", fault=fault))

    assert line.endswith(
        f"run 7 stopped by a fault of opsrunner: KeyError; the details are in {tmp_path / 'crash.log'}"
    )
    assert "KeyError: 'what nobody expected'" in (tmp_path / "crash.log").read_text()


def test_a_log_that_cannot_be_written_shows_nothing_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    class Full(io.StringIO):
        def write(self, text: str, /) -> int:
            raise OSError(28, "No space left on device")

    Log(Full()).handle(record("lost"))

    assert capsys.readouterr().err == ""
