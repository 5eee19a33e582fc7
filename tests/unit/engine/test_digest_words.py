"""The sentences of a digest."""

from datetime import UTC, date, datetime

import pytest

from opsrunner.engine.digest_words import (
    Rest,
    age_words,
    compose_footer,
    compose_headline,
    compose_preheader,
    compose_subject,
    missing_words,
    near_words,
    period_words,
    times_words,
)
from opsrunner.model.digest import Series

SATURDAY = date(2026, 11, 21)
ONE_PARTLY = "One did not run every time it was due."
ONE_UNSEEN = "One routine was due, and nothing has looked at it yet."


@pytest.mark.parametrize(
    ("needs", "in_hand", "fine", "headline"),
    [
        (1, 2, 37, "One thing needs you. Two are in hand. 37 are fine."),
        (3, 0, 12, "Three things need you. Twelve are fine."),
        (0, 1, 36, "Nothing needs you. One is in hand. 36 are fine."),
        (0, 0, 37, "All 37 are fine. Nothing needs you."),
        (0, 0, 2, "Both are fine. Nothing needs you."),
        (0, 0, 1, "The one routine that ran is fine. Nothing needs you."),
        (0, 0, 9, "All nine are fine. Nothing needs you."),
        (2, 0, 0, "Two things need you."),  # nothing is called fine that was not checked
        (0, 0, 0, "Nothing was due. Nothing needs you."),
        (5000, 13, 1, "5,000 things need you. 13 are in hand. One is fine."),
    ],
)
def test_it_says_the_verdict_as_a_person_would(needs: int, in_hand: int, fine: int, headline: str) -> None:
    assert compose_headline(needs, in_hand, fine) == headline


def test_it_does_not_say_that_nothing_was_due_when_nothing_came_to_an_end() -> None:
    due = Rest(was_due=True)
    assert compose_headline(0, 0, 0, rest=due) == "Nothing has run to its end. Nothing needs you."
    subject = compose_subject([], in_hand=0, fine=0, day=SATURDAY, series="daily", rest=due)
    assert subject == "Nothing has run to its end · Sat 21 Nov"


@pytest.mark.parametrize(
    ("needs", "in_hand", "fine", "rest", "headline", "subject"),
    [
        (0, 0, 5, Rest(partly=1), "One did not run every time it was due. Five are fine. Nothing needs you.",
         "1 skipped at times, 5 fine"),
        (0, 0, 0, Rest(partly=2), "Two did not run every time they were due. Nothing needs you.", "2 skipped at times"),
        (0, 1, 5, Rest(partly=1), f"Nothing needs you. One is in hand. {ONE_PARTLY} Five are fine.",
         "Nothing needs you, 1 in hand, 1 skipped at times"),
        (1, 0, 5, Rest(partly=1), "One thing needs you. One did not run every time it was due. Five are fine.",
         "1 needs you: abuse"),
        (0, 0, 5, Rest(unseen=3), "Three routines were due, and nothing has looked at them yet. Five are fine.",
         "3 due and not looked at"),
        (0, 2, 0, Rest(unseen=1, partly=1), f"{ONE_UNSEEN} Two are in hand. One did not run every time it was due.",
         "1 due and not looked at, 2 in hand, 1 skipped at times"),
        (1, 0, 0, Rest(unseen=1), f"One thing needs you. {ONE_UNSEEN}",
         "1 needs you: abuse"),
    ],
    ids=["partly", "only partly", "partly, in hand", "partly, needs", "unseen", "unseen, in hand", "unseen, needs"],
)  # fmt: skip
def test_it_passes_over_nothing_that_did_not_run(
    needs: int, in_hand: int, fine: int, rest: Rest, headline: str, subject: str
) -> None:
    assert compose_headline(needs, in_hand, fine, rest=rest) == headline
    said = compose_subject(["abuse"] * needs, in_hand=in_hand, fine=fine, day=SATURDAY, series="daily", rest=rest)
    assert said == f"{subject} · Sat 21 Nov"


