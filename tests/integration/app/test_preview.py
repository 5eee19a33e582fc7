"""What a run would do, shown before it does it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from opsrunner.engine.preview import preview_run

SCRIPT = """\
name: Backups
accountable: sysadmin
steps:
  - run: |
      set -e
      rm -rf /srv/old
    timeout: 90m
  - ssh: {hosts: local, run: "one\\ntwo"}
    timeout: 40s
"""


def test_it_shows_every_line_of_a_command_and_its_time_limit_in_words(house: Callable[..., Any]) -> None:
    site = house({"backups": SCRIPT})
    steps = preview_run(site.app.routine("backups"), site.app.site, state=site.app.state, now=site.clock.now())
    assert [step.lines for step in steps] == [("set -e", "rm -rf /srv/old"), ("on local: one", "two")]
    assert [step.notes[0] for step in steps] == ["at most 1 hour 30 minutes", "at most 40 seconds"]
