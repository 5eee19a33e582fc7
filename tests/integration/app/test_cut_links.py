"""A link that is cut in the middle of a command on a host, from the real sshd to the run in the ledger (B61)."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from opsrunner.fleet.host_keys import trust
from opsrunner.model.run import RunStatus

from ...host_commands import CUT_THE_LINK

pytestmark = pytest.mark.needs("sshd", "ssh-keygen")

SITE = """\
site: Example Hosting
timezone: UTC
people:
  boss: {{name: The owner, email: owner@example.com, roles: [owner], login: boss}}
mail: {{from: ops@example.com}}
hosts:
  web2: {{address: {host.address}, port: {host.port}, user: {host.user}, key_file: {host.key_file}}}
"""
ROUTINE = """\
name: Upgrade
accountable: owner
schedule: {{every: day, at: "05:00"}}
steps:
  - ssh: {{hosts: web2, run: echo fine}}
  - ssh:
      hosts: web2
      run: |
        echo $$ >> "$FOLDER/begun"
        {cut_the_link}
        sleep 30
    id: upgrade
    env: {{FOLDER: {folder}}}
    retry: {{times: 2, wait: 1s}}
    after_crash: {after_crash}
"""


@pytest.mark.parametrize(("after_crash", "times"), [("ask", 1), ("rerun", 3)])
def test_it_is_unknown_and_tried_again_only_where_the_step_says_so(
    house: Callable[..., Any], sshd_farm: Any, tmp_path: Any, after_crash: str, times: int
) -> None:
    host = sshd_farm.host(2)
    routine = ROUTINE.format(after_crash=after_crash, folder=tmp_path, cut_the_link=CUT_THE_LINK)
    site = house({"upgrade": routine}, site=SITE.format(host=host))
    trust(site.app.known_hosts, host, sshd_farm.public_keys(host))

    site.work()
    site.at("2026-11-21T05:00:01")
    begun = (tmp_path / "begun").read_text().split()
    for process_id in begun:
        with suppress(ProcessLookupError):
            os.kill(int(process_id), signal.SIGKILL)

    (run,) = site.runs("upgrade")
    steps = {step.id: step for step in site.app.books.steps.of_run(run.id)}
    assert run.status is RunStatus.FAILED
    assert len(begun) == times
    assert steps["upgrade"].status.value == "unknown"
    assert "no word from the host; the command may still run there" in steps["upgrade"].outcome.message
