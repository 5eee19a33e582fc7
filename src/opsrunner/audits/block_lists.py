"""Block lists by DNS: which names are asked for, and what the answers mean (RFC 5782).

A list that refuses to answer, or is no more, must not look like one that has nothing against a host. So each is asked
for its two test entries too: 127.0.0.2 stands on every list that works, 127.0.0.1 on none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from opsrunner.audits.sections import clean, clean_subject
from opsrunner.model.finding import Cause, Finding, HostReport, Severity
from opsrunner.records import dataclass

CAUSE = "block-list"
CAUSES: Mapping[str, Cause] = {
    CAUSE: Cause(
        name=CAUSE,
        title="Get the address off the block list",
        how="Stop what sends first: the mail queue and its log name the account. Then ask the list's own page why, and"
        " to be taken off; asking while it goes on makes it longer. Until then others refuse this host's mail.",
    )
}
Answers = Mapping[str, Sequence[str] | None]
"""By the name asked for: its addresses, none where there is no such name; None where that is not known."""
_ENTRIES = ip_network("127.0.0.0/8")
_REFUSALS = (ip_network("127.255.255.0/24"), ip_network("127.0.0.1/32"))
"""Spamhaus's own codes for queries that it does not answer, above all those of public resolvers; and URIBL's."""
_TESTS = {4: ("127.0.0.2", "127.0.0.1"), 6: ("::ffff:7f00:2", "::ffff:7f00:1")}


class Standing(StrEnum):
    """How an address stands on a list."""

    LISTED = "listed"
    NOT_LISTED = "not listed"
    REFUSED = "refused"
    """The list does not tell us."""
    UNKNOWN = "unknown"
    """No answer came."""


@dataclass(frozen=True, kw_only=True)
class _Entry:
    zone: str
    address: str
    name: str


def block_list_queries(address: str, zones: Sequence[str]) -> list[tuple[str, str]]:
    """Return each zone with the name that tells of an address: its octets, or nibbles, backwards.

    Raises ValueError if it is no address.
    """
    backwards = _plain(address).reverse_pointer.removesuffix(".in-addr.arpa").removesuffix(".ip6.arpa")
    return [(zone, f"{backwards}.{zone.strip('.')}") for zone in zones]


def read_block_list_answer(zone: str, addresses: Sequence[str] | None) -> Standing:
    """Return what an answer means. An address of none of the ways of lists is a refusal: somebody else answers.

    `zone` is there for lists that some day mean something else by the same code.
    """
    del zone
    if addresses is None:
        return Standing.UNKNOWN
    if not addresses:
        return Standing.NOT_LISTED
    try:
        told = [IPv4Address(address) for address in addresses]
    except ValueError:
        return Standing.REFUSED
    if any(entry not in _ENTRIES or any(entry in refusal for refusal in _REFUSALS) for entry in told):
        return Standing.REFUSED
    return Standing.LISTED


def names_to_ask(addresses: Sequence[str], zones: Sequence[str]) -> list[str]:
    """Return every name that judging the addresses needs an answer for, each once. Leaves out what is no address."""
    asked = [address for address in addresses if not _why_not(address)]
    families = {_plain(address).version for address in asked}
    tests = [test for family in sorted(families) for test in _TESTS[family]]
    return list(dict.fromkeys(name for address in (*tests, *asked) for _, name in _queries(address, zones)))


def judge_block_lists(host: str, addresses: Sequence[str], zones: Sequence[str], answers: Answers) -> HostReport:
    """Judge how a host's addresses stand on the lists. A list that does not work leaves the cause not examined."""
    problems = [f"block lists: {reason}" for address in addresses if (reason := _why_not(address))]
    asked = [address for address in addresses if not _why_not(address)]
    if not asked and not problems:
        problems = ["block lists: no address to ask for"]
    entries = [
        _Entry(zone=zone, address=address, name=name) for address in asked for zone, name in _queries(address, zones)
    ]
    findings = []
    for entry in entries:
        standing = read_block_list_answer(entry.zone, answers.get(entry.name))
        broken = _why_broken(entry, answers)
        if standing in (Standing.REFUSED, Standing.UNKNOWN) or broken:
            problems.append(f"block lists: {clean(entry.zone)} {broken or _why_silent(standing)}")
        elif standing is Standing.LISTED:
            findings.append(_finding(host, entry, answers))
    return HostReport(
        host=host,
        examined=frozenset() if problems else frozenset({CAUSE}),
        findings=tuple(findings),
        problems=tuple(dict.fromkeys(problems)),
        facts={"block_lists": len(findings)},
    )


def _why_not(address: str) -> str:
    """Say why no list can know an address, '' where one can."""
    try:
        plain = _plain(address)
    except ValueError:
        return f"{clean(address)!r} is no address"
    return "" if plain.is_global else f"{plain} is no public address, no list knows it"


def _why_broken(entry: _Entry, answers: Answers) -> str:
    """Say what a list's own test entries show, '' where it works."""
    bad, good = (
        read_block_list_answer(entry.zone, answers.get(name))
        for test in _TESTS[_plain(entry.address).version]
        for _, name in _queries(test, [entry.zone])
    )
    if bad in (Standing.REFUSED, Standing.UNKNOWN):
        return _why_silent(bad)
    if bad is not Standing.LISTED:
        kind = "IPv6 addresses" if _plain(entry.address).version == 6 else "anything: its own test entry is missing"
        return f"does not keep {kind}"
    return "" if good is Standing.NOT_LISTED else "lists everything, even what it must not"


def _why_silent(standing: Standing) -> str:
    if standing is Standing.REFUSED:
        return "refuses to answer: ask through a resolver of your own, or an account there"
    return "did not answer"


def _finding(host: str, entry: _Entry, answers: Answers) -> Finding:
    codes = " ".join(sorted(answers.get(entry.name) or ()))
    return Finding(
        host=host,
        cause=CAUSE,
        subject=clean_subject(f"{entry.zone} {entry.address}"),
        severity=Severity.HIGH,
        detail=f"listed there with {codes}",
        mark=codes,
    )


def _queries(address: str, zones: Sequence[str]) -> list[tuple[str, str]]:
    """Ask for the test entries of IPv6, too, as what they are: they are written like mapped IPv4 addresses."""
    if address in _TESTS[6]:
        backwards = IPv6Address(address).reverse_pointer.removesuffix(".ip6.arpa")
        return [(zone, f"{backwards}.{zone.strip('.')}") for zone in zones]
    return block_list_queries(address, zones)


def _plain(address: str) -> IPv4Address | IPv6Address:
    plain = ip_address(address)
    return plain.ipv4_mapped or plain if isinstance(plain, IPv6Address) else plain
