"""Canaries: secrets that are used, printed, sent and failed with, and must be found in nothing that stays or shows."""

from __future__ import annotations

import base64
import html
import json
import os
import quopri
import re
import signal
import socket
import socketserver
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx2
import pytest

from opsrunner.cli.crash import write_crash
from opsrunner.secrets import MASK, Vault
from opsrunner.web.doors import DOORS

from ..patience import until

Answer = subprocess.CompletedProcess[str]
SCRIPT = Path(sys.executable).with_name("opsrunner")

# What is looked for is the plain word inside: whatever form a program gives the rest, the word stays.
SECRETS = {
    "env": 'pa"ss\\c4nary-env-7731/é $x',
    "file": "first c4nary-file-7732\nsecond c4nary-file-7733",
    "command": "it's c4nary-cmd-7734",
    "header": "Bearer c4nary-http-7735",
    "mail": "c4nary-smtp-7736",
    "beat": "c4nary-beat-7737",
}
WORDS = [b"c4nary-env", b"c4nary-file", b"c4nary-cmd", b"c4nary-http", b"c4nary-smtp", b"c4nary-beat"]

SITE = """\
site: Example Hosting
timezone: UTC
people:
  boss: {name: The owner, email: owner@example.com, roles: [owner]}
mail:
  from: ops@example.com
  smtp: {host: 127.0.0.1, port: SMTP_PORT, security: none, username: ops, password: {env: MAIL_SECRET}}
heartbeat: {url: {env: BEAT_SECRET}}
sources:
  api:
    http_json: http://127.0.0.1:WEB_PORT/echo
    headers: {X-Key: {env: HEADER_SECRET}}
    items: nowhere
    columns: {number: text}
"""
# Prints its secrets in every way that a program has, in two writes too; looks for them in all command lines.
PRINTER = """\
import csv, html, io, json, os, pathlib, subprocess, sys, time, urllib.parse
values = [os.environ["FROM_ENV"], os.environ["FROM_FILE"], os.environ["FROM_COMMAND"]]
word = b"c4nary-"
lines = [path.read_bytes() for path in pathlib.Path("/proc").glob("[0-9]*/cmdline") if os.access(path, os.R_OK)]
pathlib.Path("found-in-command-lines").write_text(str(sum(word in line for line in lines)))
if sys.argv[1] == "json":
    print(json.dumps([{"number": str(i), "value": value, value: {"deep": [value]}} for i, value in enumerate(values)]))
elif sys.argv[1] == "csv":
    csv.writer(sys.stdout).writerows([["number", "value"], *enumerate(values)])
else:
    for value in values:
        subprocess.run(["bash", "-c", 'printf "%s %q\\n" "$FROM_ENV" "$FROM_ENV"'])
        print(value, html.escape(value), repr(value), json.dumps(value))
        print(urllib.parse.quote(value), urllib.parse.quote(value, safe=""))
        for part in (value[: len(value) // 2], value[len(value) // 2 :]):
            sys.stdout.write(part)
            sys.stdout.flush()
            time.sleep(0.02)
    print("x" * 40000)
    sys.exit("failed with " + " ".join(values))
"""
ROUTINE = """\
name: Canaries
accountable: owner
steps:
  - id: json
    run: [PYTHON, printer.py, json]
    rows: json
    env: &secrets
      FROM_ENV: {env: ENV_SECRET}
      FROM_FILE: {file: secrets/file}
      FROM_COMMAND: {command: [cat, secrets/command]}
  - id: csv
    run: [PYTHON, printer.py, csv]
    rows: csv
    env: *secrets
    fail_if: row.number == '0'
    on_failure: continue
  - task: "Look at {{ row.value }}"
    for_each: steps.json.rows
    key: row.value
    how: "The value is {{ row.value }}."
  - id: each
    run: echo "$VALUE"; exit 1
    for_each: steps.json.rows
    env: {VALUE: "{{ row.value }}"}
    on_failure: continue
  - email: {to: owner, subject: "About {{ row.value }}", body: "It is {{ row.value }}"}
    for_each: steps.json.rows
    on_failure: continue
  - id: shell
    run: set -x; [ "$FROM_COMMAND" = "$FROM_ENV" ]; PYTHON printer.py fail
    env: *secrets
    urgent: true
    on_failure: continue
    retry: {times: 1, wait: 0s}
  - ssh: {hosts: local, run: "cd 'ROOT' && PYTHON printer.py fail"}
    env: *secrets
    on_failure: continue
  - http: {get: "http://127.0.0.1:WEB_PORT/echo", headers: {Authorization: {env: HEADER_SECRET}}}
    on_failure: continue
  - http: {get: "http://127.0.0.1:WEB_PORT/away", headers: {Authorization: {env: HEADER_SECRET}}, expect: {status: 500}}
    on_failure: continue
  - query: {source: api}
"""


