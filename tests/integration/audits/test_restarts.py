"""Replaced software, seen in real processes; systemd's answer is put in its place, for the tests run without one."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from opsrunner.audits.patches import read_report
from opsrunner.model.finding import HostReport

from .conftest import Audit

pytestmark = pytest.mark.needs("dash", "apt-get")
SYSTEMCTL = """\
#!/bin/sh
[ "$1" = list-units ] && printf 'demo.service loaded active running A demo\\nfresh.service loaded active running B\\n'
[ "$1" = show ] && cat <<EOF
ExecMainStartTimestampMonotonic=1
ExecStart={{ path={program} ; argv[]={program} -D ; ignore_errors=no ; start_time=[n/a] ; stop_time=[n/a] ; pid=0 }}
Id=demo.service

ExecMainStartTimestampMonotonic=99999999999999
ExecStart={{ path={program} ; argv[]={program} ; ignore_errors=no ; start_time=[n/a] ; stop_time=[n/a] ; pid=0 }}
Id=fresh.service
EOF
exit 0
"""


def restarts(output: bytes) -> tuple[HostReport, dict[str, str]]:
    told = read_report("web1", output, now=datetime.now(UTC))
    return told, {finding.subject: finding.detail for finding in told.findings if finding.cause == "restart"}


@pytest.fixture
def replaced_program() -> Iterator[int]:
    """Run a program of its own from /opt, and remove it as an update does; give the process's id."""
    folder = Path(f"/opt/opsrunner-test-{os.getpid()}")
    folder.mkdir()
    try:
        program = folder / "lingering"
        shutil.copy("/bin/sleep", program)
        with subprocess.Popen([program, "60"]) as process:
            program.unlink()
            yield process.pid
            process.kill()
    finally:
        shutil.rmtree(folder)


@pytest.mark.needs("root")
def test_root_sees_a_running_program_whose_file_was_replaced(
    replaced_program: int, audit: Audit, is_system: Callable[..., None]
) -> None:
    is_system("debian", "12")
    output = audit()
    assert f"process {replaced_program} lingering ".encode() in output
    told, found = restarts(output)
    # Where the tests run in a container of their own, its control group says so, and a container's are its own.
    assert found.get("lingering", "still runs the old lingering") == "still runs the old lingering"
    assert "restart" in told.examined


def test_without_root_a_service_that_is_older_than_its_program_is_seen(
    audit: Audit, host_root: Path, is_system: Callable[..., None], tmp_path: Path
) -> None:
    is_system("debian", "12")
    (host_root / "run/systemd/system").mkdir(parents=True)
    programs = tmp_path / "programs"
    programs.mkdir()
    program = tmp_path / "served"
    shutil.copy("/bin/sleep", program)
    for name, text in (("id", "#!/bin/sh\necho 1000\n"), ("systemctl", SYSTEMCTL.format(program=program))):
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    told, found = restarts(audit({"PATH": f"{programs}:{os.environ['PATH']}"}))
    assert "restart" in told.examined
    assert found["demo"].startswith("still runs the old ")
    assert "served" in found["demo"]
    assert "fresh" not in found
