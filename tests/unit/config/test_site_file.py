"""`opsrunner.yaml` and what it comes to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from datetime import date, time
from pathlib import Path

import pytest

from opsrunner.config.loader import SiteLoader
from opsrunner.errors import MailFailed
from opsrunner.mail.headers import parse_address
from opsrunner.model.person import Person
from opsrunner.model.schedule import Calendar, Freeze
from opsrunner.model.site import (
    Column,
    Heartbeat,
    Host,
    Limits,
    MailSettings,
    Site,
    SmtpSettings,
    Source,
    WebSettings,
)
from opsrunner.model.store import S3Store
from opsrunner.secrets import SecretRef

DESIGNED = """\
site: Example Hosting
timezone: Europe/Oslo
people:
  boss: {name: The owner, email: owner@example.com, roles: [owner], login: boss}
  ops1: {name: First technician, email: ops1@example.com, roles: [sysadmin, support], quiet: "22:00-07:00"}
rosters:
  on-call:
    rotate: week
    handover: mon 09:00
    from: 2026-01-05
    people: [ops1, boss]
    cover: [{from: 2026-12-23, until: 2026-12-27, person: boss}]
  desk: {shifts: [{hours: "08:00-16:00", person: ops1}, {hours: "16:00-24:00", person: boss}]}
calendars:
  business: {country: NO, working_hours: "08:00-17:00", days_off: [2026-12-24]}
