"""What ends when, through the whole of a site: rows, tasks that close by themselves, and what is never called fine."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from opsrunner.model.outcome import Outcome, StepStatus
from opsrunner.model.task import Task, TaskStatus

from ..expiries.authority import TlsServer, context, make
from ..expiries.registry import Registry, send
from .conftest import SITE

House = Any
Open = Callable[..., House]
RENEWALS = """\
name: Renewals
accountable: ops1
schedule: {every: day, at: "13:00"}
steps:
  - id: ends
    expiries:
      from:
        - {source: domains, name: domain, where: {status: active}}
        - rdap: known
  - id: lapsing
    task: "{{ row.name }} ends in {{ row.days_left }} days: call {{ row.customer_name }}"
    for_each: >-
      steps.ends.rows | selectattr('state', 'in', ['ended', 'ending']) | selectattr('days_left', 'le', 3) | list
    key: row.name
    closes_when_gone: true
    how: "{{ row.message }}"
  - id: differing
    task: "{{ row.name }}: not all say the same date"
    for_each: steps.ends.rows | selectattr('disagreement') | list
    key: row.name
    closes_when_gone: true
    how: "{{ row.sources }}"
  - id: unknown
    task: "Find out when {{ row.count }} domains end"
    for_each: "[{'count': steps.ends.unknown, 'names': steps.ends.unknown_names}] if steps.ends.unknown else []"
    key: "'unknown'"
    closes_when_gone: true
    how: "{% for name in row.names %}- {{ name }}\\n{% endfor %}"
"""
COLUMNS = "{domain: text, customer: text, name: text, email: text, expires_at: date?, status: text}"
SOURCES = f"sources: {{domains: {{csv: domains.csv, columns: {COLUMNS}}}}}\n"


@pytest.fixture
def registry() -> Iterator[Registry]:
    """A registry for .no."""
    server = Registry()
    yield server
    server.close()


class Company:
    """A site whose billing system and registry are changed from day to day."""

    def __init__(self, house: Open, registry: Registry, *, routine: str = RENEWALS, rdap: str = "") -> None:
        self.registry = registry
        own = rdap or f"{{bases: {{no: '{registry.url}'}}, bootstrap: ''}}"
        self.house = house({"renewals": routine}, site=f"{SITE}{SOURCES}rdap: {own}\n")
        self.billing: dict[str, str] = {}

    def says(self, **domains: str) -> None:
        """Let the billing system say when domains end; `_` stands for a dot."""
        self.billing |= {name.replace("_", "."): end for name, end in domains.items()}
        rows = [f"{name},C1,Kari Nordmann,kari@example.com,{end},active" for name, end in self.billing.items()]
        header = "domain,customer,name,email,expires_at,status"
        (self.house.root / "domains.csv").write_text("\n".join([header, *rows, ""]))

    def at(self, text: str) -> Outcome:
        """Let time pass; return how the step of the run at that time ended."""
        self.house.at(text)
        ran = [one for run in self.house.runs("renewals") for one in self.house.app.books.steps.of_run(run.id)]
        found: Outcome | None = [one for one in ran if one.id == "ends"][-1].outcome
        assert found is not None
        return found

    def titles(self) -> list[str]:
        return sorted(task.title for task in self.house.app.books.tasks.opened())


@pytest.fixture
def company(house: Open, registry: Registry) -> Company:
    return Company(house, registry)


def test_each_thing_has_a_row_with_all_that_is_said_of_it(company: Company) -> None:
    company.says(near_no="2026-12-01", far_no="2028-01-01", unknown_no="", shop_example="")
    company.registry.domains = {"near.no": "2026-12-01T10:00:00Z", "far.no": "2028-01-01T00:00:00Z"}
    ended = company.at("2026-11-20 13:00")
    assert ended.status is StepStatus.WARNING
    rows = {row["name"]: row for row in ended.rows}
    assert list(rows) == ["near.no", "unknown.no", "shop.example"]
    near = rows["near.no"]
    assert near["expires_at"] == datetime(2026, 12, 1, tzinfo=UTC)
    assert (near["kind"], near["state"], near["days_left"]) == ("domain", "ending", 11)
    assert (near["customer"], near["customer_name"], near["email"]) == ("C1", "Kari Nordmann", "kari@example.com")
    assert near["ends_on"] == date(2026, 12, 1)
    assert near["sources"] == "domains 2026-12-01, 127.0.0.1 2026-12-01"
    assert near["disagreement"] is False
    assert near["checked_at"] == datetime(2026, 11, 20, 13, tzinfo=UTC)
    assert rows["unknown.no"]["message"].startswith("unknown.no: 127.0.0.1: the registry knows no such domain")
    assert "nobody registers names in .example" in rows["shop.example"]["message"]
    facts = {name: ended.facts[name] for name in ("count", "ending", "wrong", "unknown", "later", "asked")}
    assert facts == {"count": 4, "ending": 1, "wrong": 1, "unknown": 1, "later": 1, "asked": 3}


def test_a_renewed_domain_ends_its_task_by_itself(company: Company) -> None:
    """What uptime-kuma's issue 7189 tells of: a renewed domain that kept alarming."""
    company.says(a_no="2026-11-22")
    company.registry.domains = {"a.no": "2026-11-22T10:00:00Z"}
    company.at("2026-11-20 13:00")
    assert company.titles() == ["a.no ends in 2 days: call Kari Nordmann"]
    company.says(a_no="2027-11-22")
    company.registry.domains = {"a.no": "2027-11-22T10:00:00Z"}
    ended = company.at("2026-11-21 13:00")
    assert (ended.status, ended.rows) == (StepStatus.SUCCEEDED, ())
    assert company.titles() == []


