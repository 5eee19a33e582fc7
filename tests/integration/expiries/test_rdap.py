"""A registry on loopback: asked over real HTTP, busy, wrong, slow and hostile."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest

from opsrunner import exchange
from opsrunner.clock import SystemClock
from opsrunner.expiries import rdap
from opsrunner.expiries.rdap import MOST_BYTES, NO_SUCH_DOMAIN, RdapClient, Said
from opsrunner.expiries.rdap_round import MOST_FAULTS, Question, RdapRound
from opsrunner.model.expiry import DateAnswer, Resting

from ...patience import within
from .registry import Registry, domain, send

ENDS = "2026-12-01T10:00:00Z"
END = datetime(2026, 12, 1, 10, tzinfo=UTC)
Handler = BaseHTTPRequestHandler


def ask(registry: Registry, name: str = "a.no", *, seconds: float = 5) -> Said:
    client = RdapClient(clock=SystemClock(), stopping=threading.Event(), one_seconds=seconds)
    return client.ask(name, registry.url)


def test_a_registry_says_when_a_domain_ends(registry: Registry) -> None:
    registry.domains["a.no"] = ENDS
    said = ask(registry)
    assert said.answer is not None
    assert (said.answer.ends_at, said.answer.wrong, said.by) == (END, "", "127.0.0.1")
    assert registry.accepted == ["application/rdap+json"]


def test_a_domain_that_it_does_not_know_is_an_answer(registry: Registry) -> None:
    said = ask(registry)
    assert said.answer is not None
    assert (said.answer.ends_at, said.answer.wrong, said.failure) == (None, NO_SUCH_DOMAIN, "")


def elsewhere(to: Callable[[str], str], status: int = 302) -> Callable[[Handler, str], None]:
    return lambda handler, name: send(handler, status, Location=to(name))


WRONG: list[Any] = [
    pytest.param(lambda h, _: send(h, 500), "answered 500", True, id="500"),
    pytest.param(lambda h, _: send(h, 403), "answered 403", True, id="403"),
    pytest.param(lambda h, _: send(h, 400), "answered 400", False, id="400"),
    pytest.param(lambda h, _: send(h, 200, b"<html>"), "not JSON", False, id="HTML"),
    pytest.param(lambda h, _: send(h, 200, b"{" * 100_000), "not JSON", False, id="nested"),
    pytest.param(lambda h, _: send(h, 200, b"[]"), "not about a domain", False, id="a list"),
    pytest.param(lambda h, _: send(h, 200, b'{"ldhName": "b.no"}'), "another domain", False, id="another domain"),
    pytest.param(lambda h, _: send(h, 200, b"x" * (MOST_BYTES + 1)), "answered more than", False, id="too long"),
    pytest.param(elsewhere(lambda name: f"/again/{name}"), "without an end", True, id="in a circle"),
    pytest.param(elsewhere(lambda name: "http://rdap.example.com/"), "no TLS", True, id="away from TLS"),
    pytest.param(elsewhere(lambda name: "file:///etc/passwd"), "no TLS", True, id="to a file"),
    pytest.param(elsewhere(lambda name: "https://["), "no TLS", True, id="to nowhere"),
]


@pytest.mark.parametrize(("behave", "why", "is_fault"), WRONG)
def test_an_answer_that_says_nothing_is_a_failure_in_words(
    registry: Registry, behave: Callable[[Handler, str], None], why: str, is_fault: bool
) -> None:
    registry.behave = behave
    said = ask(registry)
    assert said.answer is None
    assert why in said.failure
    assert said.is_fault is is_fault
    assert "\n" not in said.failure
    assert len(registry.asked) <= 5


def test_a_redirect_within_the_same_trust_is_followed(registry: Registry) -> None:
    registry.domains["a.no"] = ENDS

    def behave(handler: Handler, name: str) -> None:
        if handler.path.startswith("/domain/"):
            send(handler, 307, Location=f"/elsewhere/{name}?x=1")
        else:
            registry.answer(handler, name.partition("?")[0])

    registry.behave = behave
    said = ask(registry)
    assert said.answer is not None
    assert said.answer.ends_at == END


def test_a_server_of_the_internet_does_not_send_us_into_a_network_of_our_own(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Loopback plays both: a server of the Internet where it was asked, and a network of our own where it sends us."""
    monkeypatch.setattr(rdap, "is_public", lambda _: True)
    monkeypatch.setattr(exchange, "is_public", lambda _: False)
    registry.behave = lambda handler, name: send(handler, 307, Location=f"/elsewhere/{name}?x=1")
    said = ask(registry)
    assert (said.answer, said.failure) == (None, "127.0.0.1: it leads into a network of our own, to 127.0.0.1")
    assert len(registry.asked) == 1


