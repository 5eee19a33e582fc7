"""The shipped community routines through a whole site: feeds in, tasks out, nothing shown twice in a year."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import pytest

from opsrunner.model.outcome import Outcome, StepStatus
from opsrunner.model.task import Evidence, TaskStatus

from .conftest import SITE

House = Any
Open = Callable[..., House]
ROUTINES = Path(__file__).parents[3] / "routines"
SOURCES = """\
calendars: {business: {working_hours: "08:00-16:00"}}
sources:
  forum: {feeds: {urls: data/forum.rss}}
  community: {feeds: {urls: [data/forum.rss, data/talk.atom, data/third.rss]}}
"""
EARLY = datetime(2026, 11, 1, tzinfo=UTC)


class Forum:
    """The feeds of a site, as forums would write them."""

    def __init__(self, root: Path) -> None:
        self.folder = root / "data"
        self.folder.mkdir()
        self.threads: dict[str, dict[str, Any]] = {}
        self.write()

    def put(
        self, number: str, title: str = "A thread", *, replies: int = 1, at: datetime = EARLY, feed: str = "forum"
    ) -> None:
        self.threads[number] = {"title": title, "replies": replies, "at": at, "feed": feed}
        self.write()

    def write(self, *, backwards: bool = False) -> None:
        for name, ending in (("forum", "rss"), ("talk", "atom"), ("third", "rss")):
            own = [(number, one) for number, one in self.threads.items() if one["feed"] == name]
            items = "".join(self.item(number, one, ending) for number, one in (own[::-1] if backwards else own))
            (self.folder / f"{name}.{ending}").write_text(self.frame(name, items, ending), encoding="utf-8")

    @staticmethod
    def item(number: str, one: dict[str, Any], ending: str) -> str:
        title, link = escape(one["title"]), f"https://{one['feed']}.example.com/t/{number}"
        if ending == "atom":
            return (
                f"<entry><id>{link}</id><title type='text'>{title}</title><link href='{link}'/>"
                f"<published>{one['at'].isoformat()}</published></entry>"
            )
        return (
            f"<item><title>{title}</title><link>{link}</link><guid>{link}</guid>"
            f"<pubDate>{one['at']:%a, %d %b %Y %H:%M:%S} GMT</pubDate>"
            f"<slash:comments>{one['replies']}</slash:comments></item>"
        )

    @staticmethod
    def frame(name: str, items: str, ending: str) -> str:
        if ending == "atom":
            return f'<feed xmlns="http://www.w3.org/2005/Atom"><title>{name}</title>{items}</feed>'
        return (
            '<rss version="2.0" xmlns:slash="http://purl.org/rss/1.0/modules/slash/">'
            f"<channel><title>{name}</title>{items}</channel></rss>"
        )


@pytest.fixture
def community(house: Open) -> tuple[House, Forum]:
    """A site with the shipped routine of each working day, and three forums."""
    text = (ROUTINES / "community.yaml").read_text().replace("front-desk", "ops1")
    own = house({"community": text}, site=SITE + SOURCES)
    return own, Forum(own.root)


def outcome(own: House, routine: str, step: str) -> Outcome:
    records = own.app.books.steps.of_run(own.runs(routine)[-1].id)
    found: Outcome | None = next(record.outcome for record in records if record.id == step)
    assert found is not None
    return found


def titles(own: House) -> list[str]:
    return sorted(task.title for task in own.app.books.tasks.opened())


def test_the_first_look_is_a_baseline_and_then_what_names_us_is_a_task(community: tuple[House, Forum]) -> None:
    own, forum = community
    forum.put("1", "Example Hosting is slow")
    forum.put("2", "Something else", feed="talk")
    own.at("2026-11-23 09:10")

    first = outcome(own, "community", "new")
    assert first.rows == ()
    assert first.message.startswith("0 new rows from community (first look at ")
    assert (first.facts["known"], first.facts["baseline"]) == (0, 2)
    assert titles(own) == []

    forum.put("3", "Anyone with EXAMPLE hosting?", feed="talk")
    forum.put("4", "Cats", feed="talk")
    own.at("2026-11-24 09:10")

    second = outcome(own, "community", "new")
    assert [(row["title"], row["rank"]) for row in second.rows] == [("Anyone with EXAMPLE hosting?", 2), ("Cats", 0)]
    assert titles(own) == ["Answer in talk: Anyone with EXAMPLE hosting?"]
    (task,) = own.app.books.tasks.opened()
    assert task.link == "https://talk.example.com/t/3"
    assert task.evidence_spec is not None
    assert task.evidence_spec.note == "required"
    assert own.told("community") == ["succeeded schedule", "succeeded schedule"]


@pytest.mark.parametrize("days", [16, pytest.param(59, marks=pytest.mark.soak, id="three months of working days")])
def test_nothing_is_shown_twice_however_a_feed_turns_it_round(community: tuple[House, Forum], days: int) -> None:
    own, forum = community
    own.at("2026-11-23 09:10")
    forum.put("0", "baseline", feed="talk")
    own.at("2026-11-24 09:10")
    shown: list[str] = []
    for number in range(1, days + 1):
        day = datetime(2026, 11, 24, 9, 10, tzinfo=UTC) + timedelta(days=number)
        forum.put(str(number), f"Example Hosting {number}", feed="talk")
        for one in forum.threads.values():
            one["at"] = day - timedelta(minutes=5)  # dated anew, all of them
        forum.write(backwards=number % 2 == 0)
        own.at(f"{day:%Y-%m-%d %H:%M}")
        if day.weekday() < 5:
            shown += [row["entry"] for row in outcome(own, "community", "new").rows]
        for task in own.app.books.tasks.opened():
            own.app.books.tasks.close(task.id, status=TaskStatus.DONE, by="ops1", evidence=Evidence(note="x"), at=day)

    assert len(shown) == len(set(shown))
    assert len(shown) >= days - 2


def test_a_feed_that_comes_later_begins_with_a_baseline_of_its_own(community: tuple[House, Forum]) -> None:
    own, forum = community
    third = forum.folder / "third.rss"
    third.unlink()
    own.at("2026-11-23 09:10")  # it cannot be read, so nobody has looked at it
    for number in range(30):
        forum.put(f"third-{number}", "Example Hosting, years ago", feed="third")
    forum.put("2", "Example Hosting today")  # in a feed that was empty when it was looked at first
    own.at("2026-11-24 09:10")

    assert titles(own) == ["Answer in forum: Example Hosting today"]
    assert outcome(own, "community", "new").facts["baseline"] == 30


def test_one_feed_that_is_gone_is_a_warning_and_hides_no_other(community: tuple[House, Forum]) -> None:
    own, forum = community
    own.at("2026-11-23 09:10")
    forum.put("2", "Example Hosting today")
    (forum.folder / "third.rss").unlink()
    own.at("2026-11-24 09:10")

    found = outcome(own, "community", "new")
    assert found.status is StepStatus.WARNING
    assert found.message.endswith("not read: data/third.rss: there is no such file")
    assert found.facts["problems"] == ["data/third.rss: there is no such file"]
    assert titles(own) == ["Answer in forum: Example Hosting today"]
    assert own.told("community")[-1].startswith("warning")


def test_a_question_in_our_forum_waits_until_the_forum_tells_of_an_answer(community: tuple[House, Forum]) -> None:
    own, forum = community
    today = datetime(2026, 11, 23, 8, tzinfo=UTC)
    forum.put("1", "How do I move?", replies=0, at=today)
    forum.put("2", "Answered", replies=3, at=today)
    forum.put("3", "Years ago", replies=0)
    own.at("2026-11-23 09:10")
    assert titles(own) == ["Nobody has answered in our forum: How do I move?"]

    own.at("2026-11-24 09:10")
    (task,) = own.app.books.tasks.opened()
    del forum.threads["1"]  # it has only left the feed: nobody knows whether it was answered
    forum.write()
    own.at("2026-11-25 09:10")
    assert [one.id for one in own.app.books.tasks.opened()] == [task.id]

    forum.put("1", "How do I move?", replies=1, at=today)
    own.at("2026-11-26 09:10")
    assert own.app.books.tasks.opened() == []
    closed = own.app.books.tasks.get(task.id)
    assert (closed.status, closed.closed_by) == (TaskStatus.DONE, "check")


def test_a_run_that_fails_after_its_look_shows_it_again(house: Open) -> None:
    text = (ROUTINES / "community.yaml").read_text().replace("front-desk", "ops1")
    own = house({"community": text}, site=SITE + SOURCES)
    forum = Forum(own.root)
    forum.put("0", "baseline")
    own.at("2026-11-23 09:10")
    forum.put("1", "Example Hosting today")
    own.write(
        "routines/community.yaml", text.replace('"Answer in {{ row.place }}', '"Answer in {{ row.nothing.there }}')
    )
    own.at("2026-11-24 08:00")
    own.at("2026-11-24 09:10")
    assert own.told("community")[-1].startswith("failed")
    own.write("routines/community.yaml", text)
    own.at("2026-11-24 10:00")
    own.at("2026-11-25 09:10")

    assert [row["title"] for row in outcome(own, "community", "new").rows] == ["Example Hosting today"]
    assert "Answer in forum: Example Hosting today" in titles(own)


def test_hostile_titles_stay_what_they_are(community: tuple[House, Forum]) -> None:
    own, forum = community
    forum.put("0", "baseline")
    own.at("2026-11-23 09:10")
    forum.put("1", "Example Hosting {{ 7*7 }} <script>alert(1)</script>\u202e\r\nBcc: x")
    own.at("2026-11-24 09:10")

    (title,) = titles(own)
    assert title.startswith("Answer in forum: Example Hosting {{ 7*7 }} <script>alert(1)</script>")
    assert title.isprintable()


def test_the_weekly_review_is_one_list(house: Open) -> None:
    text = (ROUTINES / "community-weekly.yaml").read_text().replace("front-desk", "ops1")
    own = house({"community-weekly": text}, site=SITE + SOURCES)
    forum = Forum(own.root)
    forum.put("0", "baseline", feed="talk")
    own.at("2026-11-23 10:00")
    assert titles(own) == []
    for number in range(1, 151):
        forum.put(str(number), f"Thread {number} [x](https://evil.example) <b>", feed="talk")
    own.at("2026-11-30 10:00")

    (task,) = own.app.books.tasks.opened()
    assert task.title == "Skim 100 new threads and say what we learn"
    assert "<https://talk.example.com/t/1>" in task.how
    assert "[x]" not in task.how
    own.at("2026-12-07 10:00")  # what the limit held back comes with the next list
    assert "Skim 50 new threads and say what we learn" in titles(own)
