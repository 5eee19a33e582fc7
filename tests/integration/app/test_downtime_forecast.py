"""What is foretold of windows and incidents, held against what a month of looks sends."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from opsrunner.engine.downtimes import open_incident, time_of_window
from opsrunner.engine.foretold import NoticeForecast
from opsrunner.engine.notice_forecast import foresee_notices
from opsrunner.errors import NotFound
from opsrunner.model.notice import Suppression, ToldStatus

from .announced import BEGIN, SERVICES, WINDOWS, Scene, text_of

OSLO = ZoneInfo("Europe/Oslo")
LOOKS = (1, 2, 3, 5, 12, 17, 23)
MONTH = """\
windows:
  kernel:
    name: Kernel updates
    schedule: {every: week, on: sunday, at: "03:00"}
    lasts: 2h
    hosts: [web1, web2]
    audience:
      - {source: services, where: {status: active}}
      - {source: resellers}
    ladder: [7d, 24h, start, every 30m via: mail, end, 3d after]
    approve: 8d
  disks:
    name: Faster disks
    schedule: {once: 2027-03-30T01:00}
    lasts: 4h
    hosts: [web2]
    audience: {source: services, where: {status: active}}
    ladder: [12d, 3d, 1d after start, end]
    approve: 20d
    hours: business
  far:
    name: Another room
    schedule: {once: 2027-05-01T01:00}
    lasts: 40h
    hosts: [web9]
    audience: {source: services, where: {status: active}}
    ladder: [20d, start, end]
    approve: 40d
  quiet:
    name: Nobody hears of it
    schedule: {every: day, at: "05:00"}
    lasts: 1h
    hosts: [web1]
incidents:
  audience: {source: services, where: {status: active}}
  ladder: [start, every 3h via: mail, end, 2d after]