def test_a_domain_that_was_renewed_within_the_day_is_seen_by_a_run_by_hand(company: Company) -> None:
    company.says(a_no="2026-11-22")
    company.registry.domains = {"a.no": "2026-11-22T10:00:00Z"}
    company.at("2026-11-20 13:00")
    company.says(a_no="2027-11-22")
    company.registry.domains = {"a.no": "2027-11-22T10:00:00Z"}
    company.house.clock.move(hours=2)
    company.house.app.routine_acts.ask_for_run("renewals", actor="ops1", at=company.house.clock.now())
    company.house.work()
    assert company.titles() == []


def test_a_registry_that_is_down_after_a_renewal_is_told_with_the_age_of_its_word(company: Company) -> None:
    company.says(a_no="2026-11-22")
    company.registry.domains = {"a.no": "2026-11-22T10:00:00Z"}
    company.at("2026-11-20 13:00")
    company.says(a_no="2027-11-22")
    company.registry.behave = lambda handler, _: send(handler, 500)
    ended = company.at("2026-11-21 13:00")
    (row,) = ended.rows
    assert row["message"] == (
        "a.no: ends tomorrow, on 2026-11-22; not all say the same: 127.0.0.1 2026-11-22 (1 d old), domains 2027-11-22;"
        " 127.0.0.1 answered 500"
    )
    company.registry.behave, company.registry.domains = None, {"a.no": "2027-11-22T10:00:00Z"}
    assert company.at("2026-11-22 13:00").rows == ()
    assert company.titles() == []


def test_sources_that_differ_open_one_task_a_name_and_the_earlier_date_counts(company: Company) -> None:
    company.says(a_no="2028-01-01", b_no="2028-01-01")
    company.registry.domains = {"a.no": "2028-01-02T00:00:00Z", "b.no": "2026-11-22T00:00:00Z"}
    for day in (20, 21):
        company.at(f"2026-11-{day} 13:00")
        assert company.titles() == [
            "b.no ends in 2 days: call Kari Nordmann",
            "b.no: not all say the same date",
        ]
    company.says(b_no="2026-11-22")
    company.at("2026-11-22 13:00")
    assert company.titles() == ["b.no ends in 2 days: call Kari Nordmann"]


