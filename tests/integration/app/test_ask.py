"""`opsrunner ask` on fifty real hosts: the one that differs, its task, and the routine that a question becomes."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from opsrunner.cli.main import call
from opsrunner.engine.state import StateLock
from opsrunner.fleet.host_keys import trust
from opsrunner.model.site import Host
from opsrunner.model.task import Task, TaskStatus
from opsrunner.open_site import open_site

from ...patience import until

SITE = """\
site: Example Hosting
timezone: UTC
people:
  boss: {name: The owner, email: owner@example.com, roles: [owner], login: boss}
  ops1: {name: First technician, email: ops1@example.com, roles: [sysadmin]}
  eye: {name: The auditor, email: eye@example.com, roles: [viewer]}
  else: {name: Somebody else, email: else@example.com, roles: [partner, sysadmin]}
mail: {from: ops@example.com}
hosts:
"""
BEGIN = "from opsrunner.cli.main import main; main()"
MANY, FEW = 50, 9
pytestmark = [pytest.mark.needs("sshd", "ssh-keygen")]


class Asker:
    """A site with many hosts, and its command line."""

    def __init__(self, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.root, self._capsys = root, capsys
        self.odd = root / "odd"
        """A file here of a host's name is what this host says."""
        self.odd.mkdir()
        self.command = f'cat "{self.odd}/$OPS_HOST" 2>/dev/null || echo "it\'s `echo 8.2` $(true)"'

    def __call__(self, *words: str, actor: str = "boss") -> tuple[int, str, str]:
        """Call a verb; return its exit code, what it said, and what it complained of."""
        acts = ["--as", actor] if words[0] in ("ask", "run", "tick") else []
        code = call([words[0], *acts, "--site", str(self.root), *words[1:]])
        said = self._capsys.readouterr()
        return code, said.out, said.err

    def tasks(self, *, closed: bool = False) -> list[Task]:
        with closing(open_site(self.root)) as site:
            books = site.books.tasks
            return books.closed(since=site.clock.now().replace(year=2020)) if closed else books.opened()

    def runs(self) -> list[tuple[str, str, str]]:
        with closing(open_site(self.root)) as site:
            return [(run.routine, run.status.value, run.actor) for run in reversed(site.books.runs.listed())]


@pytest.fixture
def build(
    make_site: Callable[[Mapping[str, str]], Path], sshd_farm: Any, capsys: pytest.CaptureFixture[str]
) -> Callable[[int], Asker]:
    """Make a site with so many hosts, node1 and on, in the group shared."""

    def make(count: int) -> Asker:
        hosts: list[Host] = sshd_farm.hosts_of_one(count)
        lines = [
            f"  {one.name}: {{address: {one.address}, port: {one.port}, user: {one.user}, key_file: {one.key_file},"
            " groups: [shared]}\n"
            for one in hosts
        ]
        root = make_site({"opsrunner.yaml": SITE + "".join(lines)})
        (root / "var").mkdir(mode=0o700)
        keys = sshd_farm.public_keys(Host(name="shared", address=""))
        for host in hosts:
            trust(root / "var" / "known_hosts", host, keys)
        return Asker(root, capsys)

    return make


@pytest.fixture
def asker(build: Callable[[int], Asker]) -> Asker:
    """A site with a few hosts."""
    return build(FEW)


