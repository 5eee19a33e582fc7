"""Block lists: the names that are asked for, and answers that say less than they seem to."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as any_of

from opsrunner.audits.block_lists import (
    CAUSES,
    Answers,
    Standing,
    block_list_queries,
    judge_block_lists,
    names_to_ask,
    read_block_list_answer,
)

ZONE, OTHER = "zen.example.org", "bl.example.net"
MAIL, MAIL6 = "8.8.4.4", "2606:4700::1111"
LISTED, NOT_LISTED, REFUSED, UNKNOWN = Standing
WORKING: Answers = {f"2.0.0.127.{ZONE}": ("127.0.0.2",), f"1.0.0.127.{ZONE}": ()}


def test_an_address_is_asked_for_backwards() -> None:
    assert block_list_queries("192.0.2.99", [ZONE, f"{OTHER}."]) == [
        (ZONE, f"99.2.0.192.{ZONE}"),
        (f"{OTHER}.", f"99.2.0.192.{OTHER}"),
    ]
    assert block_list_queries("2001:db8:1:2:3:4:567:89ab", [ZONE]) == [  # the example of RFC 5782, 2.4
        (ZONE, f"b.a.9.8.7.6.5.0.4.0.0.0.3.0.0.0.2.0.0.0.1.0.0.0.8.b.d.0.1.0.0.2.{ZONE}")
    ]
    assert block_list_queries("::ffff:192.0.2.99", [ZONE]) == block_list_queries("192.0.2.99", [ZONE])


def test_what_is_no_address_is_refused() -> None:
    with pytest.raises(ValueError, match="web3"):
        block_list_queries("web3", [ZONE])


@given(any_of.ip_addresses())
def test_backwards_twice_is_the_address_again(address: IPv4Address | IPv6Address) -> None:
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        return
    ((_, name),) = block_list_queries(str(address), [ZONE])
    labels = name.removesuffix(f".{ZONE}").split(".")[::-1]
    again = (
        ".".join(labels) if address.version == 4 else ":".join("".join(labels[at : at + 4]) for at in range(0, 32, 4))
    )

    assert type(address)(again) == address


@pytest.mark.parametrize(
    ("addresses", "standing"),
    [
        (("127.0.0.2",), LISTED),
        (("127.0.0.4", "127.0.0.11"), LISTED),
        ((), NOT_LISTED),
        (None, UNKNOWN),
        (("127.255.255.254",), REFUSED),  # Spamhaus: asked through a public resolver
        (("127.255.255.252",), REFUSED),  # Spamhaus: a zone that is not one of theirs
        (("127.255.255.255",), REFUSED),  # Spamhaus: too many queries
        (("127.0.0.2", "127.255.255.254"), REFUSED),
        (("127.0.0.1",), REFUSED),  # URIBL: asked through a public resolver
        (("203.0.113.80",), REFUSED),  # the domain was let go, and somebody sells it
        (("nonsense",), REFUSED),
    ],
)
def test_what_an_answer_means(addresses: Sequence[str] | None, standing: Standing) -> None:
    assert read_block_list_answer(ZONE, addresses) is standing


def test_each_list_is_asked_for_its_own_test_entries_too() -> None:
    assert names_to_ask([MAIL], [ZONE]) == [f"2.0.0.127.{ZONE}", f"1.0.0.127.{ZONE}", f"4.4.8.8.{ZONE}"]
    assert len(names_to_ask([MAIL, MAIL6, MAIL], [ZONE, OTHER])) == 12


def test_an_address_on_a_list_is_found() -> None:
    report = judge_block_lists("web3", [MAIL], [ZONE], {**WORKING, f"4.4.8.8.{ZONE}": ("127.0.0.4",)})

    assert [(finding.name, finding.detail, finding.mark) for finding in report.findings] == [
        (f"block-list:{ZONE} {MAIL}", "listed there with 127.0.0.4", "127.0.0.4")
    ]
    assert report.examined == set(CAUSES)
    assert report.problems == ()


def test_an_address_on_no_list_is_fine() -> None:
    report = judge_block_lists("web3", [MAIL], [ZONE], {**WORKING, f"4.4.8.8.{ZONE}": ()})

    assert (report.examined, report.findings, report.problems) == (frozenset(CAUSES), (), ())


@pytest.mark.parametrize(
    ("answers", "problem"),
    [
        ({}, "did not answer"),
        ({**WORKING, f"4.4.8.8.{ZONE}": None}, "did not answer"),
        ({**WORKING, f"4.4.8.8.{ZONE}": ("127.255.255.254",)}, "refuses to answer"),
        (dict.fromkeys([*WORKING, f"4.4.8.8.{ZONE}"], ("127.255.255.254",)), "refuses to answer"),
        (dict.fromkeys([*WORKING, f"4.4.8.8.{ZONE}"], ()), "its own test entry is missing"),
        (dict.fromkeys([*WORKING, f"4.4.8.8.{ZONE}"], ("127.0.0.2",)), "lists everything"),
    ],
    ids=["silent", "silent for this", "refused for this", "refused", "no more", "lists everything"],
)
def test_a_list_that_does_not_work_is_never_fine(answers: Answers, problem: str) -> None:
    report = judge_block_lists("web3", [MAIL], [ZONE], answers)

    assert (report.examined, report.findings) == (frozenset(), ())
    assert len(report.problems) == 1
    assert problem in report.problems[0]


def test_a_list_that_keeps_no_ipv6_says_so() -> None:
    answers = dict.fromkeys(names_to_ask([MAIL6], [ZONE]), ())

    assert "does not keep IPv6" in judge_block_lists("web3", [MAIL6], [ZONE], answers).problems[0]


@pytest.mark.parametrize("address", ["10.0.0.5", "127.0.0.1", "fe80::1", "web3", ""])
def test_an_address_that_no_list_can_know_is_not_fine(address: str) -> None:
    report = judge_block_lists("web3", [address], [ZONE], WORKING)

    assert names_to_ask([address], [ZONE]) == []
    assert report.examined == frozenset()
    assert len(report.problems) == 1


def test_no_address_at_all_is_not_fine() -> None:
    assert judge_block_lists("web3", [], [ZONE], {}).problems == ("block lists: no address to ask for",)
