"""The invented company: the same each time it is asked about a day, and never without work for any routine."""

import csv
import time
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path

import pytest

from opsrunner.mail.bounces import read_bounces
from opsrunner.sample.billing import invoice_rows, invoices_of, payment_rows, payments_of
from opsrunner.sample.company import Company, company_at, customer_rows, months_later, text
from opsrunner.sample.events import abuse_rows, dispute_rows, feedback_rows, licence_rows
from opsrunner.sample.forum import OWN, atom, rss, threads_of
from opsrunner.sample.holdings import domain_rows, domains_of, service_rows, services_of
from opsrunner.sample.mails import mail_rows
from opsrunner.sample.names import HOSTILE, HOSTS
from opsrunner.sample.orders import DAYS_UNTIL_CANCELLED, account_rows, order_rows, orders_of
from opsrunner.sample.tickets import ticket_rows, tickets_of
from opsrunner.sample.writing import write_samples

from ..patience import within

NOW = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
KEYS = {
    "orders": "number",
    "accounts": "username",
    "templates": "template",
    "customers": "customer",
    "services": "service",
    "domains": "domain",
    "invoices": "invoice",
    "payments": "payment",
    "credits": "credit",
    "tickets": "ticket",
    "mail_log": "mail",
    "feedback": "feedback",
    "abuse": "report",
    "disputes": "dispute",
    "licences": "licence",
}
Row = dict[str, str]


def rows_of(path: Path) -> list[Row]:
    with path.open(encoding="utf-8", newline="") as sheet:
        return list(csv.DictReader(sheet, strict=True))


def tables_at(folder: Path, now: datetime, *, seed: int = 2026) -> dict[str, list[Row]]:
    paths = write_samples(folder, Path("var"), seed=seed, now=now)
    return {path.stem: rows_of(path) for path in paths if path.suffix == ".csv"}


@cache
def as_texts(now: datetime) -> dict[str, list[Row]]:
    """Return the tables that days are asked about, without files."""
    company = company_at(now, seed=2026)
    orders = orders_of(company)
    services = services_of(company, orders)
    domains = domains_of(services)
    invoices = invoices_of(company, orders=orders, services=services, domains=domains)
    tickets, feedback = tickets_of(company), feedback_rows(company)
    tables: dict[str, list[dict[str, object]]] = {
        "customers": customer_rows(company),
        "orders": order_rows(orders),
        "accounts": account_rows(orders, company),
        "services": service_rows(company, services),
        "domains": domain_rows(company, domains),
        "invoices": invoice_rows(company, invoices),
        "payments": payment_rows(company, payments_of(company, invoices)),
        "tickets": ticket_rows(company, tickets),
        "mail_log": mail_rows(
            company, orders=orders, domains=domains, invoices=invoices, tickets=tickets, feedback=feedback
        ),
        "feedback": feedback,
        "abuse": abuse_rows(company, services),
        "disputes": dispute_rows(company, invoices),
        "licences": licence_rows(company),
    }
    return {name: [{k: str(v) for k, v in row.items()} for row in rows] for name, rows in tables.items()}


def test_it_writes_tables_of_a_whole_company_that_only_we_can_read(tmp_path: Path) -> None:
    paths = write_samples(tmp_path, Path("var"), seed=2026, now=NOW)
    tables = {path.stem: rows_of(path) for path in paths if path.suffix == ".csv"}

    assert tables.keys() == KEYS.keys()
    assert all(path.stat().st_mode & 0o077 == 0 for path in (*paths, paths[0].parent))
    for name, key in KEYS.items():
        assert len({row[key] for row in tables[name]}) == len(tables[name]), f"two {name} with one {key}"
    assert 200 < len(tables["orders"]) < 600
    assert 300 < sum(row["status"] == "active" for row in tables["customers"]) < 500
    assert 1_700 < len(tables["tickets"]) < 2_400
    assert {row["host"] for row in tables["services"]} == set(HOSTS)
    assert {"Debian 12", "AlmaLinux 9"} <= {row["system"] for row in tables["templates"]}
    assert {row["order"] for row in tables["accounts"]} == {
        row["number"] for row in tables["orders"] if row["activated_at"]
    }
    assert {path.suffix for path in paths} == {".csv", ".rss", ".atom"}


def test_what_one_table_names_stands_in_the_other(tmp_path: Path) -> None:
    tables = tables_at(tmp_path, NOW)
    customers = {row["customer"] for row in tables["customers"]}
    invoices = {row["invoice"] for row in tables["invoices"]}

    for name in ("services", "domains", "invoices", "payments", "credits", "tickets", "mail_log", "feedback", "abuse"):
        assert {row["customer"] for row in tables[name] if row["customer"]} <= customers, name
    assert {row["invoice"] for row in (*tables["payments"], *tables["disputes"]) if row["invoice"]} <= invoices
    assert {row["email"] for row in tables["orders"]} <= {row["email"] for row in tables["customers"]}
    paid = {row["invoice"] for row in tables["invoices"] if row["status"] == "paid"}
    assert {row["invoice"] for row in tables["payments"] if row["invoice"]} == paid


