"""`try` on a site that is set up for real: it runs everything and reaches nobody."""

from __future__ import annotations

import mailbox
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx2
import pytest

LETTERS = """\
name: Letters
accountable: owner
steps:
  - email: {to: customer@example.com, subject: Welcome, body: Hello}
"""
BUSY = """\
name: Fine
accountable: owner
steps:
  - run: ["true"]
"""


@pytest.fixture
def listener() -> Iterator[tuple[int, list[object]]]:
    """Listen where a mail server would, and note who comes."""
    came: list[object] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        over = threading.Event()

        def listen() -> None:
            while not over.is_set():
                try:
                    connection, address = server.accept()
                except TimeoutError:
                    continue
                came.append(address)
                connection.close()

        thread = threading.Thread(target=listen)
        thread.start()
        yield server.getsockname()[1], came
        over.set()
        thread.join()


def test_a_try_sends_no_mail_whatever_the_site_says(
    opsrunner: Callable[..., Any],
    make_site: Callable[[Mapping[str, str]], Path],
    listener: tuple[int, list[object]],
) -> None:
    port, came = listener
    site = make_site(
        {
            "opsrunner.yaml": (
                "site: Example Hosting\ntimezone: Europe/Oslo\n"
                "people: {boss: {name: The owner, email: owner@example.com, roles: [owner]}}\n"
                f"mail: {{from: ops@example.com, smtp: {{host: 127.0.0.1, port: {port}, security: none}}}}\n"
            ),
            "routines/letters.yaml": LETTERS,
            "routines/fine.yaml": BUSY,
        }
    )
    answer = opsrunner("try", site=site)
    assert answer.returncode == 0, answer.stderr
    kept = sorted(str(mail["Subject"]) for mail in mailbox.Maildir(site / "var/try/maildir"))
    assert came == []
    assert len(kept) == 2
    assert kept[1] == "Welcome"
    assert not (site / "var" / "ledger.db").exists(), "the real state is not touched"


@pytest.fixture
def paged_site(make_site: Callable[[Mapping[str, str]], Path]) -> tuple[Path, str]:
    """A site whose page has a port of its own, and its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        listen = f"127.0.0.1:{probe.getsockname()[1]}"
    text = (
        "site: Example Hosting\ntimezone: Europe/Oslo\n"
        "people: {boss: {name: The owner, email: owner@example.com, roles: [owner]}}\n"
        f"web: {{listen: '{listen}'}}\n"
    )
    return make_site({"opsrunner.yaml": text, "routines/fine.yaml": BUSY}), f"http://{listen}"


def test_a_try_ends_by_serving_its_page_and_a_way_in(paged_site: tuple[Path, str]) -> None:
    site, address = paged_site
    program = Path(sys.executable).with_name("opsrunner")
    command = [str(program), "try", "--serve", "--site", str(site)]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
    ) as serving:
        try:
            assert serving.stdout is not None
            lines = []
            for line in serving.stdout:
                lines.append(line)
                if "Ctrl-C ends it" in line:
                    break
            (link,) = re.findall(rf"{address}/sign-in/\S+", "".join(lines))
            with httpx2.Client(timeout=20) as browser:
                assert "Sign in" in browser.get(link).text
                entered = browser.post(link, headers={"Origin": address, "Sec-Fetch-Site": "same-origin"})
                assert entered.status_code == 303
                assert "Example Hosting" in browser.get(f"{address}/today").text
            serving.send_signal(signal.SIGTERM)
            rest = serving.stdout.read()
        except BaseException:
            serving.kill()
            raise
    assert serving.returncode == 0, rest
    assert "Traceback" not in rest
    assert not (site / "var" / "ledger.db").exists(), "the real state is not touched"


def test_a_try_whose_page_cannot_be_served_says_so_and_ends(
    opsrunner: Callable[..., Any], paged_site: tuple[Path, str]
) -> None:
    site, address = paged_site
    with socket.create_server(("127.0.0.1", int(address.rpartition(":")[2]))):
        answer = opsrunner("try", "--serve", site=site)
    assert answer.returncode not in (0, -9)
    assert "set web.listen in opsrunner.yaml" in answer.stderr
    assert "Traceback" not in answer.stderr


def test_a_try_that_serves_has_no_json(opsrunner: Callable[..., Any], paged_site: tuple[Path, str]) -> None:
    answer = opsrunner("try", "--serve", "--json", site=paged_site[0])
    assert answer.returncode == 2
    assert "without --json" in answer.stderr
