"""Jump hosts of inventories become names of hosts, or one line that says what is missing."""

from collections.abc import Mapping
from typing import Any

import pytest

from opsrunner.config.inventories.found import Findings, FoundHost, Place
from opsrunner.config.inventories.jumps import settle_jumps

PLACE = Place(file="hosts", line=1)
OWN: Mapping[str, Mapping[str, Any]] = {"gate": {"address": "192.0.2.7", "user": "ops", "port": 2200}}


def settled(jump: str) -> tuple[str | None, str]:
    """Return what the jump of web1 became, and what was said."""
    findings = Findings()
    hosts = [
        FoundHost(name="bastion", place=PLACE, keys={"address": "2001:db8::7"}),
        FoundHost(name="web1", place=PLACE, keys={"jump": jump}),
    ]
    found = settle_jumps({host.name: host for host in hosts}, OWN, findings)
    return found["web1"].keys.get("jump"), "".join(map(str, findings.problems))


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("bastion", "bastion"),
        ("[2001:db8::7]:22", "bastion"),
        ("2001:db8::7", "bastion"),
        ("gate", "gate"),
        ("ops@gate:2200", "gate"),
        ("ssh://ops@192.0.2.7:2200", "gate"),
    ],
)
def test_a_jump_is_found_by_name_or_address(written: str, name: str) -> None:
    assert settled(written) == (name, "")


@pytest.mark.parametrize(
    ("written", "said"),
    [
        (
            "ops@jump.example.com:2200",
            (
                "goes over 'ops@jump.example.com:2200', which is no host here, add it under hosts in opsrunner.yaml: "
                "jump: {address: jump.example.com, user: ops, port: 2200}"
            ),
        ),
        (
            "root@gate",
            (
                "goes over 'root@gate', which is no host here, add it under hosts in opsrunner.yaml: "
                "jump: {address: gate, user: root}"
            ),
        ),
        (
            "[2001:db8::9]:22",
            (
                "goes over '[2001:db8::9]:22', which is no host here, add it under hosts in opsrunner.yaml: "
                'jump: {address: "2001:db8::9", port: 22}'
            ),
        ),
        (
            "gate,bastion",
            (
                "goes over several hosts ('gate,bastion'), give each of them the one before it as its jump, "
                "and this host the last one"
            ),
        ),
    ],
)
def test_a_jump_that_is_no_host_is_told_with_what_to_write(written: str, said: str) -> None:
    assert settled(written) == (None, f"hosts:1:1: jump: web1: {said}")


def test_jumps_that_go_in_a_circle_or_too_far_are_told() -> None:
    findings = Findings()
    ways = {"a": "b", "b": "a", "c1": "c2", "c2": "c3", "c3": "c4", "c4": "c5", "c5": ""}
    hosts = {
        name: FoundHost(name=name, place=PLACE, keys={"jump": jump} if jump else {}) for name, jump in ways.items()
    }

    found = settle_jumps(hosts, {}, findings)

    assert [str(problem) for problem in findings.problems] == [
        "hosts:1:1: jump: a: the jumps go in a circle: a → b → a",
        "hosts:1:1: jump: b: the jumps go in a circle: b → a → b",
        "hosts:1:1: jump: c1: goes through more than 3 hosts",
    ]
    assert {name: host.keys.get("jump") for name, host in found.items()} == {
        "a": None,
        "b": None,
        "c1": None,
        "c2": "c3",
        "c3": "c4",
        "c4": "c5",
        "c5": None,
    }
