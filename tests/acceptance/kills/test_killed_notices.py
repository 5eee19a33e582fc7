"""A notice to thousands, whose sender is killed again and again: each recipient has one mail.

The daemon is killed at moments picked by chance while it hands over, at a sync of its journal or ledger (strace), and
by the mail server, which has the mail and has not said so yet. Only the mail in flight at a kill may come twice, and
then under the same Message-ID.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tests.acceptance.kills.conftest import strace

import opsrunner
from opsrunner.app import open_app
from opsrunner.model.mail import NewMail

pytestmark = pytest.mark.needs("strace")
KINDS = ("chance", "chance", "chance", "mail", "sync")
SOURCE = Path(str(opsrunner.__file__)).parents[1]
SITE = """\
site: Example Hosting
timezone: UTC
people:
  boss: {{name: The owner, email: owner@example.com, roles: [owner]}}
mail: {{from: ops@example.com, smtp: {{host: 127.0.0.1, port: {port}, security: none}}}}
digest: {{daily: null, weekly: null, monthly: null}}
"""


@dataclass
class Notice:
    """A site with a notice to hand over, and its mail server."""

    root: Path
    postbox: Any
    dice: random.Random
    kills: Counter[str] = field(default_factory=Counter)

    def queue(self, count: int) -> None:
        """Queue a mail for each of `count` recipients."""
        app = open_app(self.root)
        try:
            mails = [
                NewMail(
                    to=f"c{number}@example.com",
                    subject=f"Notice {number}",
                    text="We work on web1 on Tuesday.\n" * 60,
                    html="<p>We work on web1 on Tuesday.</p>" * 60,
                    bulk=True,
                    series="maintenance",
                )
                for number in range(count)
            ]
            app.books.outbox.put(mails, at=app.clock.now())
        finally:
            app.close()

    def waiting(self) -> int:
        app = open_app(self.root)
        try:
            return app.books.outbox.waiting()
        finally:
            app.close()

    def live(self, kind: str) -> None:
        """Start the daemon, let it hand over for a while, and kill it."""
        program = "from opsrunner.cli.main import main; raise SystemExit(main())"
        command = [sys.executable, "-c", program, "serve", "--no-page"]
        words = strace(self.dice.randint(8, 60)) if kind == "sync" else []
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.root), "PYTHONPATH": str(SOURCE)}
        before = len(self.postbox.received)
        with (self.root / "serve.log").open("wb") as log:
            process = subprocess.Popen(
                [*words, *command], cwd=self.root, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        self._until(lambda: len(self.postbox.received) > before or process.poll() is not None)
        if kind == "mail":
            self.postbox.on_data = process.kill
            self._until(lambda: process.poll() is not None)
            self.postbox.on_data = lambda: None
        elif kind == "sync":
            self._until(lambda: process.poll() is not None, seconds=2)
        else:
            time.sleep(self.dice.uniform(0, 0.3))
        process.kill()
        process.wait()
        self.kills[kind] += 1

    def _until(self, is_so: Callable[[], bool], *, seconds: float = 30) -> None:
        deadline = time.monotonic() + seconds
        while not is_so() and time.monotonic() < deadline:
            time.sleep(0.005)

    def wind_up(self) -> None:
        """Hand over what is left."""
        app = open_app(self.root)
        try:
            while app.deliver():
                pass
        finally:
            app.close()

    def check(self, count: int) -> None:
        """Each recipient has one mail, or at most the one in flight at a kill twice."""
        ids: dict[str, set[str]] = {}
        for message_id, subject in self.postbox.received:
            ids.setdefault(subject, set()).add(message_id)
        assert sorted(ids, key=lambda name: int(name.split()[1])) == [f"Notice {number}" for number in range(count)]
        assert all(len(own) == 1 for own in ids.values())
        again = len(self.postbox.received) - count
        assert again <= self.kills.total()
        assert self.waiting() == 0
        print(f"{self.kills.total()} kills {dict(self.kills)}: {count:,} recipients, {again} mails twice, none lost")


@pytest.fixture
def notice(make_site: Callable[[Mapping[str, str]], Path], open_postbox: Callable[[], Any]) -> Callable[[int], Notice]:
    """Make a site with a notice for so many recipients."""

    def build(count: int) -> Notice:
        postbox = open_postbox()
        root = make_site({"opsrunner.yaml": SITE.format(port=postbox.port)})
        made = Notice(root=root, postbox=postbox, dice=random.Random(count))
        made.queue(count)
        return made

    return build


def kill_through(notice: Notice, *, count: int, kills: int) -> None:
    for number in range(kills):
        notice.live(KINDS[number % len(KINDS)])
    notice.wind_up()
    notice.check(count)


def test_each_of_300_recipients_has_one_mail_through_5_kills(notice: Callable[[int], Notice]) -> None:
    kill_through(notice(300), count=300, kills=5)


@pytest.mark.soak
@pytest.mark.timeout(1200)
def test_each_of_10000_recipients_has_one_mail_through_50_kills(notice: Callable[[int], Notice]) -> None:
    kill_through(notice(10_000), count=10_000, kills=50)