freezes:
  - {from: 2026-12-10, until: 2027-01-03, tags: [changes], reason: Customers' season}
hosts:
  web1: {address: 192.0.2.10, user: opsrunner, groups: [shared]}
  inner: {address: 10.0.0.2, jump: bastion, sessions: 8}
  bastion: {address: 10.0.0.1, jump: web1}
mail:
  from: ops@example.com
  smtp: {host: mail.example.com, port: 587, security: starttls, username: ops, password: {env: SMTP_PASSWORD}}
stores:
  offsite:
    s3:
      bucket: backups
      endpoint: https://s3.example.com
      access_key: {env: S3_KEY}
      secret_key: {file: secrets/s3}
sources:
  orders: {csv: data/orders.csv, columns: {number: text, paid_at: "moment?", amount: number}}
digest: {daily: "07:00", weekly: mon 07:00, monthly: 1 07:00, to: [owner]}
limits: {workers: 16, output: 1MB, keep_runs: 400d, grace: 30s}
heartbeat: {url: {env: HEARTBEAT_URL}}
web: {listen: "127.0.0.1:8420", url: https://ops.example.com}
"""
SMALLEST = "site: X\npeople: {boss: {name: Boss, email: boss@example.com, roles: owner}}\n"

Read = Callable[[str], Site]


@pytest.fixture
def read(make_site: Callable[[Mapping[str, str]], Path]) -> Read:
    """Read a site file, which must be right."""

    def read_site(text: str) -> Site:
        loaded = SiteLoader(make_site({"opsrunner.yaml": text})).load()
        assert loaded.problems == ()
        assert loaded.site is not None
        return loaded.site

    return read_site


def test_it_reads_every_key_of_a_site(read: Read) -> None:
    site = read(DESIGNED)

    assert (site.name, site.timezone) == ("Example Hosting", "Europe/Oslo")
    assert site.people["ops1"] == Person(
        id="ops1",
        name="First technician",
        email="ops1@example.com",
        roles=("sysadmin", "support"),
        quiet=(time(22), time(7)),
    )
    assert site.people["boss"].login == "boss"
    assert site.rosters["on-call"].people == ("ops1", "boss")
    assert site.rosters["on-call"].cover[0].until == date(2026, 12, 27)
    assert site.rosters["desk"].shifts[1].end == time(0)
    assert site.calendars["business"] == Calendar(
        country="NO", working_hours=(time(8), time(17)), days_off=(date(2026, 12, 24),)
    )
    assert site.freezes == (
        Freeze(from_=date(2026, 12, 10), until=date(2027, 1, 3), tags=("changes",), reason="Customers' season"),
    )
    web1 = Host(name="web1", address="192.0.2.10", user="opsrunner", groups=("shared",))
    bastion = Host(name="bastion", address="10.0.0.1", jump=web1)
    assert site.hosts["web1"] == web1
    assert site.hosts["bastion"] == bastion
    assert site.hosts["inner"] == Host(name="inner", address="10.0.0.2", jump=bastion, sessions=8)
    assert site.mail == MailSettings(
        from_="ops@example.com",
        smtp=SmtpSettings(host="mail.example.com", username="ops", password=SecretRef(env="SMTP_PASSWORD")),
    )
    assert site.stores["offsite"] == S3Store(
        bucket="backups",
        endpoint="https://s3.example.com",
        access_key=SecretRef(env="S3_KEY"),
        secret_key=SecretRef(file="secrets/s3"),
    )
    assert site.limits == Limits()
    assert site.heartbeat == Heartbeat(url=SecretRef(env="HEARTBEAT_URL"))
    assert site.web == WebSettings(url="https://ops.example.com")
    assert site.sample_seed is None


@pytest.mark.parametrize(
    ("written", "dials"),
    [
        ("+44 20 7946 0123", "+442079460123"),
        ("+1 (555) 010-1234", "+15550101234"),
        ("(0)20/7946.0018", "02079460018"),
        ("0044 2079460123", "00442079460123"),
        ("113", "113"),  # of the house
    ],
)
def test_a_phone_number_is_kept_as_it_is_written_and_can_be_dialled(read: Read, written: str, dials: str) -> None:
    boss = read(SMALLEST.replace("roles: owner", f'roles: owner, phone: "{written}"')).people["boss"]

    assert (boss.phone, boss.dials) == (written, dials)


def test_without_a_phone_number_there_is_nothing_to_dial(read: Read) -> None:
    boss = read(SMALLEST).people["boss"]

    assert (boss.phone, boss.dials) == (None, "")


def test_a_name_and_an_owner_are_enough(read: Read) -> None:
    site = read(SMALLEST)

    assert (site.name, site.timezone) == ("X", "UTC")
    assert site.mail == MailSettings(from_="opsrunner@example.com")
    assert site.limits == Limits()
    assert site.digest.daily is not None
    assert site.digest.weekly is not None
    assert site.digest.monthly is not None
    assert site.digest.to == ("owner",)
    assert site.holders_of("owner") == (site.people["boss"],)


def test_a_series_of_digests_that_is_not_named_is_not_sent(read: Read) -> None:
    digest = read(SMALLEST + 'digest: {daily: "08:00"}\n').digest

    assert digest.daily is not None
    assert digest.weekly is None
    assert digest.monthly is None


SOURCES = [
    # as written, as it comes out
    (
        '{csv: data/orders.csv, columns: {number: text, paid_at: "moment?", vip: flag?}, delimiter: ";"}',
        Source(
            name="a",
            kind="csv",
            where={"path": "data/orders.csv", "delimiter": ";"},
            columns=(
                Column(name="number", type="text"),
                Column(name="paid_at", type="moment", optional=True),
                Column(name="vip", type="flag", optional=True),
            ),
        ),
    ),
    (
        "{sqlite: data/billing.db, table: orders, expect_rows: true}",
        Source(name="a", kind="sqlite", where={"path": "data/billing.db", "table": "orders"}, expect_rows=True),
    ),
    (
        (
            '{http_json: "https://api.example.com/o", items: data.orders, headers: {X-Key: {env: KEY}},'
            " timezone: Asia/Tokyo}"
        ),
        Source(
            name="a",
            kind="http_json",
            where={
                "url": "https://api.example.com/o",
                "items": "data.orders",
                "headers": {"X-Key": SecretRef(env="KEY")},
            },
            timezone="Asia/Tokyo",
        ),
    ),
]


@pytest.mark.parametrize(("text", "source"), SOURCES, ids=["csv", "sqlite", "http_json"])
def test_a_source_says_its_reader_and_its_settings(read: Read, text: str, source: Source) -> None:
    assert read(f"{SMALLEST}sources: {{a: {text}}}\n").sources["a"] == source


@pytest.mark.parametrize(("security", "port"), [("starttls", 587), ("tls", 465), ("none", 25)])
def test_a_mail_server_without_a_port_has_the_usual_one(read: Read, security: str, port: int) -> None:
    mail = read(f"{SMALLEST}mail: {{from: a@example.com, smtp: {{host: 127.0.0.1, security: {security}}}}}\n").mail

    assert mail.smtp is not None
    assert mail.smtp.port == port


@pytest.mark.parametrize(
    ("address", "is_good"),
    [
        ("boss@example.com", True),
        ("o'neil+ops@mail.example.com", True),
        ("boss@blåbær.example", True),  # its domain has a form in ASCII
        ("boss@localhost", True),
        ("jørn@example.com", False),  # few servers take it
        ("a..b@example.com", False),
        ("boss@example.com.", False),
        ("boss@-example.com", False),
        ("The owner <boss@example.com>", False),
        ("a@example.com, b@example.com", False),
        (f"{'x' * 65}@example.com", False),
    ],
)
def test_an_address_checks_where_a_mail_can_be_sent_to_it(
    make_site: Callable[[Mapping[str, str]], Path], address: str, is_good: bool
) -> None:
    text = f'site: x\npeople:\n  boss: {{name: Boss, email: "{address}", roles: [owner]}}\n'
    loaded = SiteLoader(make_site({"opsrunner.yaml": text})).load()
    assert (loaded.problems == ()) is is_good
    assert all("is not an e-mail address" in problem.message for problem in loaded.problems)
    with nullcontext() if is_good else pytest.raises(MailFailed):
        bare = "" if "<" in address else address
        assert parse_address(bare).address


def test_invented_data_have_a_seed(read: Read) -> None:
    assert read(SMALLEST + "sample: {seed: 2026}\n").sample_seed == 2026


def test_a_name_that_is_role_roster_or_person_can_answer_for_a_routine(
    make_site: Callable[[Mapping[str, str]], Path],
) -> None:
    routine = "name: X\naccountable: {}\nsteps: [{{run: 'true'}}]\n"
    files = {f"routines/{name}.yaml": routine.format(name) for name in ("owner", "support", "on-call", "desk", "ops1")}

    assert SiteLoader(make_site({"opsrunner.yaml": DESIGNED, **files})).load().problems == ()


@pytest.mark.parametrize(
    ("web", "is_good"),
    [
        ('{listen: "127.0.0.1:8421"}', True),
        ('{listen: "[::1]:8421"}', True),
        ('{listen: "localhost:8421"}', True),
        ('{listen: "0.0.0.0:8420", url: https://ops.example.com}', True),
        ('{listen: "0.0.0.0:8420"}', False),
        ('{listen: "[::]:8420"}', False),
        ('{listen: "192.0.2.7:8420", url: http://ops.example.com}', False),
    ],
)
def test_the_page_is_reached_from_elsewhere_by_https_only(
    make_site: Callable[[Mapping[str, str]], Path], web: str, is_good: bool
) -> None:
    """C01: sign-in links and sessions would be read on the way."""
    loaded = SiteLoader(make_site({"opsrunner.yaml": f"{SMALLEST}web: {web}\n"})).load()
    assert [problem.message for problem in loaded.problems if "is reached from elsewhere" not in problem.message] == []
    assert (loaded.problems == ()) is is_good


def test_a_slip_in_what_an_anchor_holds_is_told_once(make_site: Callable[[Mapping[str, str]], Path]) -> None:
    text = f"{SMALLEST}sources:\n  a: {{sql: &db {{hst: db1, database: x}}, table: t}}\n  b: {{sql: *db, table: u}}\n"

    found = SiteLoader(make_site({"opsrunner.yaml": text})).load().problems

    assert [problem.path for problem in found if "unknown key" in problem.message] == ["sources.a.sql.hst"]