def drip(handler: Handler, _name: str) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    for _ in range(2_000):
        handler.wfile.write(b" ")
        handler.wfile.flush()
        time.sleep(0.02)


def test_a_body_that_drips_costs_no_more_than_its_time(registry: Registry) -> None:
    registry.behave = drip
    said = within(2, lambda: ask(registry, seconds=0.4))
    assert (said.failure, said.is_fault) == ("127.0.0.1: no answer in 0.4 s", True)


@pytest.mark.parametrize(
    ("retry_after", "rest"),
    [
        ("120", timedelta(seconds=120)),
        ("", timedelta(minutes=10)),
        ("soon", timedelta(minutes=10)),
        ("-5", timedelta(minutes=10)),
        ("99999999", timedelta(days=1)),
        ("9" * 50, timedelta(minutes=10)),
        ("Fri, 01 Jan 1999 00:00:00 GMT", timedelta(0)),
    ],
)
def test_a_busy_registry_says_how_long_to_leave_it_alone(registry: Registry, retry_after: str, rest: timedelta) -> None:
    registry.behave = lambda handler, _: send(handler, 429, Retry_After=retry_after)
    said = ask(registry)
    assert (said.answer, said.is_fault, said.rest) == (None, True, rest)


def test_it_may_say_that_by_a_date(registry: Registry) -> None:
    until = datetime.now(UTC) + timedelta(hours=2)
    registry.behave = lambda handler, _: send(handler, 503, Retry_After=format_datetime(until, usegmt=True))
    rest = ask(registry).rest
    assert rest is not None
    assert timedelta(minutes=119) < rest <= timedelta(hours=2)


class Rounds:
    """Rounds of questions, one after the other, with what is known of servers in between."""

    def __init__(self) -> None:
        self.resting: dict[str, Resting] = {}
        self.left: dict[str, str] = {}
        self.stopping = threading.Event()

    def ask(self, questions: list[Question], *, seconds: float = 30, most_at_once: int = 8) -> dict[str, DateAnswer]:
        clock = SystemClock()
        client = RdapClient(clock=clock, stopping=self.stopping, one_seconds=20)
        asked = RdapRound(
            client.ask,
            clock=clock,
            stopping=self.stopping,
            ends_at=clock.monotonic() + seconds,
            resting=self.resting,
        )
        answers = {one.name: one for one in asked.run(questions, most_at_once=most_at_once)}
        self.left = asked.left
        self.resting |= {one.server: one for one in asked.rests()}
        for server in asked.recovered():
            del self.resting[server]
        return answers


@pytest.fixture
def rounds() -> Rounds:
    return Rounds()


def questions(registry: Registry, count: int) -> list[Question]:
    return [Question(name=f"n{number}.no", base=registry.url) for number in range(count)]


def test_many_names_are_asked_a_few_at_a_time(registry: Registry, rounds: Rounds) -> None:
    registry.domains = {f"n{number}.no": ENDS for number in range(100)}
    answers = rounds.ask(questions(registry, 100))
    assert len(answers) == 100
    assert sorted(registry.asked) == sorted(registry.domains)
    assert {one.ends_at for one in answers.values()} == {END}
    assert registry.most_at_once <= 4
    assert (rounds.left, rounds.resting) == ({}, {})


