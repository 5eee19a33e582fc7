"""`try` on a site that is set up for real: it runs everything and reaches nobody."""

from __future__ import annotations

import mailbox
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

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
