"""The step kind `cover`: what the coming weeks lack. Duties that nobody holds, tasks of those who are away, seasons."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field, StrictBool

from opsrunner.schedules.day_words import day_word, parse_days
from opsrunner.steps.fields import Seconds, Words
from opsrunner.steps.kind import InModule, Kind, StepOptions


def _check_day(text: str) -> str:
    words = parse_days(text, every="year")
    if len(words) != 1 or not day_word(words[0]).month:
        raise ValueError("must be a day of the year such as 20 nov")
    return words[0]


DayOfYear = Annotated[str, AfterValidator(_check_day)]


class Peak(StepOptions):
    """A busy season, each year from one day to another, both included; it may pass the turn of the year."""

    name: str = Field(min_length=1)
    from_: DayOfYear = Field(alias="from")
    until: DayOfYear
    ahead: Seconds = 28 * 86400
    """How long before it begins it is told of."""
    tags: Words = ()
    """What a freeze in that season should hold; without tags none is expected."""
    hosts: Words = ()
    """Hosts or groups that bear it; default: those of `room`."""


class RoomOptions(StepOptions):
    """What stands in `room:`."""

    routine: str = Field(default="capacity", min_length=1)
    """The routine whose capacity audit measures."""
    step: str = Field(default="audit", min_length=1)
    """Its step."""
    hosts: Words = ()
    """Hosts or groups; default: every host of the inventory, and this machine where there is no other."""
    disk_percent: float = Field(default=80, gt=0, le=100)
    """A disk that is so full before a season has no room for it."""
    measured_within: Seconds = 3 * 86400
    """What was measured longer ago counts as not measured."""


class Options(StepOptions):
    """What stands in `cover:`."""

    within: Seconds = 14 * 86400
    """How far ahead gaps, leave and holidays are looked at."""
    planned: StrictBool = False
    """Also tell the hours that a roster itself leaves open."""
    calendar: str = Field(default="business", min_length=1)
    """Whose holidays are told."""
    peaks: tuple[Peak, ...] = ()
    room: RoomOptions | None = None
    """Whether hosts have room for a season; without it nobody looks."""


def preview(options: Options) -> str:
    """Return what would be looked at."""
    return (
        f"look {options.within // 86400} days ahead for gaps, leave and holidays, and for {len(options.peaks)} seasons"
    )


run = InModule("cover_run")

KIND = Kind(
    name="cover",
    summary="Look ahead: duties that nobody holds, tasks of people who are away, seasons and room for them, holidays.",
    options=Options,
    run=run,
    preview=preview,
    reads_only=True,
    at_once=True,
)
