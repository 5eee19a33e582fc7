"""The step kind `capacity`: how full each host is, and when it will be."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from ipaddress import ip_address
from typing import Annotated, Any

from pydantic import Field, field_validator, model_validator

from opsrunner.audits.limits import Limits, Lines
from opsrunner.model.finding import Cause
from opsrunner.steps.audit_options import AuditOptions, check_left_out
from opsrunner.steps.fields import AbsolutePaths, Words
from opsrunner.steps.kind import InModule, Kind, StepOptions

Pair = Annotated[tuple[float, float], Field(strict=False)]
"""From where on somebody should look, and from where on somebody has to act."""

_ZONE = re.compile(r"(?=.{4,200}\Z)[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)+\.?")

_DEFAULT = Limits()


def _pair(name: str) -> Pair:
    lines: Lines = getattr(_DEFAULT, name)
    return (lines.look, lines.act)


class LimitOptions(StepOptions):
    """Two values each: from the first on somebody should look, from the second on somebody has to act."""

    disk_percent: Pair = _pair("disk_percent")
    inodes_percent: Pair = _pair("inodes_percent")
    days_until_full: Pair = _pair("days_until_full")
    load_per_core: Pair = _pair("load_per_core")
    memory_available_percent: Pair = _pair("memory_available_percent")
    swap_percent: Pair = _pair("swap_percent")
    mail_queue: Pair = _pair("mail_queue")
    certificate_days: Pair = _pair("certificate_days")

    @model_validator(mode="after")
    def _in_order(self) -> LimitOptions:
        for name in type(self).model_fields:
            look, act = getattr(self, name)
            usual = _pair(name)
            if look != act and (look < act) != (usual[0] < usual[1]):
                raise ValueError(
                    f"{name}: {look:g} is where to look and {act:g} where to act; they are the wrong way round"
                )
        return self

    @property
    def limits(self) -> Limits:
        """Return them as the audit takes them."""
        given: dict[str, Any] = {
            name: Lines(look=getattr(self, name)[0], act=getattr(self, name)[1]) for name in type(self).model_fields
        }
        return replace(_DEFAULT, **given)


class Options(AuditOptions):
    """What stands in `capacity:`."""

    limits: LimitOptions = LimitOptions()
    certificates: AbsolutePaths = ()
    """Patterns of certificate files; default: the usual places."""
    without: Words = ()
    """Causes that are not looked at."""
    block_lists: Words = ()
    """Zones of DNS block lists that are asked for the hosts' addresses; default: none."""
    mail_from: Mapping[str, Words] = Field(default_factory=dict)
    """By host, the addresses that its mail leaves from; default: the host's own."""
    resolver: str = ""
    """The DNS server that is asked for block lists, `ADDRESS` or `ADDRESS:PORT`; default: this machine's."""

    @field_validator("mail_from")
    @classmethod
    def _are_addresses(cls, value: Mapping[str, tuple[str, ...]]) -> Mapping[str, tuple[str, ...]]:
        for one in (one for many in value.values() for one in many):
            ip_address(one)
        return value

    @field_validator("resolver")
    @classmethod
    def _is_server(cls, value: str) -> str:
        if value:
            read_server(value)
        return value

    @field_validator("block_lists")
    @classmethod
    def _are_zones(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        wrong = next((zone for zone in value if not _ZONE.fullmatch(zone)), None)
        if wrong is not None:
            raise ValueError(f"'{wrong[:60]}' is no name of a zone, such as zen.spamhaus.org")
        return value

    @field_validator("without")
    @classmethod
    def _are_causes(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        check_left_out(value, _causes())
        return value

    @property
    def lines(self) -> Limits:
        """The limits with all that the audit takes."""
        return replace(self.limits.limits, certificates=self.certificates, without=frozenset(self.without))


def read_server(text: str) -> tuple[str, int]:
    """Return address and port of a DNS server: `192.0.2.53`, `127.0.0.1:5353` or `[::1]:5353`. Raises ValueError."""
    address, _, port = text.strip("[").rpartition("]:") if text.startswith("[") else text.rpartition(":")
    if not address or is_address(text):
        address, port = text, "53"
    ip_address(address)
    if not port.isdecimal() or not 0 < int(port) < 65536:
        raise ValueError(f"'{port[:20]}' is no port")
    return address, int(port)


def is_address(text: str) -> bool:
    """Tell whether a text is an IP address, and no name."""
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _causes() -> Mapping[str, Cause]:
    from opsrunner.audits.capacity import CAUSES  # noqa: PLC0415 - heavy, and most files name none

    return CAUSES


def preview(options: Options) -> str:
    """Return what would be looked at, where."""
    return options.where(name for name in _causes() if name not in options.without)


run = InModule("capacity_run")

KIND = Kind(
    name="capacity",
    summary="Look at how full hosts are: disks with their trend, load, memory, mail queues, certificates.",
    options=Options,
    run=run,
    preview=preview,
    reads_only=True,
    at_once=True,
)
