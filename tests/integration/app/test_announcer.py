"""Windows and incidents as customers and staff live through them: mails in a Maildir, tasks in the ledger."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, timedelta
from typing import Any

import pytest

from opsrunner.engine.downtimes import downtimes_between, open_incident
from opsrunner.errors import UsageError
from opsrunner.model.notice import Suppression
from opsrunner.model.task import TaskStatus

from .announced import BEGIN, SERVICES, START, WINDOWS, Scene, invite_of, text_of

RENTED = """\
service,customer,name,email,host,status,amount,cycle,product,domain
4,C1,Kari Vik,kari@customer.example,web2,active,10.00,monthly,VPS M,
5,C1,Kari Vik,kari@customer.example,web2,active,10.00,monthly,VPS M,
6,C1,Kari Vik,kari@customer.example,web2,active,10.00,monthly,Web hosting,shop.example
6,C1,Kari Vik,kari@customer.example,web2,active,10.00,monthly,Web hosting,shop.example
7,C1,Kari Vik,kari@customer.example,web2,active,10.00,monthly,,
"""


def test_eight_days_before_the_list_is_laid_before_the_owner_and_nothing_goes_without_a_tick(
    scene: Callable[..., Scene],
) -> None:
    site = scene()
    site.at("2026-11-23T00:59:00")
    assert site.tasks() == []
    site.at("2026-11-23T01:00:10")

    (task,) = site.tasks("Approve what")
    assert task.approve_by == "owner"
    to = [row["to"] for row in task.rows]
    assert to == ["kari@customer.example", "ola@customer.example", "reseller@customer.example"]
    assert task.rows[0]["services"] == "shop.example, blog.example"
    assert "Tuesday 1 December 2026, 02:00 to 04:00 (CET)" in task.how
    assert site.at("2026-11-24T01:00:10") == 0
    assert site.told() == []


def test_the_whole_ladder_each_rung_once_and_one_mail_for_two_services_and_two_audiences(
    scene: Callable[..., Scene],
) -> None:
    site = scene()
    site.at("2026-11-23T02:00:00")
    site.approve()
    assert site.told() == []
    assert site.at("2026-11-24T01:00:05") == 3  # seven days before, 02:00 in Oslo
    assert site.at("2026-11-24T01:00:35") == 0
    first = site.mails()[1] if "kari" not in str(site.mails()[0]["To"]) else site.mails()[0]
    assert "shop.example" in text_of(first)
    assert "blog.example" in text_of(first)
    assert site.at("2026-11-30T01:00:05") == 3
    site.restart()
    assert site.at("2026-12-01T01:00:05") == 3
    assert site.at("2026-12-01T01:20:00") == 0
    site.act("end")
    assert site.look() == 3

    subjects = sorted({line.partition(": ")[2] for line in site.told()})
    assert subjects == [
        "Finished: Kernel updates",
        "It begins: Kernel updates",
        "Kernel updates: Tuesday 1 December 2026, 02:00 to 04:00 (CET)",
    ]
    assert len(site.told()) == 12
    assert site.tasks() == []
    assert site.app.books.downtimes.unclosed() == []


@pytest.mark.parametrize("of", ["kernel", "incidents"])
def test_no_more_mails_of_a_window_or_of_incidents_leave_in_a_minute_than_it_says(
    scene: Callable[..., Scene], of: str
) -> None:
    own = {"kernel": "    approve: 8d\n", "incidents": "incidents:\n"}[of]
    indent = "    " if of == "kernel" else "  "
    site = scene(WINDOWS.replace(own, f"{own}{indent}per_minute: 1\n"))
    assert site.app.loaded.problems == ()
    if of == "kernel":
        site.at("2026-11-23T02:00:00")
        site.approve()
        assert site.at("2026-11-24T01:00:05") == 3
    else:
        incident(site)
        assert site.look() == 2
    most = {"kernel": 3, "incidents": 2}[of]
    left = []
    for _ in range(most + 1):
        left.append(len(site.told()))
        site.house.clock.move(seconds=61)
        site.app.deliver()
    assert left == [*range(1, most + 1), most]


def test_who_was_struck_hears_nothing(scene: Callable[..., Scene]) -> None:
    site = scene()
    site.at("2026-11-23T02:00:00")
    site.approve(struck=(0,))
    site.at("2026-11-24T01:00:05")

    assert [line.partition(":")[0] for line in site.told()] == ["ola", "reseller"]


def test_an_address_is_one_person_however_it_is_spelled_and_suppressed_as_such(scene: Callable[..., Scene]) -> None:
    twice = "poll.example,C1,Kari Vik,Kari@customer.example,web2,active,10.00,monthly\n"
    site = scene(services=SERVICES + twice)
    gone = Suppression(address="ola@customer.example", why="asked us", by="boss", at=START)
    site.app.books.suppressions.add([gone])
    site.at("2026-11-23T02:00:00")
    site.approve()
    site.at("2026-11-24T01:00:05")

    assert [line.partition(":")[0] for line in site.told()] == ["kari", "reseller"]
    assert "poll.example" in text_of(site.mails()[0])


@pytest.mark.parametrize("answer", [None, TaskStatus.NOT_APPLICABLE, TaskStatus.COULD_NOT])
def test_without_approval_nothing_ever_goes_and_that_is_loud(
    scene: Callable[..., Scene], answer: TaskStatus | None
) -> None:
    site = scene()
    site.at("2026-11-23T02:00:00")
    if answer is not None:
        site.tick(site.tasks("Approve what")[0], status=answer)
    for day in range(24, 31):
        assert site.at(f"2026-11-{day}T01:00:05") == 0
    assert site.at("2026-12-01T01:00:05") == 0
    if answer is None:
        (task,) = site.tasks("Approve what")
        assert task.is_late(site.now)
        assert any(rung.startswith("escalat") for rung in site.app.books.tasks.rungs(task.id))
    text = site.app.digests.preview("daily", site.now).text
    assert "had not heard" in text
    site.act("end")
    assert site.look() == 0
    assert site.told() == []


def test_an_approval_that_comes_late_sends_the_newest_rung_that_is_still_useful(scene: Callable[..., Scene]) -> None:
    site = scene()
    site.at("2026-11-23T02:00:00")
    site.at("2026-11-30T10:00:00")
    site.approve()

    assert len(site.told()) == 3
    assert site.at("2026-12-01T01:00:05") == 3
    assert len(site.told()) == 6


def test_a_moved_window_is_told_to_those_who_had_heard_with_a_higher_sequence(scene: Callable[..., Scene]) -> None:
    site = scene()
    site.at("2026-11-23T02:00:00")
    site.approve(struck=(1,))
    site.at("2026-11-24T01:00:05")
    first = invite_of(site.mails()[0]).walk("VEVENT")[0]
    site.house.clock.move(minutes=5)
    site.act("move", begins_at=BEGIN + timedelta(days=2), ends_at=None, reason="A storm is forecast.")
    assert site.look() == 2
    assert site.look() == 0

    moved = site.mails()[-1]
    assert str(moved["Subject"]).strip().startswith("New time: Kernel updates, Thursday 3 December 2026")
    assert "Thursday 3 December 2026, 02:00 to 04:00 (CET)" in text_of(moved)
    assert "Before: Tuesday 1 December 2026, 02:00" in text_of(moved)
    assert "A storm is forecast." in text_of(moved)
    again = invite_of(moved).walk("VEVENT")[0]
    assert (str(again["UID"]), again["SEQUENCE"]) == (str(first["UID"]), first["SEQUENCE"] + 1)
    assert again["DTSTART"].dt.astimezone(UTC) == BEGIN + timedelta(days=2)
    assert site.at("2026-11-26T01:00:05") == 2  # a week before the new time
    assert site.at("2026-11-30T01:00:05") == 0  # the day before the old one
    assert site.at("2026-12-02T01:00:05") == 2


def test_a_cancelled_window_is_told_to_those_who_had_heard_and_to_nobody_else(scene: Callable[..., Scene]) -> None:
    site = scene()
    site.at("2026-11-23T02:00:00")
    site.approve(struck=(0,))
    site.at("2026-11-24T01:00:05")
    site.house.clock.move(minutes=5)
    site.act("cancel", reason="The vendor has withdrawn it.")
    assert site.look() == 2

    last = site.mails()[-1]
    assert last["Subject"] == "Cancelled: Kernel updates"
    calendar = invite_of(last)
    assert str(calendar["METHOD"]) == "CANCEL"
    assert not any(line.startswith("kari") for line in site.told())
    assert "shop.example" not in text_of(last)  # the row of another
    assert site.at("2026-12-01T01:00:05") == 0


def test_a_cancellation_names_the_time_that_was_heard_of_also_where_it_was_moved_since(
    scene: Callable[..., Scene],
) -> None:
    site = scene()
    site.at("2026-11-23T02:00:00")
    site.approve()
    site.at("2026-11-24T01:00:05")
    site.house.clock.move(minutes=5)
    site.act("move", begins_at=BEGIN + timedelta(days=2), ends_at=None, reason="")
    site.act("cancel", reason="")
    assert site.look() == 3

    text = text_of(site.mails()[-1])
    assert "the maintenance of Tuesday 1 December 2026, 02:00 to 04:00 (CET) does not take place" in " ".join(
        text.split()
    )
    assert "3 December" not in text


def test_a_window_that_nobody_had_heard_of_is_moved_and_cancelled_in_silence(scene: Callable[..., Scene]) -> None:
    site = scene()
    site.at("2026-11-23T02:00:00")
    site.approve()
    site.act("move", begins_at=BEGIN + timedelta(days=1), ends_at=None, reason="")
    assert site.look() == 0
    site.act("cancel", reason="")
    assert site.look() == 0
    assert site.told() == []


def test_more_time_is_told_and_ends_the_overrun(scene: Callable[..., Scene]) -> None:
    site = scene()
    site.at("2026-11-23T02:00:00")
    site.approve()
    site.at("2026-11-30T10:00:00")
    site.at("2026-12-01T01:00:05")
    site.at("2026-12-01T03:00:05")
    (task,) = site.tasks("should have ended")
    assert task.role == "sysadmin"
    site.act("move", begins_at=None, ends_at=BEGIN + timedelta(hours=3), reason="A disk was slow.")
    assert site.look() == 3
    assert site.tasks("should have ended") == []
    site.at("2026-12-01T04:00:05")
    assert len(site.tasks("should have ended")) == 1


def test_while_it_lasts_a_status_line_is_asked_for_whenever_nothing_was_said_for_long(
    scene: Callable[..., Scene],
) -> None:
    site = scene()
    site.at("2026-11-23T02:00:00")
    site.approve()
    site.at("2026-12-01T01:00:05")
    assert site.tasks("status line") == []
    site.at("2026-12-01T01:30:05")
    (task,) = site.tasks("status line")
    site.at("2026-12-01T02:00:05")
    assert [one.count for one in site.tasks("status line")] == [2]
    site.act("post", "Two of three are done.")
    site.look()
    assert site.tasks("status line") == []
    assert "Two of three are done." in site.app.books.tasks.get(task.id).evidence.outcome
    site.at("2026-12-01T02:29:00")
    assert site.tasks("status line") == []
    site.at("2026-12-01T02:31:00")
    assert len(site.tasks("status line")) == 1
    assert not any("Two of three" in text_of(mail) for mail in site.mails())  # via the status page


def test_what_is_posted_goes_by_mail_where_the_ladder_says_so_and_to_those_who_had_heard(
    scene: Callable[..., Scene],
) -> None:
    site = scene(windows=WINDOWS.replace("every 30m via: status_page", "every 30m via: mail"))
    site.at("2026-11-23T02:00:00")
    site.approve(struck=(1,))
    site.at("2026-12-01T01:00:05")
    site.at("2026-12-01T01:10:00")
    site.act("post", "One of two is done.")
    assert site.look() == 2
    assert site.look() == 0
    site.restart()
    assert site.look() == 0

    said = [mail for mail in site.mails() if "One of two is done." in text_of(mail)]
    assert sorted(str(mail["To"]).partition("@")[0] for mail in said) == ["kari", "reseller"]
    assert all(part.get_content_type() != "text/calendar" for mail in said for part in mail.walk())


def test_where_hours_are_those_of_business_a_mail_goes_on_the_working_day_before(scene: Callable[..., Scene]) -> None:
    site = scene(windows=WINDOWS.replace("approve: 8d", "approve: 8d\n    hours: business"))
    site.at("2026-11-23T01:00:10")
    site.approve()
    assert len(site.told()) == 0
    assert site.at("2026-11-23T15:59:00") == 0
    assert site.at("2026-11-23T16:00:05") == 3  # Monday 17:00 in Oslo, and not Tuesday 02:00


def test_half_of_a_list_that_went_before_a_crash_does_not_go_again(scene: Callable[..., Scene]) -> None:
    many = SERVICES + "".join(f"s{n},X{n},N{n},n{n}@customer.example,web1,active,1.00,monthly\n" for n in range(500))
    site = scene(services=many)
    site.at("2026-11-23T02:00:00")
    site.approve()
    put, calls = site.app.books.notices.write, []

    def dies(*words: Any, **more: Any) -> Any:
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return put(*words, **more)

    site.app.books.notices.write = dies  # the process ends within the second commit
    with pytest.raises(KeyboardInterrupt):
        site.at("2026-11-24T01:00:05")
    site.restart()
    site.look()
    addresses = [line.partition(":")[0] for line in site.told()]
    assert len(addresses) == len(set(addresses)) == 503
    assert site.row().announced_at is not None


def test_a_clock_that_is_set_back_tells_nobody_twice(scene: Callable[..., Scene]) -> None:
    site = scene()
    site.at("2026-11-23T02:00:00")
    site.approve()
    site.at("2026-11-24T01:00:05")
    before = site.told()
    for text in ("2026-11-23T12:00:00", "2026-11-24T00:59:00", "2026-11-24T01:00:06", "2026-11-24T01:10:00"):
        assert site.at(text) == 0
    assert site.told() == before


def test_changed_words_are_asked_about_anew(scene: Callable[..., Scene]) -> None:
    site = scene()
    site.at("2026-11-23T02:00:00")
    site.approve()
    site.house.write("maintenance.yaml", WINDOWS.replace("a few minutes", "an hour"))
    site.at("2026-11-23T03:00:00")
    site.look()
    (task,) = site.tasks("Approve what")
    assert "an hour" in task.how
    assert site.at("2026-11-24T01:00:05") == 0
    site.approve()
    assert len(site.told()) == 3
    assert "an hour" in text_of(site.mails()[0])


def test_a_time_that_customers_know_and_the_file_no_longer_says_is_a_task(scene: Callable[..., Scene]) -> None:
    site = scene()
    site.at("2026-11-23T02:00:00")
    site.approve()
    site.at("2026-11-24T01:00:05")
    site.house.write("maintenance.yaml", WINDOWS.replace("first tuesday", "second tuesday"))
    site.at("2026-11-24T02:00:00")
    site.look()
    assert len(site.tasks("announced otherwise")) == 1
    assert len(site.told()) == 3
    site.house.write("maintenance.yaml", WINDOWS)
    site.at("2026-11-24T03:00:00")
    site.look()
    assert site.tasks("announced otherwise") == []


def test_a_time_that_nobody_has_heard_of_follows_its_file(scene: Callable[..., Scene]) -> None:
    site = scene()
    site.at("2026-11-23T02:00:00")
    assert len(site.tasks("Approve what")) == 1
    site.house.write("maintenance.yaml", WINDOWS.replace("first tuesday", "second tuesday"))
    site.at("2026-11-23T03:00:00")
    site.look()
    assert site.tasks("Approve what") == []
    assert site.app.books.downtimes.unclosed() == []


def test_a_source_that_cannot_be_read_is_a_task_and_those_of_the_last_look_are_told(
    scene: Callable[..., Scene],
) -> None:
    site = scene()
    site.at("2026-11-23T02:00:00")
    site.approve()
    (site.house.root / "data/services.csv").rename(site.house.root / "data/away.csv")
    assert site.at("2026-11-24T01:00:05") == 3
    assert len(site.tasks("Nobody knows whom")) == 1
    (site.house.root / "data/away.csv").rename(site.house.root / "data/services.csv")
    site.at("2026-11-30T01:00:05")
    assert site.tasks("Nobody knows whom") == []


def test_a_row_without_an_address_and_an_audience_of_nobody_are_never_silence(scene: Callable[..., Scene]) -> None:
    site = scene(services=SERVICES.replace("OLA@Customer.Example", "no address"))
    site.at("2026-11-23T02:00:00")
    (task,) = site.tasks("Nobody knows whom")
    assert "mail.example" in task.how
    lonely = scene(windows=WINDOWS.replace("[web1, web2]", "[web77]"))
    lonely.at("2026-11-23T02:00:00")
    (task,) = lonely.tasks("Nobody knows whom")
    assert "no row of its audience is on these hosts" in task.how


HOSTILE = "Ev{{7*7}}il <script>x</script>\u2028, a@evil.example"


def test_hostile_names_and_services_stay_what_they_are(scene: Callable[..., Scene]) -> None:
    services = SERVICES.replace("Kari Vik,kari", f'"{HOSTILE}",kari').replace(
        "shop.example,C1", '"<img onerror=1>{{7*7}}",C1'
    )
    site = scene(services=services)
    site.at("2026-11-23T02:00:00")
    (task,) = site.tasks("Approve what")
    assert "49" not in task.how.replace("2026", "")
    site.approve()
    site.at("2026-11-24T01:00:05")
    kari = next(mail for mail in site.mails() if "kari" in str(mail["To"]))
    assert str(kari["To"]) == "kari@customer.example"
    html = kari.get_body(("html",))
    assert html is not None
    page = str(html.get_content())
    assert "<script>x" not in page
    assert "<img onerror" not in page
    assert "{{7*7}}" in text_of(kari)


def incident(site: Scene, **more: Any) -> Any:
    return site.app.downtime_acts.open_incident(["web2"], title="Mail on web2 is slow", by=site.by, **more)


def test_an_incident_is_told_at_once_posted_by_mail_and_ended_with_a_review_and_credits(
    scene: Callable[..., Scene],
) -> None:
    site = scene()
    site.at("2026-11-20T12:00:00")
    row = incident(site)
    assert site.look() == 2
    assert site.look() == 0
    assert sorted(site.told()) == [
        "kari: Mail on web2 is slow: we are on it", "ola: Mail on web2 is slow: we are on it",
    ]  # fmt: skip
    assert "Mail on web2 is slow" in site.app.digests.preview("daily", site.now).text
    site.at("2026-11-20T15:00:10")
    (task,) = site.tasks("status line")
    assert "2 customers with 2 services wait since" in task.how
    site.app.downtime_acts.post(open_incident(site.app.desk, row.id), "The new disk is in.", by=site.by)
    assert site.look() == 2
    assert "The new disk is in." in text_of(site.mails()[-1])
    site.at("2026-11-20T17:00:00")
    site.app.downtime_acts.end(open_incident(site.app.desk, row.id), by=site.by)
    assert site.look() == 2
    assert site.look() == 0
    assert site.mails()[-1]["Subject"] == "Solved: Mail on web2 is slow"
    (review,) = site.tasks("Review incident")
    assert "It lasted 5 h" in review.how
    assert "- [ ] Name the cause" in review.how
    (credit,) = site.tasks("Approve the credits")
    assert [(one["customer"], one["service"], one["minutes_down"]) for one in credit.rows] == [
        ("C1", "blog.example", 300), ("C2", "mail.example", 300),
    ]  # fmt: skip
    assert [one["suggested_credit"] for one in credit.rows] == [0.07, 0.03]
    assert {task.title.partition(" ")[0] for task in site.tasks()} == {"Review", "Approve"}


def test_customers_read_what_they_rent_and_two_of_a_kind_are_two(scene: Callable[..., Scene]) -> None:
    site = scene(services=RENTED)
    row = incident(site)

    site.look()

    (person,) = site.app.books.downtimes.get(row.id).people
    assert [one["service"] for one in person["services"]] == ["VPS M", "VPS M", "Web hosting shop.example", "7"]


def test_of_the_past_the_ledger_alone_knows(scene: Callable[..., Scene]) -> None:
    site = scene()
    before, after = START - timedelta(days=40), START + timedelta(days=40)

    found = downtimes_between(site.app.desk, from_=before, until=after, now=START)

    assert [one.begins_at for one in found] == [BEGIN]  # no window of November, in which nobody was there


def test_an_incident_that_was_short_has_no_credits(scene: Callable[..., Scene]) -> None:
    site = scene()
    row = incident(site)
    site.look()
    site.house.clock.move(seconds=600)
    site.app.downtime_acts.end(open_incident(site.app.desk, row.id), by=site.by)
    site.look()

    assert [task.title.partition(" ")[0] for task in site.tasks()] == ["Review"]


def test_a_crash_between_two_incidents_tells_nobody_twice(scene: Callable[..., Scene]) -> None:
    site = scene()
    incident(site)
    site.look()
    site.restart()
    assert site.look() == 0
    site.app.downtime_acts.open_incident(["web2"], title="Mail on web2 is lost", by=site.by)
    assert site.look() == 2


def test_an_incident_that_is_opened_twice_is_one_until_it_ends(scene: Callable[..., Scene]) -> None:
    site = scene()
    first = incident(site)
    site.look()
    site.house.clock.move(seconds=20)
    assert incident(site) == site.app.books.downtimes.get(first.id)
    assert site.look() == 0
    assert [one.action for one in site.app.books.audit.about(first.name)] == ["open"]
    elsewhere = site.app.downtime_acts.open_incident(["web1"], title=first.title, by=site.by)
    site.app.downtime_acts.end(open_incident(site.app.desk, first.id), by=site.by)
    again = incident(site)

    assert len({first.id, elsewhere.id, again.id}) == 3


@pytest.mark.parametrize("hosts", [[], [""], ["web1", " \n"]])
def test_an_incident_is_about_hosts_that_have_a_name(scene: Callable[..., Scene], hosts: list[str]) -> None:
    site = scene()
    with pytest.raises(UsageError, match="name the hosts"):
        site.app.downtime_acts.open_incident(hosts, title="Mail is lost", by=site.by)


def test_without_a_file_nothing_is_looked_at(scene: Callable[..., Scene]) -> None:
    site = scene(windows="windows: {}\n")
    assert site.look() == 0
