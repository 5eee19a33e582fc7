"""A digest with every section, and one of a day when nothing went wrong."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from opsrunner.engine.digest_words import compose_footer, compose_headline, compose_preheader, compose_subject
from opsrunner.model.digest import Coming, DayMark, Digest, Figure, OpenItem, Planned, Tone

DAY = date(2026, 11, 21)
PAGE = "https://ops.example.com"
TONES: tuple[Tone, ...] = ("fine", "fine", "look", "fine", "failed", "fine", "nothing", "fine", "look", "failed")


@pytest.fixture
def packaged() -> tuple[Path, ...]:
    """The folder of the templates that come with the program."""
    return (Path(__file__).parents[3] / "reports",)


@pytest.fixture
def full_digest() -> Digest:
    """A Saturday on which something stands in every section."""
    return Digest(
        series="daily",
        site="Example Hosting",
        zone="Europe/Oslo",
        from_=datetime(2026, 11, 20, 6, tzinfo=UTC),
        until=datetime(2026, 11, 21, 6, tzinfo=UTC),
        headline=compose_headline(2, 2, 37),
        subject=compose_subject(["abuse web5", "4 closures"], in_hand=2, fine=37, day=DAY, series="daily"),
        preheader=compose_preheader(["Answer the abuse report on web5"], ["the billing dump"]),
        needs_you=_needs_you(),
        in_hand=_in_hand(),
        house=(
            Figure(name="hosts", text="40 of 40 hosts reachable", tone="fine"),
            Figure(name="copies", text="38 of 40 with a proven copy under 26 h", tone="look"),
            Figure(name="tickets", text="oldest ticket 38 min", tone="fine"),
            Figure(name="orders", text="3 orders open, 1 unpaid", tone="fine"),
            Figure(name="mails", text="12 of 12 mails delivered", tone="fine"),
        ),
        counts="37 routines, 214 runs, 17 of 18 tasks.",
        planned=(
            Planned(name="Support watch", text="96 of 96 checks, no breach"),
            Planned(name="Certificates", text="61 of 61 good for 21 days or more"),
            Planned(name="Monthly invoice check", text="skipped: holiday", tone="nothing"),
        ),
        planned_left_out=34,
        coming=_coming(),
        muted=("Kernel updates paused by First technician until Wed 25 Nov: waiting for the vendor.",),
        gaps=("The scheduler was down from 03:10 to 07:40; 2 runs were caught up, 1 was missed.",),
        days=_days(TONES),
        footer=compose_footer(version="0.1", host="ops1", routines=40, broken=1, queued_mails=0),
    )


@pytest.fixture
def calm_digest(full_digest: Digest) -> Digest:
    """The same Saturday, had nothing gone wrong."""
    return replace(
        full_digest,
        headline=compose_headline(0, 0, 37),
        subject=compose_subject([], in_hand=0, fine=37, day=DAY, series="daily"),
        preheader=compose_preheader([], [], coming="on-call passes to the second technician"),
        needs_you=(),
        in_hand=(),
        muted=(),
        gaps=(),
        days=_days(("fine",) * 10),
        footer=compose_footer(version="0.1", host="ops1", routines=40, broken=0, queued_mails=0),
    )


def _needs_you() -> tuple[OpenItem, ...]:
    return (
        OpenItem(
            tone="failed",
            word="Overdue",
            title="Answer the abuse report on web5",
            facts="Due Fri 18:00, 13 h late. Reminded twice, escalated to you at 20:00.",
            with_whom="First technician (on-call), open since Thursday",
            age_days=2,
            task=12,
            url=f"{PAGE}/tasks/12",
            action="Answer it",
        ),
        OpenItem(
            tone="look",
            word="Approve",
            title="Close 4 accounts that were not paid for 60 days",
            facts="Two notices went out to each; 1 struck by the desk. Nothing happens without you.",
            with_whom="Asked by First technician, Fri 15:10",
            task=14,
        ),
    )


def _in_hand() -> tuple[OpenItem, ...]:
    return (
        OpenItem(
            tone="failed",
            word="Failed",
            title="Nightly backups: the billing dump",
            facts="Lost connection to MySQL, twice. Last good copy Fri 02:31, proven restorable 7 days ago.",
            with_whom="With the first technician since 07:10",
            run=214,
        ),
        OpenItem(
            tone="look",
            word="Look",
            title="2 of 40 hosts wait for a reboot",
            facts="web2 and web7 run an old kernel since 6 days.",
            with_whom="First technician",
            age_days=5,
            url=f"{PAGE}/tasks/9",
        ),
    )


def _coming() -> tuple[Coming, ...]:
    return (
        Coming(at=datetime(2026, 11, 22, tzinfo=UTC), when="Sun", text="Nobody covers support from 18:00 to 24:00"),
        Coming(at=datetime(2026, 11, 24, 1, tzinfo=UTC), when="Tue 02:00", text="Maintenance of web2 and web7"),
    )


def _days(tones: tuple[Tone, ...]) -> tuple[DayMark, ...]:
    first = DAY - timedelta(days=len(tones) - 1)
    return tuple(DayMark(day=first + timedelta(days=number), tone=tone) for number, tone in enumerate(tones))
