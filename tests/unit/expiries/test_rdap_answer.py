"""What a registry's answer says, and that no answer can do harm (RFC 9083)."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsrunner.expiries.rdap_answer import Unusable, read_answer, read_moment

NAME = "example.no"


def answer(**changes: Any) -> bytes:
    plain = {
        "objectClassName": "domain",
        "ldhName": "EXAMPLE.NO",
        "status": ["active"],
        "events": [
            {"eventAction": "registration", "eventDate": "1999-11-15T00:00:00Z"},
            {"eventAction": "expiration", "eventDate": "2026-12-01T10:30:00+02:00"},
        ],
    }
    return json.dumps({key: value for key, value in (plain | changes).items() if value is not ...}).encode()


def expiring(*dates: object) -> list[dict[str, object]]:
    return [{"eventAction": "expiration", "eventDate": one} for one in dates]


def test_it_says_when_the_domain_ends() -> None:
    said = read_answer(answer(), NAME)
    assert (said.ends_at, said.about, said.wrong) == (datetime(2026, 12, 1, 8, 30, tzinfo=UTC), "", "")


def test_of_several_dates_the_earliest_counts() -> None:
    events = expiring("2028-01-01T00:00:00Z", "2027-01-01T00:00:00Z", "soon", "0001-01-01T00:00:00Z")
    assert read_answer(answer(events=events), NAME).ends_at == datetime(2027, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    "events",
    [
        ...,
        None,
        {},
        "expiration",
        [],
        [None, 1, "x", []],
        [{"eventAction": "registrar expiration", "eventDate": "2027-01-01T00:00:00Z"}],
        expiring(None, 20270101, "2027-02-30", "2027", "", "9999-12-31T23:59:59Z", "0000-00-00", {"$date": 1}),
        expiring("2027-01-01T00:00:00Z" + " " * 90),
    ],
    ids=repr,
)
def test_a_registry_that_tells_no_date_that_can_be_tells_none(events: object) -> None:
    assert read_answer(answer(events=events), NAME).ends_at is None


@pytest.mark.parametrize(
    ("status", "wrong", "about"),
    [
        (["active", "client transfer prohibited"], "", ""),
        (["Redemption Period"], "it has ended and is in its redemption period", ""),
        (["pending delete", "server hold"], "it has ended and is about to be deleted", ""),
        (["client hold"], "it is on hold, and does not resolve", ""),
        (["auto renew period"], "", "auto renew period"),
        ([None, 7, {"a": 1}], "", ""),
        ("redemption period", "", ""),
    ],
    ids=str,
)
def test_a_domain_that_is_being_lost_is_told_apart_from_its_date(status: object, wrong: str, about: str) -> None:
    said = read_answer(answer(status=status), NAME)
    assert (said.wrong, said.about) == (wrong, about)


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "not JSON"),
        (b"<html>", "not JSON"),
        (b"[" * 200_000, "not JSON"),
        (b'{"a": NaN}', "not JSON"),
        (b'{"a": ' + b"9" * 10_000 + b"}", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"[]", "not about a domain"),
        (b"null", "not about a domain"),
        (answer(objectClassName="nameserver"), "not about a domain"),
        (answer(ldhName="other.no"), "about another domain"),
        (answer(ldhName=["example.no"]), "about another domain"),
        (answer(ldhName=..., unicodeName="øther.no"), "about another domain"),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_an_answer_that_is_none_is_refused(body: bytes, why: str) -> None:
    with pytest.raises(Unusable, match=why):
        read_answer(body, NAME)


def test_a_name_beyond_ascii_is_the_same_in_both_of_its_forms() -> None:
    assert read_answer(answer(ldhName=..., unicodeName="Blåbær.no"), "xn--blbr-roah.no").ends_at is not None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)


@given(events=JSON, status=JSON, name=JSON | st.just(NAME))
def test_whatever_an_answer_holds_it_is_read_or_refused(events: object, status: object, name: object) -> None:
    try:
        said = read_answer(answer(events=events, status=status, ldhName=name), NAME)
    except Unusable:
        return
    assert said.ends_at is None or said.ends_at.tzinfo is UTC


@given(st.datetimes(min_value=datetime(1985, 1, 2), max_value=datetime(2199, 12, 30)), st.timezones())
def test_a_moment_is_the_same_in_every_zone(wall: datetime, zone: Any) -> None:
    moment = wall.replace(tzinfo=zone)
    text = moment.isoformat()
    try:
        offset_is_whole = len(text.rpartition("+")[2]) <= 6
    except ValueError:
        offset_is_whole = False
    if offset_is_whole:
        assert read_moment(text.lower().replace("+00:00", "z")) == moment.astimezone(UTC)


@given(st.text(max_size=70))
def test_no_text_makes_a_moment_stumble(text: str) -> None:
    moment = read_moment(text)
    assert moment is None or moment.tzinfo is UTC
