"""The output of `run`: bounded, live, rows."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from opsrunner.errors import StepFailed
from opsrunner.model.outcome import Outcome
from opsrunner.steps.base import Means

Runner = Callable[..., Outcome]


def _output(tmp_path: Path) -> str:
    return (tmp_path / "output.log").read_text(encoding="utf-8", errors="replace")


def test_it_bounds_time_memory_and_file_of_an_endless_output(tmp_path: Path) -> None:
    script = """
import sys, threading
from pathlib import Path
from opsrunner.clock import SystemClock
from opsrunner.errors import StepFailed
from opsrunner.secrets import Vault
from opsrunner.steps.base import Means, StepCall
from opsrunner.steps.run import Options, run
root = Path(sys.argv[1])
call = StepCall(run_id=1, run_token="endless", routine="r", step="s", options=Options(run="yes out; yes err >&2"),
    timeout_seconds=2, site_root=root, workdir=root, output=root / "output.log", output_limit_bytes=1_000_000)
means = Means(clock=SystemClock(), vault=Vault(root), stopping=threading.Event(), hosts={}, fleet=None, sources={},
    read_source=None, send=None, copies=None, note=None)
try:
    run(call, means)
except StepFailed as exc:
    peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    print(exc.status, exc.facts["truncated"], peak.split()[1])
"""
    answer = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, timeout=30, check=True
    )
    status, truncated, peak_kb = answer.stdout.split()
    assert (status, truncated) == ("timed_out", "True")
    assert int(peak_kb) < 150_000
    text = _output(tmp_path)
    assert len(text) < 1_001_000
    assert text.startswith("out\nout\n")
    assert text.endswith("t\nout\n") or text.rstrip("outn\n") != text
    assert " bytes left out …]\n" in text


FLOOD = """
import sys, threading, time
from pathlib import Path
from opsrunner.clock import SystemClock
from opsrunner.errors import StepFailed
from opsrunner.secrets import Vault
from opsrunner.steps.base import Means, StepCall
from opsrunner.steps.run import Options, run
root, each, rows_as = Path(sys.argv[1]), sys.argv[2], sys.argv[3] or None
command = (f"echo first; head -c {each} /dev/zero & head -c {each} /dev/zero >&2 & wait; sleep 0.1; echo last; exit 7")
call = StepCall(run_id=1, run_token="flood", routine="r", step="s", options=Options(run=command), rows_as=rows_as,
    timeout_seconds=300, site_root=root, workdir=root, output=root / "output.log", output_limit_bytes=1_000_000)
vault = Vault(root)
vault.remember("hunter2-hunter2")
means = Means(clock=SystemClock(), vault=vault, stopping=threading.Event(), hosts={}, fleet=None, sources={},
    read_source=None, send=None, copies=None, note=None)
try:
    run(call, means)
except StepFailed as exc:
    peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    print(exc.facts["exit_code"], exc.facts["output_bytes"], int(peak.split()[1]) // 1000, exc.facts["seconds"])
"""
SIZES = [
    pytest.param(100_000_000, id="200 MB"),
    pytest.param(2_500_000_000, id="5 GB", marks=pytest.mark.soak),
]


@pytest.mark.parametrize("each", SIZES)
@pytest.mark.parametrize("rows_as", ["", "lines"], ids=["streams together", "streams apart"])
def test_a_flood_on_both_streams_is_read_to_its_end_in_little_memory(tmp_path: Path, each: int, rows_as: str) -> None:
    words = [sys.executable, "-c", FLOOD, str(tmp_path), str(each), rows_as]
    answer = subprocess.run(words, capture_output=True, text=True, timeout=310, check=True)
    code, output_bytes, peak_mb, seconds = answer.stdout.split()
    print(f"{int(output_bytes) / 1e9:.1f} GB in {seconds} s, at most {peak_mb} MB of memory")
    assert (code, int(output_bytes)) == ("7", 2 * each + len("first\nlast\n"))
    assert int(peak_mb) < 150
    stored = (tmp_path / "output.log").read_bytes()
    marker = f"\n[… {2 * each + len('first') + len('last') + 2 - 1_000_000} bytes left out …]\n".encode()
    assert stored.startswith(b"first\n\0\0")
    assert stored.endswith(b"\0\0last\n")
    assert stored.count(marker) == 1
    assert len(stored) == 1_000_000 + len(marker)


def test_it_takes_a_line_of_a_hundred_megabytes_of_nothing(run_command: Runner, tmp_path: Path) -> None:
    outcome = run_command("head -c 100000000 /dev/zero; printf '\\377\\376 end'")
    assert (outcome.facts["output_bytes"], outcome.facts["truncated"]) == (100_000_006, True)
    stored = (tmp_path / "output.log").read_bytes()
    assert stored.startswith(b"\0\0\0")
    assert stored.endswith(b"\0\xff\xfe end")
    assert len(stored) < 101_000


def test_it_shows_output_while_the_program_runs(run_command: Runner, tmp_path: Path, means: Means) -> None:
    worker = threading.Thread(target=run_command, args=("echo first; until [ -e go ]; do sleep 0.05; done",))
    worker.start()
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline and not (tmp_path / "output.log").exists():
        time.sleep(0.02)
    while time.monotonic() < deadline and _output(tmp_path) != "first\n":
        time.sleep(0.02)
    seen = _output(tmp_path)
    (tmp_path / "go").touch()
    worker.join()
    assert seen == "first\n"


def test_it_makes_rows_of_standard_output_alone(run_command: Runner, tmp_path: Path) -> None:
    outcome = run_command("echo 'number,name'; echo '7,Kari'; echo noise >&2", _rows_as="csv")
    assert outcome.rows == ({"number": "7", "name": "Kari"},)
    assert "noise" in _output(tmp_path)


def test_it_fails_where_the_output_makes_no_rows(run_command: Runner) -> None:
    with pytest.raises(StepFailed, match="the output is not JSON: line 1, column 1") as caught:
        run_command("echo oops", _rows_as="json")
    assert caught.value.facts["exit_code"] == 0


def test_it_stays_bounded_when_rows_do_not_end(run_command: Runner) -> None:
    with pytest.raises(StepFailed, match="longer than the 8,000,000 bytes"):
        run_command("head -c 30000000 /dev/zero | tr '\\0' x", _rows_as="lines")
