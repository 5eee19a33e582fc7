"""`maintenance` and `incident` on the command line."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from opsrunner.cli.main import call

SITE = """\
site: Example Hosting
timezone: Europe/Oslo
people:
  boss: {name: The owner, email: owner@example.com, roles: [owner]}
  eye: {name: The auditor, email: eye@example.com, roles: [viewer]}
sources:
  services: {csv: data/services.csv, columns: {service: text, email: text, name: text, customer: text, host: text}}
"""
FAR = f"{datetime.now(ZoneInfo('Europe/Oslo')) + timedelta(hours=12):%H:00}"
"""An hour in which the window is not on while the tests run."""
WINDOWS = f"""\
windows:
  kernel: {{name: Kernel updates, schedule: {{every: day, at: "{FAR}"}}, lasts: 1h, hosts: [web1]}}
incidents: {{audience: {{source: services}}}}
"""
SERVICES = "service,email,name,customer,host\nshop.example,kari@customer.example,Kari,C1,web1\n"
BESIDE = 'name: Beside\naccountable: owner\nschedule: {of: maintenance.kernel, offset: -1h}\nsteps: [{run: ["true"]}]\n'


class Line:
    """A command line in a site."""

    def __init__(self, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.root, self._capsys = root, capsys

    def __call__(self, *words: str, person: str = "boss") -> tuple[int, str]:
        """Type a command, and return its exit code and what it said."""
        who = ["--as", person] if person and words[1] not in ("list", "show") and words[0] != "next" else []
        code = call([*words, *who, "--site", str(self.root)])
        said = self._capsys.readouterr()
        return code, said.out + said.err

    def json(self, *words: str) -> Any:
        return json.loads(self(*words, "--json")[1])


@pytest.fixture
def line(make_site: Callable[[Mapping[str, str]], Path], capsys: pytest.CaptureFixture[str]) -> Line:
    """A site with the daily window `kernel`."""
    root = make_site(
        {
            "opsrunner.yaml": SITE,
            "maintenance.yaml": WINDOWS,
            "routines/beside.yaml": BESIDE,
            "data/services.csv": SERVICES,
        }
    )
    return Line(root, capsys)


def test_a_window_is_shown_moved_and_called_off(line: Line) -> None:
    code, said = line("maintenance", "list", "--until", "+2d")
    assert code == 0
    assert "Kernel updates" in said
    assert "no customer is told" in said
    code, said = line("maintenance", "move", "kernel", "--to", "+20d", "--reason", "not yet")
    assert (code, "It is moved." in said) == (0, True)
    (moved,) = [one for one in line.json("maintenance", "list", "--until", "+30d") if one["moved_at"]]
    assert moved["status"] == "planned"
    day = moved["begins_at"][:10]
    assert any(one["shift"] == "moved with maintenance.kernel" for one in line.json("next", "beside", "--count", "25"))
    assert line("maintenance", "cancel", "kernel", "--on", day)[0] == 0


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("maintenance", "show", "kernl"), 1, "there is no maintenance window 'kernl', did you mean 'kernel'?"),
        (("maintenance", "post", "kernel", "It goes well."), 1, "has not begun"),
        (("maintenance", "move", "kernel"), 2, "say where to"),
        (("maintenance", "move", "kernel", "--to", "yesterday"), 2, "to a time to come"),
        (("maintenance", "move", "kernel", "--until", "+1m"), 2, ": it must end after it begins and after now"),
        (("maintenance", "list", "--until", "yesterday"), 2, "--until must be ahead"),
        (("maintenance", "end", "kernel", "--on", "2031-01-01"), 1, "not planned on 2031-01-01"),
        (("incident", "open", "wbe1", "--title", "x"), 2, "did you mean 'web1'?"),
        (("incident", "end"), 1, "no incident is open"),
        (("incident", "end", "7"), 1, "there is no incident 7"),
        (("incident", "post", "a", "b"), 2, "put the text in quotes"),
        (("incident", "open", "web1", "--title", " "), 2, "say in a few words what is wrong"),
    ],
)
def test_a_slip_is_answered_with_one_line(line: Line, words: tuple[str, ...], code: int, said: str) -> None:
    found, told = line(*words)

    assert found == code
    assert said in told
    assert len(told.strip().splitlines()) == 1


def test_whom_an_incident_would_affect_can_be_asked_by_who_is_nobody_here(line: Line) -> None:
    code, said = line("incident", "open", "web1", "--title", "Mail is slow", "--dry-run", person="")

    assert (code, said) == (0, "Affected: 1 customer with 1 service. Nobody was told.\n")


def test_an_incident_is_opened_posted_shown_and_ended(line: Line) -> None:
    assert line("incident", "open", "web1", "--title", "Mail is slow", "--dry-run")[1] == (
        "Affected: 1 customer with 1 service. Nobody was told.\n"
    )
    code, said = line("incident", "open", "web1", "--title", "Mail is slow")
    assert (code, "it affects 1 customer with 1 service" in said) == (0, True)
    assert line("incident", "list")[0] == 1
    assert line("maintenance", "list")[0] == 1
    assert line("incident", "post", "A disk was broken.")[0] == 0
    shown = line.json("incident", "show")
    assert [post["text"] for post in shown["posts"]] == ["A disk was broken."]
    assert shown["people"][0]["to"] == "kari@customer.example"
    assert line("incident", "end", "1")[0] == 0
    assert line("incident", "end", "1")[1].startswith("opsrunner: incident 1 has ended already")
    assert line("incident", "list")[0] == 0


def test_who_may_only_look_opens_and_moves_nothing(line: Line) -> None:
    for words in (
        ("incident", "open", "web1", "--title", "x"),
        ("maintenance", "cancel", "kernel"),
        ("maintenance", "move", "kernel", "--to", "+3d"),
    ):
        code, said = line(*words, person="eye")
        assert (code, "may look, but not change" in said) == (1, True)