class Echo(BaseHTTPRequestHandler):
    """Answers with what it was asked, in its status line, its body and in where it sends to."""

    def do_GET(self) -> None:
        told = self.headers.get("Authorization") or self.headers.get("X-Key") or self.path
        self.send_response(302 if self.path == "/away" else 200, f"Fine {told}")
        self.send_header("Location", f"/echo?{told.replace(' ', '%20')}")
        self.end_headers()
        self.wfile.write(json.dumps({told: told}).encode())

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


class RudeSmtp(socketserver.StreamRequestHandler):
    """Refuses to sign anybody in, and says their password aloud."""

    def handle(self) -> None:
        self.wfile.write(b"220 rude\r\n")
        for line in self.rfile:
            word = line.split()[0].upper() if line.split() else b""
            if word == b"EHLO":
                self.wfile.write(b"250-rude\r\n250 AUTH PLAIN\r\n")
            elif word == b"AUTH":
                password = base64.b64decode(line.split()[2]).split(b"\0")[-1]
                self.wfile.write(b"535 " + b"no " * 94 + b"password " + password + b" is not it\r\n")
            else:
                self.wfile.write(b"250 ok\r\n")


@pytest.fixture
def ports() -> Iterator[tuple[int, int]]:
    """Start the web server and the mail server; give their ports."""
    web = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    smtp = socketserver.ThreadingTCPServer(("127.0.0.1", 0), RudeSmtp)
    smtp.daemon_threads = True
    threads = [threading.Thread(target=server.serve_forever, args=(0.02,)) for server in (web, smtp)]
    for thread in threads:
        thread.start()
    yield web.server_address[1], smtp.server_address[1]
    for server, thread in zip((web, smtp), threads, strict=True):
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def environment(ports: tuple[int, int]) -> dict[str, str]:
    return {
        "ENV_SECRET": SECRETS["env"],
        "HEADER_SECRET": SECRETS["header"],
        "MAIL_SECRET": SECRETS["mail"],
        "BEAT_SECRET": f"http://127.0.0.1:{ports[0]}/{SECRETS['beat']}",
    }


@pytest.fixture
def root(make_site: Callable[..., Path], ports: tuple[int, int]) -> Path:
    web, smtp = ports
    places = {"WEB_PORT": str(web), "SMTP_PORT": str(smtp), "PYTHON": sys.executable}
    texts = {"opsrunner.yaml": SITE, "routines/canaries.yaml": ROUTINE, "printer.py": PRINTER}
    for word, place in places.items():
        texts = {name: text.replace(word, place) for name, text in texts.items()}
    site = make_site({**texts, "secrets/file": SECRETS["file"] + "\n", "secrets/command": SECRETS["command"] + "\n"})
    routine = site / "routines/canaries.yaml"
    routine.write_text(routine.read_text().replace("ROOT", str(site)))
    return site


def test_a_secret_is_found_in_nothing_that_shows_or_stays(
    root: Path, environment: dict[str, str], opsrunner: Callable[..., Answer]
) -> None:
    def ask(*arguments: str) -> str:
        answer = opsrunner(*arguments, site=root, env=environment)
        assert "unexpected" not in answer.stderr, answer.stderr
        return answer.stdout + answer.stderr

    shown = {
        words: ask(*words.split())
        for words in (
            "check",
            "run canaries --dry-run",
            "run canaries --dry-run --json",
            "run canaries",
            "runs --json",
            "show 1",
            "show 1 --json",
            "logs 1",
            "logs 1 --json",
            "tasks",
            "tasks --json",
            "digest",
            "digest --json",
            "digest --send",
            "digest --html var/shown.html",
            "doctor --json",
        )
    }

    assert MASK in shown["logs 1"]
    assert MASK in shown["show 1"]
    assert MASK in shown["tasks"]
    assert {words: leaks(text.encode()) for words, text in shown.items() if leaks(text.encode())} == {}
    assert {path.name: leaks(path.read_bytes()) for path in kept(root) if leaks(path.read_bytes())} == {}
    assert (root / "found-in-command-lines").read_text() == "0"


def test_the_daemon_says_no_secret_while_it_pings_mails_and_runs(
    root: Path, environment: dict[str, str], opsrunner: Callable[..., Answer]
) -> None:
    with (root / "var.log").open("wb") as log:
        daemon = subprocess.Popen(
            [str(SCRIPT), "serve", "--no-page"], cwd=root, env={**os.environ, **environment}, stdout=log, stderr=log
        )
        try:
            until(lambda: b"in force" in (root / "var.log").read_bytes())
            answer = opsrunner("run", "canaries", "--json", site=root, env=environment)
            until(lambda: "sign-in was refused" in opsrunner("doctor", site=root, env=environment).stdout)
        finally:
            daemon.send_signal(signal.SIGTERM)
            daemon.wait(timeout=20)

    assert json.loads(answer.stdout)["status"] == "failed"
    assert leaks((root / "var.log").read_bytes()) == []
    assert b"Traceback" not in (root / "var.log").read_bytes()
    assert {path.name: leaks(path.read_bytes()) for path in kept(root) if leaks(path.read_bytes())} == {}


