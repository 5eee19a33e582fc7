"""What one call knows."""

from pathlib import Path

import pytest
import time_machine

from opsrunner.cli.main import call
from opsrunner.cli.session import Session


@pytest.mark.parametrize("day", ["1969-12-31", "1970-01-01", "2000-01-01"])
def test_a_clock_that_cannot_be_right_is_refused(capsys: pytest.CaptureFixture[str], tmp_path: Path, day: str) -> None:
    with time_machine.travel(f"{day}T12:00:00+00:00"):
        code = call(["runs", "--site", str(tmp_path)])

    assert code == 1
    assert capsys.readouterr().err == (
        f"opsrunner: the clock says {day}: set the machine's clock first, nothing was opened\n"
    )
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_holds_no_site_gets_no_state(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code = call(["runs", "--site", str(tmp_path)])

    assert code == 2
    assert capsys.readouterr().err == "opsrunner: opsrunner.yaml:1:1: there is no such file\n"
    assert list(tmp_path.iterdir()) == []


def test_the_state_lies_in_the_site_unless_said_otherwise() -> None:
    session = Session()
    assert session.state_folder == Path("var")
    session.given_site = Path("/srv/ops")
    assert session.state_folder == Path("/srv/ops/var")
    session.state = Path("/var/lib/ops")
    assert session.state_folder == Path("/var/lib/ops")