def test_rows_that_were_left_out_close_nothing(company: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    company.says(a_no="2026-11-22", b_no="2026-11-22")
    company.registry.domains = {"a.no": "2026-11-22T10:00:00Z", "b.no": "2026-11-22T10:00:00Z"}
    assert company.at("2026-11-20 13:00").facts["truncated"] is False
    monkeypatch.setattr("opsrunner.steps.expiries_run.MOST_ROWS", 1)
    ended = company.at("2026-11-21 13:00")
    assert (len(ended.rows), ended.facts["rows_left_out"], ended.facts["truncated"]) == (1, 1, True)
    assert len(company.titles()) == 2


def test_what_nobody_knows_is_one_task_with_the_list(company: Company) -> None:
    company.says(**{f"n{number}_example": "" for number in range(30)})
    company.at("2026-11-20 13:00")
    company.at("2026-11-21 13:00")
    (task,) = company.house.app.books.tasks.opened()
    assert task.title == "Find out when 30 domains end"
    assert task.how.count("- n") == 30
    company.says(**{f"n{number}_example": "2028-01-01" for number in range(30)})
    assert company.at("2026-11-22 13:00").status is StepStatus.SUCCEEDED
    closed: Task = company.house.app.books.tasks.get(task.id)
    assert (closed.status, closed.closed_by) == (TaskStatus.DONE, "source")


def test_a_source_that_cannot_be_read_closes_nothing(company: Company) -> None:
    company.says(a_no="2026-11-22")
    company.at("2026-11-20 13:00")
    before = company.titles()
    (company.house.root / "domains.csv").unlink()
    assert company.at("2026-11-21 13:00").status is StepStatus.FAILED
    assert set(before) < set(company.titles())


def test_names_far_from_their_end_are_asked_for_once_a_month_and_some_a_day(house: Open, registry: Registry) -> None:
    routine = RENEWALS.replace("rdap: known", "rdap: {names: known, most: 4}")
    company = Company(house, registry, routine=routine)
    company.says(**{f"n{number}_no": "2028-01-01" for number in range(6)})
    registry.domains = dict.fromkeys(company.billing, "2028-01-01T00:00:00Z")
    assert company.at("2026-11-20 13:00").facts["not_asked"] == 2
    assert company.at("2026-11-21 13:00").facts["asked"] == 2
    assert company.at("2026-11-22 13:00").facts["asked"] == 0
    assert sorted(registry.asked) == sorted(company.billing)


def test_the_list_of_registries_is_fetched_kept_and_done_without(house: Open, registry: Registry) -> None:
    lists = Registry()
    listed = {"services": [[["no"], [registry.url]]]}
    lists.behave = lambda handler, _: send(handler, 200, json.dumps(listed).encode())
    company = Company(house, registry, rdap=f"{{bootstrap: '{lists.url}rdap/dns.json', bases: {{se: null}}}}")
    company.says(a_no="2026-12-01", b_se="", c_de="")
    registry.domains = {"a.no": "2026-12-01T00:00:00Z"}
    first = company.at("2026-11-20 13:00")
    assert (lists.asked, registry.asked) == (["dns.json"], ["a.no"])
    assert first.facts["rdap_list"] == "IANA's, fetched just now"
    told = {row["name"]: row["message"] for row in first.rows}
    assert "says that its registry is not asked" in told["b.se"]
    assert "no RDAP server is known for .de" in told["c.de"]
    lists.behave = lambda handler, _: send(handler, 500)
    assert company.at("2026-11-22 13:00").facts["rdap_list"] == "IANA's, 2 d old"
    assert lists.asked == ["dns.json"]
    later = company.at("2026-11-30 13:00")
    assert later.facts["rdap_list"] == "IANA's, 10 d old"
    assert later.facts["rdap_list_problem"] == "it answered 500"
    lists.close()


CERTIFICATES = """\
name: Certificates
accountable: ops1
schedule: {{every: day, at: "13:00"}}
steps:
  - id: ends
    expiries:
      from:
        - tls: ["localhost:{port}"]
        - files: ["{folder}/*.pem"]
        - by_hand: {{Lease of rack 3: 2026-12-31, Panel licence: 2028-01-01}}
          kind: contract
  - task: "{{{{ row.message }}}}"
    for_each: steps.ends.rows
    key: row.name
    closes_when_gone: true
"""


def test_certificates_and_dates_by_hand_stand_beside_each_other(
    house: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = make("Our authority", is_authority=True, days=(-100, 3000))
    (tmp_path / "authority.pem").write_bytes(authority.pem())
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
    (tmp_path / "live").mkdir()
    server = TlsServer(context(tmp_path, make("x", by=authority, names=("localhost",), days=(-1, 10))))
    own = house({"renewals": CERTIFICATES.format(port=server.port, folder=tmp_path / "live")})
    (tmp_path / "live/a.pem").write_bytes(make("x", by=authority, names=("a.example",), days=(-1, 20)).pem())
    own.at("2026-11-20 13:00")
    before = {task.title for task in own.app.books.tasks.opened()}
    assert before == {
        f"localhost:{server.port}: ends in 10 days, on 2026-11-30",
        f"{tmp_path}/live/a.pem: ends in 20 days, on 2026-12-10",
        "Lease of rack 3: ends in 41 days, on 2026-12-31",
    }
    server.close()
    (tmp_path / "live/a.pem").write_text("-----BEGIN CERTIFICATE-----\n")
    own.at("2026-11-21 13:00")
    assert {task.title for task in own.app.books.tasks.opened()} == before  # what it showed before still stands
    (record,) = [one for one in own.app.books.steps.of_run(own.runs("renewals")[-1].id) if one.id == "ends"]
    told = {row["name"]: row["message"] for row in record.outcome.rows}
    name = f"localhost:{server.port}"
    assert told[name] == f"{name}: ends in 9 days, on 2026-11-30; {name}: connection refused"
    assert told[f"{tmp_path}/live/a.pem"].endswith("ends in 19 days, on 2026-12-10; its certificate cannot be read")
    (tmp_path / "live/a.pem").write_bytes(make("x", by=authority, names=("a.example",), days=(-1, 200)).pem())
    own.at("2026-11-22 13:00")
    assert {task.title for task in own.app.books.tasks.opened()} == {
        f"localhost:{server.port}: ends in 10 days, on 2026-11-30",
        "Lease of rack 3: ends in 41 days, on 2026-12-31",
    }


def test_a_server_that_never_answered_is_unknown_and_wrong_certificates_are_told(house: Open) -> None:
    own = house({"renewals": CERTIFICATES.format(port=1, folder="/nowhere")})
    own.at("2026-11-20 13:00")
    (record, *_) = own.app.books.steps.of_run(own.runs("renewals")[-1].id)
    assert record.outcome.status is StepStatus.WARNING
    assert record.outcome.facts["unknown"] == 1
    (unknown,) = record.outcome.facts["unknown_names"]
    assert unknown == "localhost:1: nobody says when it ends; localhost:1: connection refused"


HOSTILE = ["{{7*7}}.no", "<b>x</b>.no", "a\u202eb.no", "x" * 400 + ".no", "= 1+1.no", "%s.no", "../etc.no"]


def test_hostile_names_are_told_and_do_nothing(company: Company) -> None:
    """C19, C22, C24: what customers call things is data, wherever it turns up."""
    rows = [f'"{name}",C1,"<script>{{{{7*7}}}}",kari@example.com,2026-11-21,active' for name in HOSTILE]
    header = "domain,customer,name,email,expires_at,status"
    (company.house.root / "domains.csv").write_text("\n".join([header, *rows, ""]), encoding="utf-8")
    ended = company.at("2026-11-20 13:00")
    assert ended.facts["ending"] == len(HOSTILE)
    assert company.registry.asked == []
    assert len(company.titles()) == len(HOSTILE)
    assert any(title.startswith("{{7*7}}.no ends in 1 days: call <script>{{7*7}}") for title in company.titles())
    assert not any("\u202e" in title for title in company.titles())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"name: domain": "name: domian"}, "domains has no column 'domian', did you mean 'domain'?"),
        ({"name: domain,": "name: domain, at: ends,"}, "domains has no column 'ends'"),
        ({"name: domain,": "name: domain, at: email,"}, "the column 'email' of domains is no date: 'kari@example.com'"),
    ],
)
def test_a_column_that_is_not_there_is_named(
    house: Open, registry: Registry, change: Mapping[str, str], said: str
) -> None:
    routine = RENEWALS
    for old, new in change.items():
        routine = routine.replace(old, new)
    company = Company(house, registry, routine=routine)
    company.says(a_no="2026-12-01")
    ended = company.at("2026-11-20 13:00")
    assert ended.status is StepStatus.FAILED
    assert said in ended.message


def test_things_that_nobody_named_are_not_fine(company: Company) -> None:
    (company.house.root / "domains.csv").write_text("domain,customer,name,email,expires_at,status\n")
    ended = company.at("2026-11-20 13:00")
    assert (ended.status, ended.message) == (
        StepStatus.WARNING,
        "nothing was looked at: no place named anything that ends",
    )
