"""The step `suppress`: an address gets no notices any more, and what waited for it is taken back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from opsrunner.model.notice import KnownOccasion, Told, ToldStatus
from opsrunner.model.outcome import Outcome

ROUTINE = """\
name: Silence
accountable: boss
schedule: {every: day, at: "13:00"}
steps:
  - id: silence
    suppress: {address: "{{ row.address }}", reason: "{{ row.why }}"}
    for_each: "[{'address': 'Kari <KARI@customer.example>', 'why': 'it bounces'}, {'address': 'nobody', 'why': 'x'}]"
    key: row.why
"""


def outcome(site: Any) -> Outcome:
    (record,) = site.app.books.steps.of_run(site.runs("silence")[-1].id)
    found: Outcome | None = record.outcome
    assert found is not None
    return found


def test_it_silences_an_address_takes_back_what_waits_and_names_what_is_none(house: Callable[..., Any]) -> None:
    site = house({"silence": ROUTINE})
    site.at("2026-11-20T13:00:01")

    fine, wrong = outcome(site).parts
    assert (fine.status.value, fine.message) == ("succeeded", "kari@customer.example gets no notices any more")
    assert (wrong.status.value, wrong.message) == ("failed", "not a mail address: 'nobody'")
    (one,) = site.app.books.suppressions.listed(at=site.clock.now())
    assert (one.address, one.notice, one.why, one.by) == ("kari@customer.example", "", "it bounces", "opsrunner")

    site.at("2026-11-21T13:00:01")
    assert outcome(site).parts[0].message == "kari@customer.example got none before"
    assert len(site.app.books.suppressions.listed(at=site.clock.now())) == 1


def test_a_mail_that_has_not_left_is_taken_back(house: Callable[..., Any]) -> None:
    from opsrunner.ledger.notices import NoticeBatch, Telling  # noqa: PLC0415 - beside its use
    from opsrunner.model.mail import NewMail  # noqa: PLC0415

    site = house({"silence": ROUTINE})
    at = site.clock.now()
    occasion = KnownOccasion(key="a.example", edition=1, at=at, until=None, since=at)
    told = Told(
        notice="renewals.notice",
        key="a.example",
        edition=1,
        rung="7d",
        recipient="kari@customer.example",
        status=ToldStatus.SENT,
        due_at=at,
        at=at,
    )
    mail = NewMail(to="kari@customer.example", subject="s", text="t", bulk=True, series="renewals.notice")
    batch = NoticeBatch(
        notice="renewals.notice", begun=(occasion,), ended=(), tellings=(Telling(told=told, mail=mail),)
    )
    site.app.books.notices.write(batch, at=at)
    site.at("2026-11-20T13:00:01")

    assert outcome(site).parts[0].facts == {"suppressed": 1, "taken_back": 1}
    assert [one.to for one in site.app.books.outbox.queued() if one.bulk] == []