def test_a_short_rest_is_waited_for_and_nothing_is_lost(registry: Registry, rounds: Rounds) -> None:
    registry.domains = {f"n{number}.no": ENDS for number in range(5)}
    refused: list[str] = []

    def behave(handler: Handler, name: str) -> None:
        if name == "n2.no" and len(refused) < 2:
            refused.append(name)
            send(handler, 429, Retry_After="0")
        else:
            registry.answer(handler, name)

    registry.behave = behave
    assert len(rounds.ask(questions(registry, 5))) == 5
    assert (len(refused), rounds.left, rounds.resting) == (2, {}, {})


def test_a_registry_that_wants_a_long_rest_gets_it_also_in_the_next_run(registry: Registry, rounds: Rounds) -> None:
    registry.behave = lambda handler, _: send(handler, 429, Retry_After="3600")
    answers = rounds.ask(questions(registry, 5))
    assert [one.failure for one in answers.values()] == ["127.0.0.1 wants to be left alone (429)"]
    assert len(rounds.left) == 4
    assert "it is left alone until" in rounds.left["n4.no"]
    asked = len(registry.asked)
    assert rounds.ask(questions(registry, 5)) == {}
    assert len(registry.asked) == asked
    assert len(rounds.left) == 5


def test_a_registry_that_fails_and_fails_is_left_alone_ever_longer(registry: Registry, rounds: Rounds) -> None:
    registry.behave = lambda handler, _: send(handler, 500)
    spans = []
    for _ in range(3):
        rounds.ask(questions(registry, 9))
        (resting,) = rounds.resting.values()
        spans.append(round((resting.until - datetime.now(UTC)) / timedelta(minutes=15)))
        rounds.resting = {
            resting.server: Resting(
                server=resting.server, until=datetime.now(UTC), why=resting.why, faults=resting.faults
            )
        }
    assert spans == [1, 2, 4]
    assert len(registry.asked) == 3 * MOST_FAULTS
    registry.behave, registry.domains = None, {f"n{number}.no": ENDS for number in range(9)}
    assert len(rounds.ask(questions(registry, 9))) == 9
    assert rounds.resting == {}


def test_one_registry_in_trouble_costs_the_others_nothing(registry: Registry, rounds: Rounds) -> None:
    other = Registry(domains={f"n{number}.se": ENDS for number in range(20)})
    try:
        registry.behave = lambda handler, _: send(handler, 429, Retry_After="600")
        theirs = [Question(name=name, base=other.url) for name in other.domains]
        answers = rounds.ask([*questions(registry, 20), *theirs], most_at_once=2)
    finally:
        other.close()
    assert sum(one.ends_at is not None for one in answers.values()) == 20


def test_what_was_known_before_stands_where_no_answer_comes(registry: Registry, rounds: Rounds) -> None:
    registry.behave = lambda handler, _: send(handler, 500)
    before = DateAnswer(place="rdap", name="a.no", answered_at=END, ends_at=END, by="rdap", tried_at=END)
    answers = rounds.ask([Question(name="a.no", base=registry.url, known=before)])
    assert (answers["a.no"].ends_at, answers["a.no"].answered_at) == (END, END)
    assert answers["a.no"].failure == "127.0.0.1 answered 500"


def test_a_round_ends_with_the_word_to_stop_and_with_the_time(registry: Registry, rounds: Rounds) -> None:
    assert rounds.ask(questions(registry, 3), seconds=-1) == {}
    assert set(rounds.left.values()) == {"the step's time was over"}
    rounds.stopping.set()
    assert rounds.ask(questions(registry, 3)) == {}
    assert set(rounds.left.values()) == {"stopped"}
    assert registry.asked == []


def test_hostile_names_reach_a_registry_as_a_name_or_not_at_all(registry: Registry) -> None:
    registry.behave = lambda handler, name: send(handler, 200, str(domain("x", ENDS)).encode())
    ask(registry, "xn--blbr-roah.no")
    assert registry.asked == ["xn--blbr-roah.no"]
