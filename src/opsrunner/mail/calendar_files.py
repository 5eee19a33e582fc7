"""iCalendar files (RFC 5545, RFC 5546) that put an appointment into a customer's calendar, move it, and take it out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from opsrunner.mail.headers import clean_line
from opsrunner.mail.message import clean_text
from opsrunner.model.mail import Attachment
from opsrunner.records import dataclass

PRODUCT = "-//opsrunner//maintenance windows//EN"
SUMMARY_LENGTH, TEXT_LENGTH = 200, 4_000


@dataclass(frozen=True, kw_only=True)
class Appointment:
    """What a calendar is told. The same `uid` with a higher `sequence` is another version of it."""

    uid: str
    sequence: int
    title: str
    about: str
    begins_at: datetime
    ends_at: datetime
    timezone: str
    """IANA name; what a calendar shows, also over a change of offset."""
    organizer: str
    """A plain address."""
    stamped_at: datetime
    is_cancelled: bool = False


def calendar_file(appointment: Appointment, *, name: str) -> Attachment:
    """Return the file: METHOD:PUBLISH, which asks nobody for an answer, or METHOD:CANCEL.

    A published event is changed by a PUBLISH with a higher SEQUENCE and taken out by a CANCEL (RFC 5546, 3.2.1).
    """
    from icalendar import Calendar, Event, vCalAddress  # noqa: PLC0415 - 100 ms that only announcements need

    method = "CANCEL" if appointment.is_cancelled else "PUBLISH"
    calendar = Calendar()
    calendar.add("prodid", PRODUCT)
    calendar.add("version", "2.0")
    calendar.add("method", method)
    event, zone = Event(), ZoneInfo(appointment.timezone)
    event.add("uid", appointment.uid)
    event.add("sequence", appointment.sequence)
    event.add("dtstamp", appointment.stamped_at.astimezone(UTC))
    event.add("dtstart", appointment.begins_at.astimezone(zone))
    event.add("dtend", appointment.ends_at.astimezone(zone))
    event.add("summary", clean_line(appointment.title, length=SUMMARY_LENGTH))
    if appointment.about:
        event.add("description", clean_text(appointment.about)[:TEXT_LENGTH])
    event.add("organizer", vCalAddress(f"mailto:{appointment.organizer}"))
    event.add("status", "CANCELLED" if appointment.is_cancelled else "CONFIRMED")
    event.add("transp", "TRANSPARENT")  # the customer is not busy
    calendar.add_component(event)
    if appointment.timezone != "UTC":
        around = timedelta(days=366)  # the changes of offset beside it, and not those of a century
        calendar.add_missing_timezones(
            first_date=(appointment.begins_at - around).date(), last_date=(appointment.ends_at + around).date()
        )
    return Attachment(name=name, content_type=f"text/calendar; method={method}; charset=UTF-8", data=calendar.to_ical())
