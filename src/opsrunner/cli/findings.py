"""`findings` and `accept`: what audits of hosts found, and what of it may stand for a while."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import click

from opsrunner.cli.options import json_option, person_option, site_options, verb
from opsrunner.cli.session import Session
from opsrunner.errors import NotFound, Refused, UsageError
from opsrunner.records import dataclass

if TYPE_CHECKING:
    from opsrunner.cli.screen import Cell
    from opsrunner.model.finding import KnownFinding
    from opsrunner.open_site import OpenSite

FINDINGS_EXAMPLE = """
opsrunner findings
opsrunner findings security --hosts shared
opsrunner findings --accepted
"""
ACCEPT_EXAMPLE = """
opsrunner accept held:nginx --until 2026-12-31 --reason "the vendor's build, until 1.28 is out"
opsrunner accept reboot --hosts db1,db2 --until fri --reason "window on Friday night"
opsrunner accept reboot --take-back
"""
_NAMED = 3
"""Hosts whose names stand in one line."""


@verb(FINDINGS_EXAMPLE)
@click.argument("name", required=False, default="", metavar="[FINDING]")
@click.option("--hosts", metavar="NAME,…", help="Only those of these hosts and groups.")
@click.option("--accepted", "only_accepted", is_flag=True, help="Only what is accepted for a while.")
@json_option
@site_options
@click.pass_obj
def findings(session: Session, name: str, hosts: str | None, only_accepted: bool) -> int:
    """Show what the audits found on the hosts and what still stands, the worst first.

    FINDING is a cause (`security`) or one finding (`security:openssl`). The exit code is 1 where something stands that
    nobody has accepted, and where hosts were never audited, or not in full: nobody knows what stands there.
    """
    from opsrunner.engine.host_audits import standing_findings

    with session.opened() as app:
        now = app.clock.now()
        wanted = _hosts(app, hosts)
        found = _named(app, name, at=now) if name else standing_findings(app.desk, at=now)
        shown = [one for one in found if not wanted or one.finding.host in wanted]
        open_ = [one for one in shown if one.accepted is None]
        if only_accepted:
            shown = [one for one in shown if one.accepted is not None]
        blind = _blind(app, wanted, at=now)
        if session.as_json:
            session.print_json([_view(one) for one in _ordered(shown)])
        elif only_accepted and not shown:
            session.screen.line("Nothing is accepted.", tone="fine")
        else:
            _tell(session, app, _ordered(shown), by_host=bool(name or hosts))
            if not only_accepted:
                _tell_blind(session, blind, calm=_calm(name) if not shown else "")
    return 1 if (open_ or blind.is_any) and not only_accepted else 0


@verb(ACCEPT_EXAMPLE)
@click.argument("name", metavar="FINDING")
@click.option("--until", default="", metavar="WHEN", help="Last day on which it may stand, or a moment.")
@click.option("--reason", default="", help="Why; the digest says it as long as it is accepted.")
@click.option("--hosts", metavar="NAME,…", help="Only on these hosts and groups; else wherever it is found now.")
@click.option("--take-back", is_flag=True, help="Accept it no longer: the next audit asks again.")
@person_option
@json_option
@site_options
@click.pass_obj
def accept(session: Session, name: str, *, until: str, reason: str, hosts: str | None, take_back: bool) -> int:
    """Let FINDING stand until a day: it is quiet until then, and listed in the digest.

    FINDING is a cause (`held`), for all that is found of it now, or one finding (`held:nginx`). What comes later, on
    another host or in another version, is not accepted by it.
    """
    from opsrunner.cli.lookup import acting_person
    from opsrunner.cli.moments import parse_moment

    if take_back and (until or reason):
        raise UsageError("--take-back goes without --until and --reason")
    if not take_back and not (until and reason):
        raise UsageError("say until when and why: --until WHEN --reason TEXT")
    with session.opened() as app:
        person = acting_person(session, app)
        if not person.is_staff or person.is_partner:
            raise Refused(f"{person.name} may not accept findings")
        now, zone = app.clock.now(), ZoneInfo(app.site.timezone)
        found = app.accepting.named(name, hosts=_hosts(app, hosts), at=now)
        if take_back:
            accepted = app.accepting.lift(found, actor=person.id, at=now)
            said = f"{name} is accepted no longer on {_on(accepted)}."
        else:
            end = parse_moment(until, now=now, zone=zone, edge="end")
            accepted = app.accepting.accept(found, until=end, reason=reason, actor=person.id, at=now)
            said = f"{name} is accepted on {_on(accepted)} until {_end_words(end, now=now, zone=zone)}."
        if session.as_json:
            session.print_json([vars(one) for one in accepted])
        else:
            session.screen.line(said, tone="fine")
    return 0


def _named(app: OpenSite, name: str, *, at: datetime) -> list[KnownFinding]:
    """Return what stands under a name: nothing of a cause that audits look for is an answer. Raises NotFound."""
    from opsrunner.engine.accepting import is_cause

    try:
        return app.accepting.named(name, at=at)
    except NotFound:
        if is_cause(name):
            return []
        raise


def _hosts(app: OpenSite, named: str | None) -> frozenset[str]:
    """Return the hosts that an option names, by themselves or by their groups; none for all. Raises StepFailed."""
    from opsrunner.engine.hosts import inventory
    from opsrunner.steps.fan_out import select_hosts

    if named is None:
        return frozenset()
    words = tuple(word for word in (word.strip() for word in named.split(",")) if word)
    if not words:
        raise UsageError("--hosts names no host")
    return frozenset(host.name for host in select_hosts(words, inventory(app.site)))


def _on(accepted: Sequence[Any]) -> str:
    from opsrunner.engine.finding_words import hosts_words

    return hosts_words(sorted({one.host for one in accepted}))


def _end_words(end: datetime, *, now: datetime, zone: ZoneInfo) -> str:
    from opsrunner.engine.moment_words import end_words

    return end_words(end, now=now, zone=zone)


def _ordered(found: Sequence[KnownFinding]) -> list[KnownFinding]:
    return sorted(found, key=lambda one: (one.finding.severity.rank, one.finding.name, one.finding.host))


@dataclass(frozen=True, kw_only=True)
class _Blind:
    """The hosts of which no finding is no good sign."""

    asked: int
    """How many hosts were asked about."""
    never: tuple[str, ...]
    partly: tuple[str, ...]

    @property
    def is_any(self) -> bool:
        return bool(self.never or self.partly)


def _blind(app: OpenSite, wanted: frozenset[str], *, at: datetime) -> _Blind:
    """Return which of the hosts were never audited, or not in full; of all hosts where none is `wanted`."""
    from opsrunner.engine.host_audits import HostAudit, host_audits
    from opsrunner.engine.hosts import inventory

    everywhere = inventory(app.site)
    remote = [host.name for host in everywhere.values() if not host.is_local]
    hosts = [name for name in everywhere if name in wanted] or remote or list(everywhere)
    audits = host_audits(app.desk, at=at)
    known = {name: audits.get(name, HostAudit()) for name in hosts}
    return _Blind(
        asked=len(hosts),
        never=tuple(name for name, one in known.items() if not one.sources),
        partly=tuple(name for name, one in known.items() if one.sources and not one.is_whole),
    )


def _calm(name: str) -> str:
    return f"Nothing of {name} stands" if name else "Nothing that an audit found still stands"


def _tell_blind(session: Session, blind: _Blind, *, calm: str) -> None:
    """Say which hosts nothing is known of, or not all; `calm` says that nothing was shown of any host."""
    others = blind.asked - len(blind.never) - len(blind.partly)
    if calm and others:
        where = " on the others" if blind.is_any else ""
        session.screen.line(f"{calm}{where}.", tone="fine")
    if blind.never:
        advice = "nobody knows what stands there; run a routine with an audit"
        session.screen.line(f"Never audited: {_some(blind.never)}: {advice}.", tone="look")
    if blind.partly:
        session.screen.line(f"Not audited in full: {_some(blind.partly)}: more may stand there.", tone="look")


def _some(hosts: Sequence[str]) -> str:
    """Return `5 hosts (web1, web2, web3 and 2 more)`."""
    from opsrunner.engine.moment_words import count_words

    more = f" and {len(hosts) - _NAMED} more" if len(hosts) > _NAMED else ""
    return f"{count_words(len(hosts), 'host')} ({', '.join(hosts[:_NAMED])}{more})"


def _tell(session: Session, app: OpenSite, shown: Sequence[KnownFinding], *, by_host: bool) -> None:
    """Show findings: a line for each with the hosts that have it, or one for each on each host."""
    from opsrunner.cli.screen import Column

    if not shown:
        return
    titles = ("host", "finding", "severity", "since") if by_host else ("finding", "severity", "since", "on")
    columns = [*(Column(title=title) for title in titles), Column(title="what", grows=True)]
    together: dict[tuple[str, ...], list[KnownFinding]] = {}
    for one in shown:
        accepted = one.accepted.until.isoformat() if one.accepted else ""
        key = (one.finding.name, one.finding.host) if by_host else (one.finding.name, one.finding.severity, accepted)
        together.setdefault(key, []).append(one)
    rows = [_line(app, alike, by_host=by_host) for alike in together.values()]
    session.screen.table([*columns, Column(title="accepted until", grows=True)], rows)


def _line(app: OpenSite, alike: Sequence[KnownFinding], *, by_host: bool) -> list[str | Cell]:
    from opsrunner.cli.screen import Cell
    from opsrunner.engine.finding_words import hosts_words, severity_tone, since_words, until_words

    at, zone, first = app.clock.now(), ZoneInfo(app.site.timezone), alike[0]
    since = min(one.first_seen_at for one in alike)
    details = {one.finding.detail for one in alike}
    accepted = first.accepted
    cells: list[str | Cell] = [
        first.finding.name,
        Cell(text=first.finding.severity.value, tone="nothing" if accepted else severity_tone(first.finding.severity)),
        since_words(since, at=at, zone=zone).removeprefix("since "),
        hosts_words(sorted({one.finding.host for one in alike})),
        first.finding.detail if len(details) == 1 else f"{first.finding.detail}; elsewhere otherwise",
        f"{until_words(accepted.until, zone=zone)}, {accepted.by}: {accepted.reason}" if accepted else "",
    ]
    return [cells[3], *cells[:3], *cells[4:]] if by_host else cells


def _view(one: KnownFinding) -> dict[str, Any]:
    return {
        **vars(one.finding),
        "name": one.finding.name,
        "audit": f"{one.routine}/{one.step}",
        "since": one.first_seen_at,
        "seen_at": one.seen_at,
        "is_baseline": one.is_baseline,
        "accepted": vars(one.accepted) if one.accepted else None,
    }
