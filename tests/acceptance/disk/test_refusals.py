"""B46: what is wrong with the machine is one line within two seconds, with exit code 1 and no traceback."""

from __future__ import annotations

import os
import pwd
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

SCRIPT = Path(sys.executable).with_name("opsrunner")
WORK = "name: Work\naccountable: owner\nsteps:\n  - run: echo done\n"
SITE = """\
site: Example Hosting
timezone: UTC
people:
  boss: {name: The owner, email: owner@example.com, roles: [owner]}
"""
SECONDS = 2.0
NOBODY = "nobody"
LIKE_ANYBODY = ("setpriv", "--inh-caps=-all", "--bounding-set=-dac_override,-dac_read_search")
"""Root that has to obey the rights of files."""


@dataclass(frozen=True)
class Case:
    """What is wrong, and what the one line says of it."""

    says: str
    spoil: Callable[[Path], object] = lambda site: None
    wrapper: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ("run", "work", "--as", "boss")
    env: Mapping[str, str] = field(default_factory=dict)
    code: int = 1


def give_away(site: Path) -> None:
    for path in (site, *site.rglob("*")):
        os.chown(path, pwd.getpwnam(NOBODY).pw_uid, -1)


def put_a_file(site: Path) -> None:
    shutil.rmtree(site / "var")
    (site / "var").touch()


WRONG = {
    "the state belongs to somebody else": Case(says="belongs to user", spoil=lambda site: give_away(site / "var")),
    "the ledger may not be read": Case(
        says="ledger.db: ", spoil=lambda site: (site / "var" / "ledger.db").chmod(0), wrapper=LIKE_ANYBODY,
    ),
    "the state may not be written": Case(
        says="var: not writable", spoil=lambda site: (site / "var").chmod(0o500), wrapper=LIKE_ANYBODY,
    ),
    "the site may not be read": Case(
        says="Permission denied", spoil=lambda site: (site / "opsrunner.yaml").chmod(0), wrapper=LIKE_ANYBODY, code=2,
    ),
    "the state is a file": Case(
        says="mount its disk", spoil=put_a_file
    ),
    "the clock stands before the epoch": Case(says="set the machine's clock first", wrapper=("faketime", "1969-06-01")),
    "the clock stands at the epoch": Case(says="set the machine's clock first", wrapper=("faketime", "1970-01-02")),
    "no more than a few open files": Case(says="ulimit -n", wrapper=("prlimit", "--nofile=7")),
    "no memory": Case(says="memory", wrapper=("prlimit", "--as=60000000")),
    "the ledger may not grow": Case(says="ledger.db", wrapper=("prlimit", "--fsize=100")),
}  # fmt: skip

FINE = {
    "no HOME": Case(says="", wrapper=("env", "-u", "HOME")),
    "a HOME that is not there": Case(says="", env={"HOME": "/nowhere"}),
    "no TMPDIR": Case(says="", env={"TMPDIR": "/nowhere"}),
    "no environment": Case(says="", wrapper=("env", "-i", "PATH=/usr/bin:/bin")),
    "twenty open files": Case(says="", wrapper=("prlimit", "--nofile=20")),
    "no locale that exists": Case(says="", env={"LC_ALL": "xx_XX.UTF-8", "LANG": "C"}),
}


@pytest.fixture
def site(make_site: Callable[[Mapping[str, str]], Path]) -> Path:
    root = make_site({"opsrunner.yaml": SITE, "routines/work.yaml": WORK})
    assert run(root, Case(says="", arguments=("tasks",))).returncode == 0
    return root


def run(site: Path, case: Case) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], "HOME": str(site.parent), "PYTHONDONTWRITEBYTECODE": "1", **case.env}
    return subprocess.run(
        [*case.wrapper, str(SCRIPT), *case.arguments], cwd=site, env=environment, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def measured(site: Path, case: Case) -> tuple[subprocess.CompletedProcess[str], float, float]:
    """Return an answer, the seconds of a processor that it took, and those on the clock on the wall."""
    started, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    answer = run(site, case)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    worked = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return answer, worked, time.monotonic() - started


@pytest.mark.needs("root", "faketime", "prlimit", "setpriv")
@pytest.mark.parametrize("name", WRONG)
def test_it_is_refused_in_one_line_within_two_seconds(site: Path, name: str) -> None:
    case = WRONG[name]
    case.spoil(site)
    answer, worked, passed = measured(site, case)
    assert answer.returncode == case.code, answer
    assert answer.stderr.count("\n") == 1, answer
    assert answer.stderr.startswith("opsrunner: "), answer
    assert case.says in answer.stderr, answer
    assert worked < SECONDS
    assert passed < 10 * SECONDS, "it does not wait for anything either; other tests run beside this one"
    assert not (site / "var" / "crash.log").exists()


@pytest.mark.needs("prlimit")
@pytest.mark.parametrize("name", FINE)
def test_what_does_not_matter_stops_nothing(site: Path, name: str) -> None:
    answer = run(site, FINE[name])
    assert (answer.returncode, answer.stderr) == (0, ""), answer


@pytest.mark.parametrize("name", ["a b", "é 漢字", "two\nlines", "100%?x=1#y", "-rf", "\udcff"])
def test_a_state_may_lie_in_a_folder_of_any_name(site: Path, tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    for arguments in (("run", "work", "--as", "boss"), ("runs",), ("doctor",)):
        answer = run(site, Case(says="", arguments=(*arguments, f"--state={folder}")))
        assert "Traceback" not in answer.stderr, answer
        assert answer.returncode == (1 if arguments == ("doctor",) else 0), answer
    assert (folder / "ledger.db").stat().st_size > 0


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
@pytest.mark.parametrize("verb", [("tasks",), ("run", "work", "--as", "boss"), ("nonsense",)])
def test_a_full_disk_behind_the_screen_is_one_line_at_most_and_stops_no_run(
    site: Path, stream: str, verb: tuple[str, ...]
) -> None:
    environment = {"PATH": os.environ["PATH"], "HOME": str(site.parent)}
    with Path("/dev/full").open("wb") as full:
        answer = subprocess.run(
            [str(SCRIPT), *verb], cwd=site, env=environment, stdin=subprocess.DEVNULL, timeout=60, check=False,
            stdout=full if stream == 'stdout' else subprocess.PIPE,
            stderr=full if stream == 'stderr' else subprocess.PIPE, text=True,
        )  # fmt: skip
    if stream == "stdout":
        refused = verb == ("nonsense",)
        says = "there is no verb" if refused else "standard output: No space left on device"
        assert (answer.returncode, answer.stderr.count("\n")) == (2 if refused else 1, 1), answer
        assert says in answer.stderr
    if verb[0] == "run":
        shown = run(site, Case(says="", arguments=("runs", "--json")))
        assert '"succeeded"' in shown.stdout, shown
    assert not (site / "var" / "crash.log").exists()


@pytest.mark.needs("root", "unshare")
def test_without_proc_it_works_or_says_why(site: Path) -> None:
    hide = ("unshare", "--mount", "sh", "-c", 'mount -t tmpfs tmpfs /proc && exec "$0" "$@"')
    answer = run(site, Case(says="", wrapper=hide))
    assert "Traceback" not in answer.stderr, answer
    assert answer.returncode in (0, 1), answer
    assert answer.stderr.count("\n") <= 1, answer
