"""`opsrunner notices` as it is typed."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from opsrunner.cli.main import call
from opsrunner.ledger.books import Books
from opsrunner.model.mail import NewMail

SITE = """\
site: Example Hosting
timezone: Europe/Oslo
people:
  boss: {name: The owner, email: owner@example.com, roles: [owner]}
  eye: {name: The auditor, email: eye@example.com, roles: [viewer]}
sources:
  domains: {csv: domains.csv, columns: {domain: text, email: text?, expires_at: date?}}
"""
ROUTINE = """\
name: Domain renewals
accountable: boss
schedule: {every: day, at: "08:00"}
steps:
  - notice: {source: domains, key: domain, at: expires_at, to: email, ladder: [7d], template: renewal}
"""


@pytest.fixture
def site(make_site: Callable[[Mapping[str, str]], Path]) -> Path:
    """A site with one domain that is told of in three days, and one without an address."""
    ends = (datetime.now(UTC) + timedelta(days=10)).date()
    return make_site(
        {
            "opsrunner.yaml": SITE,
            "routines/renewals.yaml": ROUTINE,
            "reports/renewal.txt.j2": "Subject: {{ key }} ends\nDear customer\n",
            "domains.csv": f"domain,email,expires_at\na.example,kari@example.com,{ends}\nb.example,,{ends}\n",
        }
    )


def ask(site: Path, *words: str) -> int:
    return call(["notices", *words, "--site", str(site)])


def test_it_shows_who_gets_what_when(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ask(site, "--until", "+30d") == 1, "one row says nobody"
    said = capsys.readouterr().out
    assert "kari@example.com" in said
    assert "renewals.notice: not live, so that nothing of it goes." in said
    assert "nobody can be told of 1 rows; first: b.example: the row says no mail address" in said


def test_it_answers_with_json(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ask(site, "list", "renewals", "--json")
    (notice,) = json.loads(capsys.readouterr().out)
    assert (notice["notice"], notice["standing"], notice["unknown"]) == ("renewals.notice", "not live", 1)
    assert [(one["to"], one["about"], one["rung"], one["state"]) for one in notice["coming"]] == [
        ("kari@example.com", "a.example", "7d", "held")
    ]


def test_it_shows_a_mail_as_it_would_go(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ask(site, "renewals", "--show", "1") == 0
    assert capsys.readouterr().out.splitlines()[:3] == ["To: kari@example.com", "Subject: a.example ends", ""]
    assert ask(site, "--show", "2") == 1
    assert capsys.readouterr().err == "opsrunner: there is no mail 2; 1 are to come\n"


WINDOWS = """\
windows:
  kernel:
    name: Kernel updates
    schedule: {once: "%s"}
    lasts: 2h
    hosts: [web1]
    audience: {source: services}
"""
SERVICES = "  services: {csv: services.csv, columns: {service: text, email: text, host: text}}\n"


def test_windows_are_told_of_as_notices_are(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    begins = (datetime.now(UTC) + timedelta(days=10)).strftime("%Y-%m-%dT12:00")
    for name, text in {
        "opsrunner.yaml": SITE + SERVICES,
        "maintenance.yaml": WINDOWS % begins,
        "services.csv": "service,email,host\nshop.example,kari@example.com,web1\n",
    }.items():
        (site / name).write_text(text)
        (site / name).chmod(0o600)
    begin = begins.replace("T", " ")
    assert ask(site, "maintenance.kernel", "--until", "+30d") == 0
    said = " ".join(capsys.readouterr().out.split())
    assert f"kari@example.com {begin} 24h maintenance.kernel held" in said
    assert f"maintenance.kernel {begin}: Its list is laid before the owner " in said
    assert f"maintenance.kernel {begin}: Its end is told when somebody says that it is over." in said
    ask(site, "--json")
    window = json.loads(capsys.readouterr().out)[-1]
    assert (window["occasion"], window["standing"], window["task"]) == (begin, "waits for approval", None)
    assert [(one["rung"], one["about"]) for one in window["coming"]] == [
        (rung, begin) for rung in ("7d", "24h", "start", "end")
    ]
    assert ask(site, "maintenance.kernel", "--show", "3") == 0
    assert "Subject: It begins: Kernel updates" in capsys.readouterr().out
    assert ask(site, "maintenance.kernel", "--until", "+1d") == 0
    assert capsys.readouterr().out == "maintenance.kernel: nothing to tell in that time.\n"


def test_an_address_is_suppressed_and_let_in_again(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ask(site, "suppress", "Kari@Example.com", "--reason", "asked us", "--as", "boss") == 0
    assert ask(site, "suppress", "kari@example.com", "--reason", "asked us", "--as", "boss") == 1
    assert "is suppressed already" in capsys.readouterr().err
    ask(site, "suppressed", "--json")
    (one,) = json.loads(capsys.readouterr().out)
    assert (one["address"], one["why"], one["by"]) == ("kari@example.com", "asked us", "boss")
    ask(site, "--json")
    (notice,) = json.loads(capsys.readouterr().out)
    assert [(each["state"], each["why"]) for each in notice["coming"]] == [("suppressed", "asked us")]
    assert ask(site, "unsuppress", "kari@example.com", "--as", "boss") == 0
    assert ask(site, "unsuppress", "kari@example.com", "--as", "boss") == 1


def test_what_waits_for_a_suppressed_address_is_taken_back(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ask(site, "suppressed")  # makes the ledger
    with closing(Books.open(next(site.parent.rglob("ledger.db"))).ledger) as ledger:
        mail = NewMail(to="kari@example.com", subject="x", text="t", bulk=True, series="renewals.notice")
        Books(ledger).outbox.put([mail], at=datetime.now(UTC))
    capsys.readouterr()
    assert ask(site, "suppress", "kari@example.com", "--reason", "asked us", "--as", "boss") == 0
    said = "kari@example.com gets no notices any more. 1 mail that had not left is taken back."
    assert said in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("nothing",), 1, "there is no notice 'nothing'; there are: renewals"),
        (("--until", "-3d"), 2, "--until must be ahead, by 400 days at most"),
        (("suppress", "kari", "--reason", "x", "--as", "boss"), 2, "not a mail address: 'kari'"),
        (("suppress", "kari@example.com", "--as", "boss"), 2, "say why: --reason TEXT"),
        (("suppress", "kari@example.com", "--reason", "x", "--as", "eye"), 1, "may not say who gets notices"),
    ],
    ids=["unknown", "past", "no address", "no reason", "viewer"],
)
def test_what_cannot_be_is_one_line(
    site: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], code: int, said: str
) -> None:
    assert ask(site, *words) == code
    err = capsys.readouterr().err
    assert said in err
    assert err.count("\n") == 1
