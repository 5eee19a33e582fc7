"""What an edit of `opsrunner.yaml` changes while the daemon goes on."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

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
HOURLY = 'name: Hourly\naccountable: sysadmin\nschedule: {every: 1h}\nsteps:\n  - run: ["true"]\n'


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


def test_a_folder_of_routines_that_goes_missing_unschedules_nothing_not_even_by_a_restart(
    house: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    site = house({"hourly": HOURLY}, site=PEOPLE)
    site.at("2026-11-20T13:00:01")
    (site.root / "routines").rename(site.root / "elsewhere")
    site.at("2026-11-20T13:30:00")
    said = [record.message for record in caplog.records if record.message.startswith("routines:1:1: the folder is")]
    site.at("2026-11-20T14:00:01")
    site.close()
    site.open()
    site.at("2026-11-20T15:00:01")
    digest = site.app.digests.preview("daily", site.clock.now()).digest
    (site.root / "elsewhere").rename(site.root / "routines")
    site.at("2026-11-20T15:30:00")
    site.at("2026-11-20T16:00:01")

    assert len(said) == 1
    assert [(run.nominal_at.hour, run.status.value) for run in site.runs("hourly")] == [
        (13, "succeeded"),
        (14, "succeeded"),
        (15, "succeeded"),
        (16, "succeeded"),
    ]
    (mistake,) = digest.in_hand
    assert (mistake.title, mistake.command) == ("routines", "opsrunner check")
    assert mistake.facts == (
        "The folder is missing, mount its disk or put it back; an empty one runs nothing. "
        "The last good version of 1 routine stays in force."
    )
    assert site.app.digests.preview("daily", site.clock.now()).digest.in_hand == ()


def test_an_empty_folder_of_routines_is_meant(house: Callable[..., Any]) -> None:
    site = house({"hourly": HOURLY}, site=PEOPLE)
    site.at("2026-11-20T13:00:01")
    (site.root / "routines/hourly.yaml").unlink()
    site.at("2026-11-20T13:30:00")
    site.at("2026-11-20T14:00:01")

    assert len(site.runs("hourly")) == 1
    assert site.app.books.routines.all()["hourly"].gone_at == datetime.fromisoformat("2026-11-20T13:30:00+00:00")


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


def test_hosts_of_an_inventory_change_with_its_file_and_stay_as_they_were_while_it_is_broken_also_over_a_restart(
    house: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    site = house({"hourly": HOURLY}, site=PEOPLE)
    site.write("hosts.ini", "web1 ansible_host=192.0.2.1\n")
    site.write("opsrunner.yaml", PEOPLE + "inventory: {ansible: hosts.ini}\n")
    site.at("2026-11-20T13:00:01")
    first = dict(site.app.site.hosts)
    site.write("hosts.ini", "web1 ansible_host=192.0.2.1\nweb2 ansible_host=192.0.2.2\n")
    site.at("2026-11-20T13:30:00")
    second = dict(site.app.site.hosts)
    site.write("hosts.ini", "web1 ansible_host=192.0.2.1 ansible_port=none\n")
    site.at("2026-11-20T14:00:01")
    broken = dict(site.app.site.hosts)
    site.close()
    site.open()
    site.at("2026-11-20T15:00:01")

    assert list(first) == ["web1"]
    assert list(second) == ["web1", "web2"]
    assert broken == second == site.app.site.hosts
    said = "hosts.ini:1:29: port: web1: must be a whole number, not 'none'"
    assert [record.message for record in caplog.records].count(said) >= 2
    assert len(site.runs("hourly")) == 3