@pytest.mark.parametrize("ahead", [0, 4, 9])
def test_some_mail_to_a_customer_came_back_for_good_and_another_mailbox_was_full(tmp_path: Path, ahead: int) -> None:
    now = NOW + timedelta(days=ahead)
    tables_at(tmp_path, NOW)
    tables = tables_at(tmp_path, now)
    reports = sorted((tmp_path / "var/sample/bounces/new").iterdir())
    found = [bounce for path in reports for bounce in read_bounces(path.read_bytes())]

    assert len(found) == len(reports) >= 6
    assert {bounce.address for bounce in found} <= {row["email"] for row in tables["customers"]}
    assert {bounce.status for bounce in found} == {"5.1.1", "4.2.2"}
    assert all(bounce.reported_at and now - timedelta(days=36) < bounce.reported_at < now for bounce in found)
    assert all(path.stat().st_mode & 0o077 == 0 for path in reports)


def test_names_that_hurt_are_among_the_customers_each_day(tmp_path: Path) -> None:
    names = {row["name"] for row in tables_at(tmp_path, NOW)["customers"] if row["status"] == "active"}

    assert names >= set(HOSTILE)
    assert max(len(name) for name in names) > 190


def test_it_writes_the_same_for_the_same_minutes_and_leaves_the_files_alone(tmp_path: Path) -> None:
    first = write_samples(tmp_path, tmp_path / "state", seed=2026, now=NOW)
    before = [(path.stat().st_ino, path.read_bytes()) for path in first]
    again = write_samples(tmp_path, tmp_path / "state", seed=2026, now=NOW + timedelta(seconds=299))
    (tmp_path / "state/sample/.written").unlink()
    anew = write_samples(tmp_path, tmp_path / "state", seed=2026, now=NOW)

    assert again == anew == first
    assert [(path.stat().st_ino, path.read_bytes()) for path in first] == before


def test_a_file_that_was_taken_away_comes_again_within_the_minute(tmp_path: Path) -> None:
    first = write_samples(tmp_path, Path("var"), seed=2026, now=NOW)
    first[3].unlink()

    write_samples(tmp_path, Path("var"), seed=2026, now=NOW)

    assert all(path.is_file() for path in first)


def test_another_site_name_or_seed_is_written_at_once(tmp_path: Path) -> None:
    def said(name: str, seed: int) -> tuple[str, str]:
        write_samples(tmp_path, Path("var"), seed=seed, now=NOW, name=name)
        folder = tmp_path / "var/sample"
        return (folder / "forum.rss").read_text(), (folder / "customers.csv").read_text()

    first, other, reseeded = said("Nordlys", 1), said("Sydlys", 1), said("Sydlys", 2)

    assert "Nordlys" in first[0]
    assert "Nordlys" not in other[0]
    assert other[1] != reseeded[1]


def test_it_lives_on_so_that_rows_keep_their_numbers_and_go_forward_only(tmp_path: Path) -> None:
    earlier, later = (tables_at(tmp_path, NOW + timedelta(days=days)) for days in (0, 5))

    for name in ("orders", "tickets", "feedback", "abuse", "disputes", "customers", "invoices", "payments"):
        key = KEYS[name]
        then, now = ({row[key]: row for row in rows[name]} for rows in (earlier, later))
        kept = then.keys() & now.keys()
        assert len(kept) > 0.9 * len(then), name
        assert now.keys() - then.keys() or name == "customers"
        frozen = {"orders": ("customer", "product", "placed_at"), "tickets": ("customer", "subject", "opened_at")}
        for one in kept:
            assert all(then[one][column] == now[one][column] for column in frozen.get(name, (key,)))
            done = [column for column in then[one] if column.endswith("_at") and column[:4] not in ("last", "rene")]
            assert all(then[one][column] in ("", now[one][column]) for column in done), (name, one)


def test_nothing_has_happened_that_lies_ahead(tmp_path: Path) -> None:
    ahead = {"due_at", "answer_by", "expires_at", "renews_at"}
    for name, rows in tables_at(tmp_path, NOW).items():
        for row in rows:
            moments = [
                value for column, value in row.items() if column.endswith(("_at", "since")) and column not in ahead
            ]
            assert all(value[:16] <= "2026-11-21T09:30" for value in moments), (name, row)


def open_orders(rows: list[Row]) -> list[Row]:
    return [row for row in rows if not row["activated_at"] and not row["cancelled_at"]]


def moment(said: str) -> datetime:
    return datetime.fromisoformat(said)


DAYS = [NOW + timedelta(days=days, hours=days % 24) for days in range(0, 400, 23)]
EVERY_DAY = [now if number % 2 == 0 else pytest.param(now, marks=pytest.mark.soak) for number, now in enumerate(DAYS)]
"""Each takes half a second, so that every other one is for `make soak`."""