@pytest.fixture(params=["alone", "with a daemon"])
def served(request: pytest.FixtureRequest, build: Callable[[int], Asker]) -> Iterator[Asker]:
    """Fifty hosts, once with and once without `opsrunner serve`."""
    asker = build(MANY)
    if request.param == "alone":
        yield asker
        return
    words = [sys.executable, "-c", BEGIN, "serve", "--no-page", "--site", str(asker.root)]
    with subprocess.Popen(words, env=dict(os.environ), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as daemon:
        try:
            until(StateLock(asker.root / "var").is_held)
            yield asker
            assert daemon.poll() is None
        finally:
            daemon.terminate()


def test_the_one_of_fifty_that_differs_gets_a_task_which_asking_again_ticks_when_it_is_mended(served: Asker) -> None:
    """Done when: `opsrunner ask` finds the one host of 50 that differs and opens its task; fixing it ticks the task."""
    (served.odd / "node7").write_text("8.1\nolder\n")

    code, said, complaint = served("ask", served.command, "--hosts", "shared", "--open-task")

    assert (code, complaint) == (1, "")
    lines = said.splitlines()
    assert lines[0] == "50 hosts asked: 49 say the same, 1 differs"
    assert lines[2:5] == ["! node7  exit code 0", "    8.1", "    older"]
    assert lines[6].startswith("✓ node1, node2, node3, ")
    assert lines[6].endswith(" and 37 more  exit code 0")
    assert lines[7] == "    it's 8.2"
    (task,) = served.tasks()
    assert task.title.startswith("See why the answer to 'cat ")
    assert task.title.endswith("differs on node7")
    assert (task.role, task.row["hosts"]) == ("boss", ["node7"])
    assert lines[-1] == f"● Task {task.id}: {task.title}"
    assert "\nopsrunner accept 'differs:cat " in task.how
    again = next(line for line in task.how.splitlines() if line.startswith("opsrunner ask "))

    (served.odd / "node9").write_text("8.0\n")
    served("ask", served.command, "--hosts", "shared")
    (task,) = served.tasks()
    assert task.row["hosts"] == ["node7", "node9"], "kept up to date, though nobody asked for a task"

    for name in ("node7", "node9"):
        (served.odd / name).unlink()
    code, said, _ = served(*shlex.split(again)[1:])

    assert code == 0
    assert said.startswith("50 hosts asked: all say the same\n")
    assert served.tasks() == []
    (ticked,) = served.tasks(closed=True)
    assert (ticked.id, ticked.status, ticked.closed_by) == (task.id, TaskStatus.DONE, "check")
    assert ticked.evidence.outcome.endswith("not found again: node7, node9")
    names = {routine for routine, _, _ in served.runs()}
    assert len(names) == 1, "the same question is the same routine"
    assert [(status, actor) for _, status, actor in served.runs()] == [
        ("warning", "boss"),
        ("warning", "boss"),
        ("succeeded", "boss"),
    ]


def test_a_question_that_is_saved_is_a_routine_that_keeps_its_task(served: Asker) -> None:
    (served.odd / "node7").write_text("8.1\n")
    words = ("ask", served.command, "--hosts", "shared", "--expect", "it's 8.2", "--open-task")

    code, said, _ = served(*words, "--save-as", "php-version", "--daily", "6:05")

    assert code == 1
    assert said.endswith("routines/php-version.yaml asks it from now on: opsrunner run php-version.\n")
    (before,) = served.tasks()
    assert (before.routine, before.key) == ("php-version", "differs")
    assert served("check")[:2] == (0, "1 routine, 0 checklists: all right\n")
    assert 'schedule: {every: day, at: "06:05"}' in (served.root / "routines/php-version.yaml").read_text()

    (served.odd / "node7").unlink()
    until(lambda: served("run", "php-version")[0] == 0)  # a daemon reads the folder anew every few seconds

    assert served.tasks() == []
    (ticked,) = served.tasks(closed=True)
    assert (ticked.id, ticked.status) == (before.id, TaskStatus.DONE)
    assert {routine for routine, _, _ in served.runs()} == {"php-version"}, "the first run came over, too"
    assert "The routine php-version asks this, with a history of its own" in served(*words)[1]


def test_a_host_that_is_dead_is_told_and_opens_nothing_unless_asked_for(asker: Asker) -> None:
    path = asker.root / "opsrunner.yaml"
    path.write_text(re.sub(r"(127\.0\.9\.3, port:) \d+", r"\1 1", path.read_text()))

    code, said, _ = asker("ask", "echo fine", "--hosts", "node2,node3", "--hosts", "node4")

    assert code == 1
    assert said.splitlines()[0] == "3 hosts asked: 2 say the same, 1 did not answer"
    assert "\n✕ node3  failed\n    " in said
    assert said.index("node3  failed") < said.index("✓ node2, node4  exit code 0")
    assert asker.tasks() == []
    asker("ask", "echo fine", "--hosts", "node2,node3", "--hosts", "node4", "--open-task")
    (task,) = asker.tasks()
    assert (task.key, task.title) == ("node3", "Look at why 'Ask: echo fine' failed for node3")
    assert "3. Run it again, with the command below. This closes by itself" in task.how
    assert "```\nopsrunner ask 'echo fine' --hosts node2,node3,node4\n```" in task.how
    assert "opsrunner run" not in task.how


def test_its_run_is_one_like_any_other(asker: Asker) -> None:
    code, said, _ = asker("ask", "echo `echo fine`", "--hosts", "node2,node3", "--json")

    answer = json.loads(said)
    assert (code, answer["status"], answer["trigger"], answer["saved"]) == (0, "succeeded", "manual", None)
    assert answer["name"] == "Ask: echo `echo fine`"
    assert answer["steps"][0]["facts"]["answers"][0]["text"] == "fine"
    assert "Ask: echo `echo fine`" in asker("runs")[1]
    assert asker("runs", "--routine", answer["routine"])[0] == 0
    assert "=== 1. 2 hosts, as it should be" in asker("logs", str(answer["id"]))[1]
    assert asker("show", str(answer["id"]))[1].startswith(f"Run {answer['id']}  Ask: echo `echo fine`\n")
    with closing(open_site(asker.root)) as site:
        (record,) = site.books.audit.about(f"run {answer['id']}")
        assert (record.actor, record.action) == ("boss", "run")
        assert record.detail == f"{answer['routine']}, Ask: echo `echo fine`"
    assert "Ask: echo `echo fine`" in asker("digest")[1]
    code, _, complaint = asker("run", answer["routine"])
    assert (code, complaint[:28]) == (1, "opsrunner: there is no routi")


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["x"], "Missing option '--hosts'"),
        (["x", "--hosts", "node99"], "--hosts: there is no host or group 'node99', did you mean 'node9'?"),
        (["x", "--hosts", " ,"], "--hosts names nothing; name hosts, groups, or all"),
        ([" ", "--hosts", "all"], "COMMAND is empty"),
        (["x\udcff", "--hosts", "all"], "COMMAND is not UTF-8 text"),
        (["x" * 100_001, "--hosts", "all"], "COMMAND is longer than 100,000 bytes"),
        (["x", "--hosts", "all", "--expect", "a", "--exit", "0"], "--expect and --exit do not go together; keep one"),
        (["x", "--hosts", "all", "--exit", "256"], "Invalid value for '--exit'"),
        (["x", "--hosts", "all", "--timeout", "5"], "--timeout: "),
        (["x", "--hosts", "all", "--timeout", "0s"], "--timeout: 0 s are no time to answer"),
        (["x", "--hosts", "all", "--daily", "06:00"], "--daily goes with --save-as"),
        (["x", "--hosts", "all", "--save-as", "a", "--daily", "25:00"], "--daily: "),
        (["x", "--hosts", "all", "--save-as", "../a"], "--save-as: '../a' cannot be a name"),
        (["x", "--hosts", "all", "--save-as", "there"], "--save-as: routines/there.yaml is there already"),
    ],
)
def test_what_cannot_be_asked_is_one_line_and_asks_nobody(asker: Asker, words: list[str], complaint: str) -> None:
    (asker.root / "routines/there.yaml").write_text("x")

    code, said, told = asker("ask", *words)

    assert (code, said) == (2, "")
    assert told.splitlines()[-1].startswith(f"opsrunner: {complaint}")
    assert asker.runs() == []