"""
Mail = tuple[str, str, str, str, datetime]
"""The notice, which time of it, the rung, the recipient and the moment."""


def foretold(site: Scene, *, days: float = 30, name: str = "") -> list[NoticeForecast]:
    house = site.app.notices
    return foresee_notices(house, until=site.now + timedelta(days=days), vault=site.app.vault, name=name)


def mails_of(found: list[NoticeForecast], *, states: tuple[str, ...] = ("goes", "held", "by hand")) -> list[Mail]:
    return sorted(
        (each.notice, each.occasion, one.message.rung, one.message.recipient.address, one.goes_at)
        for each in found
        for one in each.coming
        if one.state in states
    )


def sent_since(site: Scene, since: datetime) -> list[Mail]:
    """Return what the ledger says was sent, each time of a window called as people call it."""
    books = site.app.books
    found = []
    for one in books.notices.newest(since=since, most=100_000):
        row = books.downtimes.get(int(one.key.partition(".")[0]))
        occasion = row.name if row.is_incident else f"{row.begins_at.astimezone(OSLO):%Y-%m-%d %H:%M}"
        if one.status is ToldStatus.SENT:
            found.append((one.notice, occasion, one.rung, one.recipient, one.at))
    return sorted(found)


def approve_all(site: Scene) -> None:
    for task in site.tasks("Approve what"):
        site.tick(task)


def end_what_is_over(site: Scene) -> None:
    for row in site.app.books.downtimes.unclosed():
        if not row.is_over and row.ends_at is not None and row.ends_at <= site.now:
            stand = time_of_window(site.app.desk, row.window, at=site.now)
            site.app.downtime_acts.end(stand, by=site.by)


def live(site: Scene, *, until: datetime) -> None:
    """Let time pass, some looks a day: whoever is asked approves at once, and ends a window when it was to end."""
    day, start = site.now.astimezone(OSLO).date(), site.now
    site.look()
    while day <= until.astimezone(OSLO).date():
        for hour in LOOKS:
            moment = datetime.combine(day, time(hour), OSLO).astimezone(UTC)
            if start < moment <= until:
                site.house.clock.set(moment)
                end_what_is_over(site)
                site.app.announcer.work(moment)
                approve_all(site)
        day += timedelta(days=1)


def test_what_is_foretold_of_windows_and_incidents_is_what_a_month_sends(scene: Callable[..., Scene]) -> None:
    """Over the change of the clock: each mail, its time of which window, its rung, recipient and moment."""
    site = scene(windows=MONTH, start=datetime(2027, 3, 8, 11, tzinfo=UTC))
    row = site.app.downtime_acts.open_incident(["web2"], title="Mail on web2 is slow", by=site.by)
    site.look()
    site.app.downtime_acts.end(open_incident(site.app.desk, row.id), by=site.by)
    site.house.clock.move(minutes=60)
    site.look()
    approve_all(site)
    site.house.clock.move(minutes=1)
    start = site.now
    found = foretold(site)
    said = mails_of(found)

    live(site, until=start + timedelta(days=30))

    assert said == sent_since(site, start)
    assert len(said) > 60
    assert {(each.notice, one.state) for each in found for one in each.coming} == {
        ("incident", "goes"), ("maintenance.kernel", "goes"), ("maintenance.kernel", "by hand"),
        ("maintenance.kernel", "held"), ("maintenance.disks", "held"),
    }  # fmt: skip


def test_looking_ahead_tells_nobody_and_writes_nothing(scene: Callable[..., Scene]) -> None:
    site = scene(windows=MONTH, start=datetime(2027, 3, 8, 11, tzinfo=UTC))
    site.look()
    before = site.app.books.ledger.version()
    assert len(foretold(site)) > 4
    assert site.app.books.ledger.version() == before
    assert [task.title for task in site.tasks()] != []
    assert site.told() == []


def test_a_list_that_nobody_was_asked_for_says_when_it_will_be_and_then_in_which_task_it_waits(
    scene: Callable[..., Scene],
) -> None:
    site = scene()
    (one,) = foretold(site, days=12)
    assert (one.notice, one.occasion, one.standing) == ("maintenance.kernel", "2026-12-01 02:00", "waits for approval")
    assert one.name == "Kernel updates, Tue 1 Dec 02:00 to 04:00"
    assert one.notes == (
        "Its list is laid before the owner Mon 02:00.",
        "Its end is told when somebody says that it is over.",
    )
    site.at("2026-11-23T01:00:00")
    (task,) = site.tasks("Approve what")
    (one,) = foretold(site, days=12)
    assert (one.task, one.notes[0]) == (task.id, f"Its list waits for the owner: task {task.id}.")
    assert {each.state for each in one.coming} == {"held"}

    site.tick(task, struck=(0,))
    (one,) = foretold(site, days=12)
    assert (one.standing, one.task) == ("live", None)
    assert {each.message.recipient.address for each in one.coming} == {
        "ola@customer.example", "reseller@customer.example",
    }  # fmt: skip
    assert [(each.message.rung, each.state) for each in one.coming[::2]] == [
        ("7d", "goes"), ("24h", "goes"), ("start", "goes"), ("end", "by hand"),
    ]  # fmt: skip


def test_other_words_are_laid_before_somebody_anew(scene: Callable[..., Scene]) -> None:
    site = scene()
    site.at("2026-11-23T02:00:00")
    site.approve()
    site.house.write("maintenance.yaml", WINDOWS.replace("name: Kernel updates", "name: Core updates"))
    site.house.clock.move(minutes=1)
    site.house.daemon.work_once()
    (one,) = foretold(site, days=12)
    assert (one.standing, one.task) == ("waits for approval", None)
    assert one.notes[0] == "Its list is laid before the owner now."
    assert one.compose is not None
    assert one.compose(one.coming[0]).subject == "Core updates: Tuesday 1 December 2026, 02:00 to 04:00 (CET)"


def test_each_mail_is_shown_as_it_then_goes(scene: Callable[..., Scene]) -> None:
    """The text of each rung, the move and the end among them, is that of the mail which the customer gets."""
    site = scene()
    site.at("2026-11-23T02:00:00")
    site.approve()
    site.at("2026-11-24T01:00:00")
    site.act("move", begins_at=datetime(2026, 12, 3, 1, tzinfo=UTC), ends_at=None, reason="A storm.")
    (one, *_) = foretold(site, days=12)
    assert one.compose is not None
    shown = {each.message.rung: one.compose(each) for each in one.coming if "kari" in each.message.recipient.address}
    assert list(shown) == ["moved", "7d", "24h", "start", "end"]
    start = len(site.told())
    for moment in ("2026-11-24T01:00:05", "2026-11-26T01:00:00", "2026-12-02T01:00:00", "2026-12-03T01:00:00"):
        site.at(moment)
    site.house.clock.set(datetime(2026, 12, 3, 3, tzinfo=UTC))
    site.act("end")
    site.look()

    went = [mail for mail in site.mails()[start:] if "kari" in str(mail["To"])]
    assert [str(mail["Subject"]) for mail in went] == [mail.subject for mail in shown.values()]
    assert [text_of(mail).strip() for mail in went] == [mail.text.strip() for mail in shown.values()]
    assert "Before: Tuesday 1 December 2026" in shown["moved"].text


def test_what_was_called_off_and_what_was_posted_is_foretold_until_it_has_gone(scene: Callable[..., Scene]) -> None:
    site = scene()
    site.at("2026-11-23T02:00:00")
    site.approve()
    site.at("2026-11-24T01:00:00")
    row = site.app.downtime_acts.open_incident(["web2"], title="Mail on web2 is slow", by=site.by)
    site.look()
    site.house.clock.move(minutes=5)
    site.app.downtime_acts.post(open_incident(site.app.desk, row.id), "The disk is in.", by=site.by)
    site.act("cancel", reason="Withdrawn.")
    start, found = site.now, foretold(site, days=5)
    texts = {each.notice: each.compose(each.coming[0]).text for each in found if each.compose is not None}
    assert "Withdrawn." in texts["maintenance.kernel"]
    assert "The disk is in." in texts["incident"]
    assert found[0].notes == (
        "Its end is told when somebody says that it is over.",
        "What staff post while it lasts goes by mail to those who have heard of it.",
    )
    site.look()

    assert mails_of(found) == sent_since(site, start)
    assert mails_of(foretold(site, days=5)) == []


def test_what_is_called_off_after_a_move_that_nobody_heard_of_is_foretold_as_it_is_written(
    scene: Callable[..., Scene],
) -> None:
    site = scene()
    site.at("2026-11-23T02:00:00")
    site.approve()
    site.at("2026-11-24T01:00:05")
    site.house.clock.move(minutes=5)
    site.act("move", begins_at=BEGIN + timedelta(days=2), ends_at=None, reason="")
    site.act("cancel", reason="")
    (one,) = [each for each in foretold(site, days=5) if each.coming]
    assert one.compose is not None
    foreseen = one.compose(one.coming[0])
    site.look()

    (sent,) = [mail for mail in site.mails() if mail["To"] == foreseen.to and str(mail["Subject"]) == foreseen.subject]
    assert text_of(sent).strip() == foreseen.text.strip()
    assert "1 December" in foreseen.text


def test_an_open_incident_has_an_end_that_nobody_knows(scene: Callable[..., Scene]) -> None:
    site = scene()
    site.app.downtime_acts.open_incident(["web2"], title="Mail on web2 is slow", by=site.by)
    (one,) = foretold(site, days=2)
    assert (one.notice, one.occasion, one.standing) == ("incident", "incident 1", "live")
    assert [(each.message.rung, each.message.recipient.address, each.state) for each in one.coming] == [
        ("start", "kari@customer.example", "goes"), ("start", "ola@customer.example", "goes"),
    ]  # fmt: skip
    site.look()
    (one,) = foretold(site, days=2)
    assert one.coming == ()
    assert one.notes[0] == "Its end is told when somebody says that it is over."


def test_who_gets_none_is_said_with_the_reason(scene: Callable[..., Scene]) -> None:
    site = scene()
    site.app.books.suppressions.add(
        [Suppression(address="ola@customer.example", why="asked us", by="boss", at=site.now)]
    )
    (one,) = foretold(site, days=12)
    of_ola = [each for each in one.coming if "ola" in each.message.recipient.address]
    assert [(each.message.rung, each.state, each.why) for each in of_ola] == [
        (rung, "suppressed", "asked us") for rung in ("7d", "24h", "start")
    ]


def test_an_audience_of_nobody_and_one_that_cannot_be_read_are_said(scene: Callable[..., Scene]) -> None:
    site = scene(services=SERVICES.replace("kari@customer.example", "nobody"))
    (one,) = foretold(site, days=12)
    assert one.unknown == 2
    assert "shop.example" in one.first_problem
    (site.house.root / "data/services.csv").unlink()
    (one,) = foretold(site, days=12)
    assert "services" in one.problem
    assert one.coming == ()
    site.house.write("maintenance.yaml", WINDOWS.replace("hosts: [web1, web2]", "hosts: [web7]"))
    site.house.write("data/services.csv", SERVICES)
    site.house.clock.move(minutes=1)
    site.house.daemon.work_once()
    (one,) = foretold(site, days=12)
    assert one.problem.startswith("no row of its audience is on these hosts; there are rows on web1, web2, web9")


def test_one_window_or_incidents_are_asked_for_by_name(scene: Callable[..., Scene]) -> None:
    site = scene()
    assert [one.occasion for one in foretold(site, days=12, name="maintenance.kernel")] == ["2026-12-01 02:00"]
    assert foretold(site, days=40, name="incident") == []
    with pytest.raises(NotFound, match=r"no notice 'kernel'; there are: maintenance\.kernel, incident"):
        foretold(site, name="kernel")


def test_a_window_of_which_only_the_end_is_told_tells_nobody_before_its_list_is_approved(
    scene: Callable[..., Scene],
) -> None:
    only_the_end = WINDOWS.replace("[7d, 24h, start, every 30m via: status_page, end]", "[end]")

    def told(is_approved: bool) -> list[str]:
        site = scene(windows=only_the_end)
        site.at("2026-11-23T02:00:00")
        if is_approved:
            site.approve()
            (one,) = foretold(site, days=12)
            assert [(each.message.rung, each.state) for each in one.coming] == [("end", "by hand")] * 3
        site.at("2026-12-01T01:20:00")
        site.act("end")
        site.look()
        return site.told()

    assert told(False) == []
    assert len(told(True)) == 3
