"""What an edit of `opsrunner.yaml` changes while the daemon goes on."""

from __future__ import annotations

import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

PEOPLE = """\
site: Example Hosting
timezone: UTC
people:
  boss: {name: The owner, email: owner@example.com, roles: [owner]}
  ops1: {name: First technician, email: ops1@example.com, roles: [sysadmin]}
mail: {from: ops@example.com}
"""
TALKATIVE = """\
name: Talkative
accountable: sysadmin
schedule: {every: 1h}
steps:
  - id: here
    run: seq 20000
  - id: there
    ssh: {hosts: local, run: "seq 20000"}
"""


def test_a_limit_of_output_holds_for_the_next_step_of_every_kind(house: Callable[..., Any]) -> None:
    site = house({"talkative": TALKATIVE}, site=PEOPLE)
    site.at("2026-11-20T13:00:01")
    site.write("opsrunner.yaml", PEOPLE + "limits: {output: 10KB}\n")
    site.at("2026-11-20T13:30:00")
    site.at("2026-11-20T14:00:01")

    sizes = [
        sum(path.stat().st_size for path in (site.app.state / "runs" / str(run.id)).glob(f"{step}*.log"))
        for run in site.runs("talkative")
        for step in ("here", "there")
    ]
    assert [size > 100_000 for size in sizes] == [True, True, False, False]
    assert all(5_000 < size < 12_000 for size in sizes[2:])


def test_a_heartbeat_is_taken_up_changed_and_dropped(house: Callable[..., Any]) -> None:
    heard: list[str] = []

    class Watcher(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            heard.append(self.path)
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Watcher) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        site = house({}, site=PEOPLE)
        for minute, text in enumerate(("", "/one", "/two", "")):
            url = f"heartbeat: {{url: 'http://127.0.0.1:{server.server_port}{text}'}}\n" if text else ""
            site.write("opsrunner.yaml", PEOPLE + url)
            site.at(f"2026-11-20T13:{minute:02}:00")
            site.app.pinger.look(is_healthy=site.daemon.is_healthy())
        server.shutdown()
        thread.join()
    assert heard == ["/one", "/two"]


def test_mails_leave_by_the_way_that_is_in_force(house: Callable[..., Any]) -> None:
    site = house({}, site=PEOPLE)
    edit = "mail: {from: desk@example.com, maildir: post}"
    site.write("opsrunner.yaml", PEOPLE.replace("mail: {from: ops@example.com}", edit))
    site.at("2026-11-20T13:00:00")
    site.at("2026-11-21T07:00:10")
    site.app.deliver()
    (mail,) = (site.root / "post" / "new").iterdir()
    assert b"From: desk@example.com\r\n" in mail.read_bytes().replace(b"\n", b"\r\n")