def test_no_page_shows_a_secret(root: Path, environment: dict[str, str], opsrunner: Callable[..., Answer]) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        listen = f"127.0.0.1:{probe.getsockname()[1]}"
    site = root / "opsrunner.yaml"
    site.write_text(f"{site.read_text()}web: {{listen: '{listen}'}}\n")
    with (root / "var.log").open("wb") as log:
        daemon = subprocess.Popen(
            [str(SCRIPT), "serve"], cwd=root, env={**os.environ, **environment}, stdout=log, stderr=log
        )
        try:
            until(lambda: b"the page is at" in (root / "var.log").read_bytes())
            opsrunner("run", "canaries", "--json", site=root, env=environment)
            opsrunner("digest", "--send", site=root, env=environment)
            tasks = json.loads(opsrunner("tasks", "--json", site=root, env=environment).stdout)
            link = opsrunner("person", "link", "boss", site=root, env=environment).stdout.strip()
            shown = pages_of(f"http://{listen}", link, tasks=[task["id"] for task in tasks])
        finally:
            daemon.send_signal(signal.SIGTERM)
            daemon.wait(timeout=20)

    assert len(shown) > 20 + len(tasks)
    assert MASK in html.unescape(shown["/"])
    assert MASK in html.unescape(shown["/runs/1"])
    assert MASK in html.unescape(shown["/runs/1/output?step=shell"])
    assert MASK in html.unescape(shown["/search?q=look&what=tasks"])
    assert {path: leaks(text.encode()) for path, text in shown.items() if leaks(text.encode())} == {}


def pages_of(address: str, link: str, *, tasks: Sequence[int]) -> dict[str, str]:
    """Return what every page says to the owner, and the first of a stream."""
    numbers = {"run": 1, "digest": 1}
    names = {"routine": "canaries", "host": "local"}
    found: dict[str, str] = {}
    with httpx2.Client(
        base_url=address, timeout=20, headers={"Sec-Fetch-Site": "same-origin", "Origin": address}
    ) as web:
        assert web.post(link).status_code == 303
        for door in DOORS:
            if door.method != "GET" or "link:token" in door.path:
                continue
            path = door.path
            for name, value in {**numbers, **names}.items():
                path = re.sub(rf"\{{{name}:\w+\}}", str(value), path)
            for one in [re.sub(r"\{task:int\}", str(task), path) for task in tasks] if "{task:int}" in path else [path]:
                if one.endswith("/output"):
                    for step in ("json", "csv", "shell", "ssh"):
                        found[f"{one}?step={step}"] = first_of(web, f"{one}?step={step}")
                else:
                    found[one] = web.get(one).text
        for path in ("/search?q=look&what=tasks", "/search?q=c4nary", "/calendar?view=week", "/routines/canaries"):
            found[path] = web.get(path).text
    return found


def first_of(web: httpx2.Client, path: str) -> str:
    """Return what a stream says until it has nothing more to say for the moment."""
    lines: list[str] = []
    with web.stream("GET", path) as answer:
        for line in answer.iter_lines():
            lines.append(line)
            if line.startswith(("data: failed with", "data: xxx", "event: over", ": nothing")) or len(lines) > 400:
                break
    return "\n".join(lines)


def test_a_crash_is_kept_without_the_secrets_that_were_read(tmp_path: Path) -> None:
    vault = Vault(tmp_path)
    for value in SECRETS.values():
        vault.remember(value)

    try:
        raise KeyError(SECRETS["env"], SECRETS["file"], SECRETS["command"])
    except KeyError as exc:
        place = write_crash(exc, folder=tmp_path, mask=vault.mask)

    assert place is not None
    assert leaks(place.read_bytes()) == []
    assert MASK in place.read_text()
    assert stat.S_IMODE(place.stat().st_mode) == 0o600


def leaks(data: bytes) -> list[str]:
    """Return the secrets that stand in `data`, also in the lines of a mail in base64 or quoted-printable."""
    mails = [data, quopri.decodestring(data)]
    for block in data.split(b"\n\n"):
        try:
            mails.append(base64.b64decode(b"".join(block.split()), validate=True))
        except ValueError:
            continue
    return [word.decode() for word in WORDS if any(word in text for text in mails)]


def kept(root: Path) -> list[Path]:
    """Return every file that the program has written: its ledger with its journal, outputs, mails, digests."""
    return [path for path in (root / "var").rglob("*") if path.is_file()]