@pytest.mark.parametrize(
    ("shorts", "in_hand", "series", "subject"),
    [
        (["abuse web5", "billing backup"], 2, "daily", "2 need you: abuse web5, billing backup · Sat 21 Nov"),
        (["abuse web5"], 0, "daily", "1 needs you: abuse web5 · Sat 21 Nov"),
        ([], 2, "daily", "Nothing needs you, 2 in hand · Sat 21 Nov"),
        ([], 0, "daily", "All 37 fine · Sat 21 Nov"),
        ([], 0, "weekly", "All 37 fine · week 47"),
        ([], 0, "monthly", "All 37 fine · November 2026"),
    ],
)
def test_it_puts_the_verdict_first_in_the_subject(
    shorts: list[str], in_hand: int, series: Series, subject: str
) -> None:
    assert compose_subject(shorts, in_hand=in_hand, fine=37, day=SATURDAY, series=series) == subject


def test_it_names_as_many_as_fit_into_the_subject_and_counts_the_others() -> None:
    shorts = [f"backup of web{number}" for number in range(5000)]
    subject = compose_subject(shorts, in_hand=0, fine=0, day=SATURDAY, series="daily")
    assert subject.startswith("5,000 need you: backup of web0, backup of web1")
    assert " and 4,99" in subject
    assert len(subject) <= 90


@pytest.mark.parametrize(
    ("day", "series", "tag"),
    [
        (date(2027, 1, 4), "weekly", "week 53"),  # Monday: the week that ended on Sunday
        (date(2027, 1, 1), "monthly", "December 2026"),
    ],
)
def test_it_names_the_week_or_month_that_has_ended(day: date, series: Series, tag: str) -> None:
    assert compose_subject([], in_hand=0, fine=3, day=day, series=series).endswith(f"· {tag}")


@pytest.mark.parametrize(
    ("age_days", "words"),
    [
        (0, ""),
        (1, "second day"),
        (2, "third day"),
        (9, "tenth day"),
        (10, "11th day"),
        (20, "21st day"),
        (110, "111th day"),
    ],
)
def test_it_tells_how_long_something_repeats(age_days: int, words: str) -> None:
    assert age_words(age_days) == words


@pytest.mark.parametrize(
    ("moment", "words"),
    [
        (datetime(2026, 11, 20, 23, 30, tzinfo=UTC), "today 00:30"),  # already Saturday there
        (datetime(2026, 11, 20, 17, tzinfo=UTC), "Fri 18:00"),
        (datetime(2026, 11, 23, 8, tzinfo=UTC), "Mon 09:00"),
        (datetime(2026, 11, 14, 17, tzinfo=UTC), "Sat 14 Nov"),  # a week ago: the weekday alone would mislead
    ],
)
def test_it_says_a_moment_as_people_do_on_that_day(moment: datetime, words: str) -> None:
    now = datetime(2026, 11, 21, 6, tzinfo=UTC)
    assert near_words(moment, now=now, zone="Europe/Oslo") == words


def test_it_says_how_often() -> None:
    assert [times_words(number) for number in (1, 2, 3, 5000)] == ["once", "twice", "3 times", "5,000 times"]


def test_it_says_the_period_on_the_sites_own_clock() -> None:
    span = period_words(
        datetime(2026, 10, 24, 5, tzinfo=UTC), datetime(2026, 10, 25, 6, tzinfo=UTC), zone="Europe/Oslo"
    )
    assert span == "Sat 24 Oct 07:00 to Sun 25 Oct 07:00"  # the clocks went back in between


def test_it_does_not_repeat_the_verdict_before_the_mail_is_opened() -> None:
    assert (
        compose_preheader(["Answer the abuse report"], ["billing dump", "2 reboots"])
        == "Answer the abuse report. In hand: billing dump, 2 reboots."
    )
    assert compose_preheader([], [], all_ran=False) == ""
    assert compose_preheader([], []) == "Every routine that was due ran and was checked."
    assert compose_preheader([], [], coming="on-call passes on Monday") == "Next: on-call passes on Monday."


def test_it_tells_how_to_notice_that_it_is_missing() -> None:
    assert "every week" in missing_words("weekly")
    assert "opsrunner doctor" in missing_words("daily")


def test_it_says_whether_the_sender_is_itself_in_order() -> None:
    assert (
        compose_footer(version="0.1", host="ops1", routines=40, broken=1, queued_mails=0)
        == "Sent by opsrunner 0.1 on ops1: 40 routines, 1 broken file, mail queue empty."
    )


def test_it_names_what_comes_twice_once_and_counts_it_twice() -> None:
    subject = compose_subject(["boxes", "shop", "boxes"], in_hand=0, fine=0, day=SATURDAY, series="daily")
    assert subject == "3 need you: boxes, shop · Sat 21 Nov"