@pytest.mark.parametrize("person", ["eye", "else"])
def test_who_may_only_look_or_helps_out_asks_no_host(asker: Asker, person: str) -> None:
    code, said, complaint = asker("ask", "true", "--hosts", "all", actor=person)

    assert (code, said) == (1, "")
    assert complaint.endswith("may not run commands on hosts\n")
    assert asker.runs() == []


def test_staff_ask_and_answer_for_it(asker: Asker) -> None:
    (asker.odd / "node2").write_text("other")

    asker("ask", asker.command, "--hosts", "node1,node2,node3", "--open-task", actor="ops1")

    (task,) = asker.tasks()
    assert (task.role, task.opened_by) == ("ops1", "ops1")


@pytest.mark.parametrize(("beside", "mode"), [(None, 0o644), (0o640, 0o640), (0o664, 0o644), (0o600, 0o600)])
def test_a_question_is_saved_with_the_rights_that_routines_have_there(
    asker: Asker, beside: int | None, mode: int
) -> None:
    if beside is not None:
        other = asker.root / "routines/other.yaml"
        other.write_text("name: Other\naccountable: owner\nsteps: [{ssh: {hosts: all, run: uptime}}]\n")
        other.chmod(beside)
    (asker.root / "opsrunner.yaml").chmod(0o644)

    code, _, complaint = asker("ask", "echo fine", "--hosts", "node2,node3", "--save-as", "fine")

    assert (code, complaint) == (0, "")
    assert (asker.root / "routines/fine.yaml").stat().st_mode & 0o777 == mode


@pytest.mark.parametrize("person", ["eye", "else"])
def test_who_may_only_look_or_helps_out_accepts_nothing(asker: Asker, person: str) -> None:
    (asker.odd / "node7").write_text("8.1\n")
    asker("ask", asker.command, "--hosts", "shared")
    words = ("accept", "--as", person, "differs", "--until", "2099-01-01", "--reason", "it has to stay")

    code, said, complaint = asker(*words)

    assert (code, said) == (1, "")
    assert complaint.endswith("may not accept findings\n")
    assert json.loads(asker("findings", "--json")[1])[0]["accepted"] is None


def test_nothing_found_is_no_good_sign_where_only_a_question_was_asked(asker: Asker) -> None:
    asker("ask", "echo fine", "--hosts", "shared")

    code, said, _ = asker("findings")

    never = "Never audited: 9 hosts (node1, node2, node3 and 6 more): nobody knows what stands there"
    assert (code, said) == (1, f"{never}; run a routine with an audit.\n")
    assert asker("findings", "--accepted")[:2] == (0, "Nothing is accepted.\n")
    assert asker("findings", "--json")[:2] == (1, "[]\n")