@pytest.mark.parametrize("now", EVERY_DAY, ids=lambda now: f"{now:%Y-%m-%d %Hh}")
def test_every_routine_finds_something_true_on_any_day(now: datetime) -> None:
    tables, today = as_texts(now), now.date()
    orders, domains, tickets = tables["orders"], tables["domains"], tables["tickets"]
    ends = {row["domain"]: date.fromisoformat(row["expires_at"]) for row in domains if row["expires_at"]}
    mailed = {row["subject"] for row in tables["mail_log"]}
    since = [date.fromisoformat(row["since"]) for row in tables["customers"] if row["status"] == "active"]

    waiting = open_orders(orders)
    assert [row for row in waiting if row["paid_at"]], "a paid order that is not created"
    oldest = now - timedelta(days=DAYS_UNTIL_CANCELLED)
    assert all(row["paid_at"] or moment(row["placed_at"]) >= oldest - timedelta(minutes=1) for row in waiting)
    assert [row for row in tables["accounts"] if moment(row["created_at"]) > now - timedelta(hours=26)], "an account"
    assert any(0 <= (end - today).days <= 3 for end in ends.values()), "a domain that lapses in 3 days"
    assert len(ends) < len(domains), "a domain without a date"
    owing = [(name, end) for name, end in ends.items() if 15 <= (end - today).days <= 29]
    assert any(f"Your domain {name} ends on {end}: 30 days" not in mailed for name, end in owing), "a reminder missing"
    assert any(f"Your domain {name} ends on {end}: 30 days" in mailed for name, end in owing), "a reminder sent"
    untouched = [row for row in tickets if row["status"] == "open" and not row["first_answer_at"]]
    assert any(moment(row["opened_at"]) < now - timedelta(days=3) for row in untouched), "a ticket past its clock"
    assert [row for row in tables["payments"] if not row["invoice"]], "a payment that nobody can place"
    bad = [row for row in tables["feedback"] if int(row["score"]) <= 4 and not row["handled_at"]]
    assert bad, "negative feedback"
    assert [row for row in tables["abuse"] if not row["closed_at"]], "an abuse report"
    near = [row["answer_by"] for row in tables["disputes"] if not row["closed_at"]]
    assert any(0 <= (date.fromisoformat(day) - today).days <= 5 for day in near), "a dispute near its date"
    assert any(day < today and (day.month, day.day) == (today.month, today.day) for day in since), "an anniversary"
    dated = [date.fromisoformat(row["expires_at"]) for row in tables["licences"] if row["expires_at"]]
    assert min(dated) - today <= timedelta(days=30), "a licence that ends"
    assert len(dated) == len(tables["licences"]) - 1, "a licence whose end nobody knows"


@pytest.mark.parametrize("now", DAYS[::4], ids=lambda now: f"{now:%Y-%m-%d}")
def test_somebody_has_earned_the_reward_on_any_day(now: datetime) -> None:
    tables = as_texts(now)
    loud = {row["customer"] for name in ("tickets", "abuse", "disputes") for row in tables[name]}
    late = {row["customer"] for row in tables["invoices"] if (row["paid_at"] or text(now))[:10] > row["due_at"]}
    by_hand = {row["email"] for row in tables["orders"] if row["channel"] == "by hand"}
    itself = {row["email"] for row in tables["orders"]} - by_hand

    earned = [
        row
        for row in tables["customers"]
        if row["status"] == "active" and row["customer"] not in loud | late and row["email"] in itself
    ]

    assert len(earned) >= 5


def test_feeds_name_the_company_and_escape_what_others_wrote() -> None:
    company = company_at(NOW, seed=2026)
    threads = threads_of(company, base=OWN, name="Nord & Lys")

    assert sum("Nord & Lys" in thread.title for thread in threads) >= 10
    for feed in (rss(threads, title="Forum", base=OWN), atom(threads, title="Forum", base=OWN)):
        assert "Nord & Lys" not in feed
        assert "Nord &amp; Lys" in feed
        assert "<script>" not in feed


def test_it_takes_less_than_a_second(tmp_path: Path) -> None:
    write_samples(tmp_path, Path("var"), seed=3, now=NOW)
    fifths, ones = iter(range(5, 60, 5)), iter((1, 2, 3))

    def write_after(minutes: int) -> int:
        write_samples(tmp_path, Path("var"), seed=3, now=NOW + timedelta(minutes=minutes))
        return minutes

    last = within(1, lambda: write_after(next(fifths)), clock=time.thread_time)
    within(0.05, lambda: write_after(last + next(ones)), clock=time.thread_time)


@pytest.mark.parametrize(
    ("day", "count", "later"),
    [
        (date(2026, 1, 31), 1, date(2026, 2, 28)),
        (date(2024, 2, 29), 12, date(2025, 2, 28)),
        (date(2026, 11, 30), 2, date(2027, 1, 30)),
        (date(2026, 3, 31), -1, date(2026, 2, 28)),
        (date(2026, 12, 15), 0, date(2026, 12, 15)),
    ],
)
def test_months_keep_their_day_where_there_is_one(day: date, count: int, later: date) -> None:
    assert months_later(day, count) == later


def test_a_clock_before_the_company_was_founded_finds_one_customer() -> None:
    company: Company = company_at(datetime(2001, 1, 1, tzinfo=UTC), seed=1)

    assert [one.since for one in company.customers] == [date(2001, 1, 1)]
    assert company.customers_on(date(1999, 1, 1))
