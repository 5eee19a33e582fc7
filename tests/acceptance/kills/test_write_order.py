"""B47: what is promised is on the disk before anybody is told: exit code, answer, mail."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from ...patience import until

pytestmark = pytest.mark.needs("strace")
SCRIPT = Path(sys.executable).with_name("opsrunner")
SITE = """\
site: Example Hosting
timezone: UTC
people:
  boss: {{name: The owner, email: owner@example.com, roles: [owner], login: boss}}
mail: {{from: ops@example.com, smtp: {{host: 127.0.0.1, port: {port}, security: none}}}}
"""
HAND = 'name: By hand\naccountable: owner\nsteps:\n  - {id: one, run: ["true"]}\n'
MAIL = 'name: Mail\naccountable: owner\nsteps:\n  - email: {to: owner, subject: "Report", body: "All is well."}\n'
COMMIT = r'pwrite64\(\d+, "(\\0)+", 28, 0'
NOTE = "Two boxes came at noon"
CALLS = "openat,fsync,fdatasync,ftruncate,write,pwrite64,sendto,exit_group"


class Traced:
    """What a process asked of the system, line by line, in the order in which it was asked."""

    def __init__(self, trace: Path) -> None:
        self.lines: list[str] = []
        begun: dict[str, str] = {}
        for line in trace.read_text(errors="replace").splitlines():
            match = re.match(r"(\d+) +(.*)", line)
            if match is None:
                continue
            thread, call = match[1], match[2]
            if call.startswith(("openat", "fsync", "fdatasync")) and call.endswith(" <unfinished ...>"):
                begun[thread] = call.removesuffix(
                    " <unfinished ...>"
                )  # it is done when it ends, a write when it begins
                continue
            if call.startswith("<... ") and thread in begun:
                call = begun.pop(thread) + call.partition(" resumed>")[2]
            self.lines.append(call)

    def first(self, pattern: str, *, after: int = 0) -> int:
        """Return the number of the first line from `after` on that holds a pattern."""
        for number in range(after, len(self.lines)):
            if re.search(pattern, self.lines[number]):
                return number
        raise AssertionError(f"{pattern} is nowhere after line {after}")

    def unsynced(self, before: int) -> list[str]:
        """Return the writes to the ledger and its journal that no sync had followed when line `before` came.

        A commit is on the disk when the journal's head was overwritten and that was synced. The outbox's own file
        (`ledger.db-sent`) is another one: its word of what goes next tells of a process that ended, no machine.
        """
        dirty: dict[str, str] = {}
        ours: set[str] = set()
        for line in self.lines[:before]:
            if opened := re.match(r'openat\([^"]*"([^"]*)".* = (\d+)', line):
                is_ours = re.search(r"ledger\.db(-journal)?$", opened[1]) is not None
                (ours.add if is_ours else ours.discard)(opened[2])
            match = re.match(r"(pwrite64|ftruncate|fsync|fdatasync)\((\d+)", line)
            if match is None or match[2] not in ours:
                continue
            if match[1] in ("fsync", "fdatasync"):
                dirty.pop(match[2], None)
            else:
                dirty[match[2]] = line
        return list(dirty.values())

    def commits(self, *, before: int) -> int:
        """Return how often the head of a journal was overwritten by zeros."""
        return sum(bool(re.match(COMMIT, line)) for line in self.lines[:before])

    def committed(self, text: str) -> int:
        """Return the number of the line that brought to the disk the commit that wrote `text` to the ledger."""
        written = self.first(rf"pwrite64\(\d+, .*{text}")
        pages = self._descriptor(written)
        synced = self.first(rf"f(data)?sync\({pages}\)", after=written)
        ended = self.first(COMMIT, after=synced)
        return self.first(rf"f(data)?sync\({self._descriptor(ended)}\)", after=ended)

    def _descriptor(self, line: int) -> str:
        return self.lines[line].partition("(")[2].partition(",")[0]


@pytest.fixture
def site(make_site: Callable[[Mapping[str, str]], Path], open_postbox: Callable[[], Any]) -> tuple[Path, Any]:
    box = open_postbox()
    files = {"opsrunner.yaml": SITE.format(port=box.port), "routines/hand.yaml": HAND, "routines/mail.yaml": MAIL}
    return make_site(files), box


@pytest.fixture
def traced(site: tuple[Path, Any], tmp_path: Path) -> Callable[..., tuple[Traced, str]]:
    """Run a verb under strace; return what it asked of the system and what it printed."""

    def run(*words: str) -> tuple[Traced, str]:
        done = subprocess.run(
            [*tracing(tmp_path / "trace"), str(SCRIPT), *words],
            cwd=site[0],
            env=plain(tmp_path),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return Traced(tmp_path / "trace"), done.stdout

    return run


def tracing(trace: Path, *, shown_bytes: int = 200) -> list[str]:
    shown = ["-s", str(shown_bytes), "-o", str(trace), "-e", f"trace={CALLS}"]
    return ["strace", "-f", "--seccomp-bpf", "-qq", *shown]


@contextmanager
def serving(root: Path, home: Path, *words: str, shown_bytes: int = 200) -> Iterator[Path]:
    """Have the daemon of a site run under strace; give the trace, which is whole after that."""
    trace, log = home / "trace", home / "log"
    with log.open("w") as file:
        daemon = subprocess.Popen(
            ["strace", "-D", *tracing(trace, shown_bytes=shown_bytes)[1:], str(SCRIPT), "serve", *words],
            cwd=root,
            env=plain(home),
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
        )
    try:
        until(lambda: " in force" in log.read_text())
        yield trace
    finally:
        daemon.send_signal(signal.SIGTERM)
        daemon.wait(timeout=30)


def asked(root: Path, home: Path, *words: str) -> str:
    """Return what a verb printed."""
    done = subprocess.run([str(SCRIPT), *words], cwd=root, env=plain(home), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def plain(home: Path) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "HOME": str(home), "LANG": "C.UTF-8", "COLUMNS": "200"}


VERBS = [
    pytest.param(("task", "add", "Order paper", "--as", "boss"), r'write\(1, ".*Order paper', id="task add"),
    pytest.param(("tick", "1", "--as", "boss"), r'write\(1, ".*', id="tick"),
    pytest.param(("note", "The disk of web3 is slow", "--as", "boss"), r'write\(1, ".*', id="note"),
    pytest.param(("pause", "hand", "--until", "+1d", "--reason", "x", "--as", "boss"), r'write\(1, ".*', id="pause"),
    pytest.param(("run", "hand", "--as", "boss"), r'write\(1, ".*succeeded after', id="run"),
]


@pytest.mark.parametrize(("words", "answer"), VERBS)
def test_the_answer_and_the_exit_come_after_the_commit_is_on_the_disk(
    traced: Callable[..., tuple[Traced, str]], words: tuple[str, ...], answer: str
) -> None:
    if words[0] == "tick":
        traced("task", "add", "Order paper", "--as", "boss")
    seen, _ = traced(*words)
    answered, left = seen.first(answer), seen.first(r"exit_group\(0\)")
    assert seen.commits(before=answered) > 0
    assert seen.unsynced(answered) == []
    assert seen.unsynced(left) == []
    if words[0] != "run":
        assert seen.commits(before=answered) == seen.commits(before=left), "nothing is left for after the answer"


def test_a_step_s_start_is_on_the_disk_before_it_begins(traced: Callable[..., tuple[Traced, str]]) -> None:
    """A run is written before anything of it starts, so that a crash cannot lose it."""
    seen, _ = traced("run", "hand", "--as", "boss")
    started = seen.first(r'write\(1, ".*(By hand|count|one)')
    assert seen.unsynced(started) == []


def test_a_mail_is_said_after_what_it_reports_is_on_the_disk(site: tuple[Path, Any], tmp_path: Path) -> None:
    """The daemon: the commit that ends the step queues the mail; the mail goes after it."""
    root, box = site
    with serving(root, tmp_path, "--no-page") as trace:
        asked(root, tmp_path, "run", "mail", "--as", "boss")
        until(lambda: box.received)
    seen = Traced(trace)
    said = seen.first(r'sendto\(\d+, "(?i:data)\\r\\n')
    queued = seen.first(r'pwrite64\(\d+, ".*')
    assert queued < said
    assert seen.commits(before=said) >= 2, "the run, the end of its step with the mail"
    assert seen.unsynced(said) == []


def test_the_page_answers_a_tick_after_it_is_on_the_disk(site: tuple[Path, Any], tmp_path: Path) -> None:
    root, _ = site
    with socket.create_server(("127.0.0.1", 0)) as probe:
        listen = f"127.0.0.1:{probe.getsockname()[1]}"
    with (root / "opsrunner.yaml").open("a") as file:
        file.write(f'web: {{listen: "{listen}"}}\n')
    page = f"http://{listen}"
    asked(root, tmp_path, "task", "add", "Order paper", "--as", "boss")
    headers = {"Origin": page, "Sec-Fetch-Site": "same-origin"}
    with (
        serving(root, tmp_path, shown_bytes=5000) as trace,  # a page of the ledger, whole
        httpx2.Client(timeout=20, headers=headers) as browser,
    ):
        until(lambda: is_open(listen))
        assert browser.post(asked(root, tmp_path, "person", "link", "boss")).status_code == 303
        (token,) = set(re.findall(r'name="token" value="([0-9a-f]{80})"', browser.get(f"{page}/tasks/1").text))
        form = {"token": token, "mark": "done", "note": NOTE, "back": "/the-way-back"}
        assert browser.post(f"{page}/tasks/1/tick", data=form).status_code == 303
    seen = Traced(trace)
    answered = seen.first(r"(sendto|write)\(\d+, \"HTTP/1.1 303 .*the-way-back")
    assert seen.committed(NOTE) < answered


def is_open(listen: str) -> bool:
    host, _, port = listen.partition(":")
    with socket.socket() as line:
        return line.connect_ex((host, int(port))) == 0
