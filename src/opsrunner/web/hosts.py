"""Hosts: how each stands, what audits found there, and what of it may stand. Keys and users are not shown."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from starlette.responses import Response

from opsrunner.engine.absences import whole_days
from opsrunner.engine.fact_words import fact_lines
from opsrunner.engine.finding_words import severity_tone, since_words, until_words
from opsrunner.engine.host_audits import standing_findings
from opsrunner.engine.hosts import (
    LAST_RUNS,
    HostHistory,
    HostStanding,
    host_history,
    hosts_by_standing,
    hosts_verdict,
    inventory,
)
from opsrunner.engine.moment_words import when_words
from opsrunner.engine.routine_acts import REASON_LENGTH
from opsrunner.errors import NotFound, OpsrunnerError, Refused, StateError, UsageError
from opsrunner.fleet.host_keys import KnownHosts
from opsrunner.ledger.findings import NOT_AUDITED
from opsrunner.model.finding import KnownFinding, Severity
from opsrunner.model.host_facts import HostFacts
from opsrunner.model.site import Host
from opsrunner.records import dataclass
from opsrunner.web.cards import Cards, staff_of
from opsrunner.web.host_table import (
    HERE,
    WORDS,
    Asked,
    address,
    causes_of,
    groups_of,
    headings,
    in_order,
    known_number,
    known_text,
    needs_reboot,
    orders,
    place_of,
    that_match,
    word_of,
)
from opsrunner.web.visit import Fields, Visit, local_day, status_of

MOST_VISITS = 40
MOST_REACHES = 2
MOST_GONE = 20
A_FEW = 5
"""More findings of one cause than this are folded."""


class _Shown(Fields):
    accept: str = ""
    """The finding that the form is open for."""


class _Acceptance(Fields):
    finding: str
    until: str = ""
    reason: str = ""


class _TakeBack(Fields):
    finding: str


@dataclass(frozen=True, kw_only=True)
class CauseGroup:
    """The findings of one cause on one host, the worst first."""

    cause: str
    title: str
    findings: tuple[KnownFinding, ...]

    @property
    def worst(self) -> Severity:
        """The severity of the worst."""
        return self.findings[0].finding.severity

    @property
    def is_baseline(self) -> bool:
        """Tell whether all of them were there at the first look."""
        return all(one.is_baseline for one in self.findings)

    @property
    def left(self) -> tuple[KnownFinding, ...]:
        """Those that are not accepted."""
        return tuple(one for one in self.findings if one.accepted is None)


async def all_of_them(visit: Visit) -> Response:
    """Show every host of the inventory, those that want a look first."""
    asked = visit.query(Asked)
    standings = await visit.look_up(lambda: _standings(visit))
    rows = in_order(that_match(standings, asked), asked)
    return visit.page(
        "hosts.html",
        title="Hosts",
        verdict=hosts_verdict(standings),
        total=len(standings),
        rows=rows,
        asked=asked,
        headings=headings(asked),
        orders=orders(asked),
        group_options=[(group, group) for group in groups_of(standings)],
        causes=causes_of(standings, asked),
        tones=list(WORDS.items()),
        everything=address(Asked(), sort=asked.sort),
        is_bare=all(one.host.is_local for one in standings),
        most=MOST_REACHES,
        runs=LAST_RUNS,
        place_of=place_of,
        word_of=word_of,
        number=known_number,
        text=known_text,
        needs_reboot=needs_reboot,
        **_words(visit),
    )


async def show(visit: Visit) -> Response:
    """Show one host."""
    return await _page(visit, accept=visit.query(_Shown).accept)


async def accept(visit: Visit) -> Response:
    """Let findings of a host stand until a day. What is refused stays in its fields."""
    sent, host = await visit.form(_Acceptance), _host(visit)
    try:
        until = _end_of(visit, sent.until)
        await visit.write(lambda: _accept(visit, host, sent, until))
    except (NotFound, Refused, StateError, UsageError) as exc:
        return await _page(visit, accept=sent.finding, sent=sent, refusal=exc)
    return visit.back(f"{HERE}/{host.name}#findings")


async def take_back(visit: Visit) -> Response:
    """End what was accepted of a host now."""
    sent, host = await visit.form(_TakeBack), _host(visit)
    await visit.write(lambda: _take_back(visit, host, sent.finding))
    return visit.back(f"{HERE}/{host.name}#findings")


def _accept(visit: Visit, host: Host, sent: _Acceptance, until: datetime) -> None:
    accepting, now = visit.app.accepting, visit.now
    found = accepting.named(sent.finding, hosts=(host.name,), at=now)
    accepting.accept(found, until=until, reason=sent.reason, actor=visit.person.id, at=now, address=visit.address)


def _take_back(visit: Visit, host: Host, name: str) -> None:
    accepting, now = visit.app.accepting, visit.now
    found = accepting.named(name, hosts=(host.name,), at=now)
    accepting.lift(found, actor=visit.person.id, at=now, address=visit.address)


def _end_of(visit: Visit, day: str) -> datetime:
    """Return when the day ends up to which, it included, something is accepted. Raises UsageError."""
    if not day:
        raise UsageError("say until which day")
    chosen: date = local_day(day)
    return whole_days(chosen, chosen, visit.zone)[1]


async def _page(
    visit: Visit, *, accept: str = "", sent: _Acceptance | None = None, refusal: OpsrunnerError | None = None
) -> Response:
    """Return the page of a host; with what was sent and why it was refused, where it was."""
    host = _host(visit)
    is_trusted = _trusts(KnownHosts(visit.app.known_hosts), host)
    history: HostHistory = await visit.look_up(
        lambda: host_history(visit.app.desk, host, is_trusted=is_trusted, at=visit.now)
    )
    known = await visit.look_up(lambda: standing_findings(visit.app.desk, at=visit.now, host=host.name))
    groups = _groups(known)
    standing = history.standing
    cards = Cards(visit, standing.tasks)
    return visit.page(
        "host.html",
        status=status_of(refusal, 400),
        title=host.name,
        host=host,
        place=place_of(host),
        standing=standing,
        audit=standing.audit,
        groups=groups,
        names_to_accept=_names_to_accept(groups),
        gone=visit.app.books.findings.gone(host=host.name, most=MOST_GONE),
        facts=fact_lines(standing.audit.facts, zone=visit.zone),
        partly=[one for one in standing.audit.sources if one.problems or not one.examined],
        source_of=lambda one: _source(visit, one),
        accept=accept,
        few=A_FEW,
        not_audited=NOT_AUDITED,
        sent=sent,
        said=refusal.message if refusal else "",
        longest=REASON_LENGTH,
        visits=history.visits[:MOST_VISITS],
        left_out=max(0, len(history.visits) - MOST_VISITS),
        runs=history.runs,
        names=visit.names.all(),
        cards=[cards.of(task) for task in standing.tasks],
        staff=staff_of(visit),
        word_of=word_of,
        **_words(visit),
    )


def _groups(known: Sequence[KnownFinding]) -> list[CauseGroup]:
    """Return findings by cause, the cause with the worst one first; what is not accepted comes before what is."""
    found: dict[str, list[KnownFinding]] = {}
    for one in sorted(
        known, key=lambda one: (one.accepted is not None, one.finding.severity.rank, one.finding.subject)
    ):
        found.setdefault(one.finding.cause, []).append(one)
    return [CauseGroup(cause=cause, title=own[0].title, findings=tuple(own)) for cause, own in found.items()]


def _names_to_accept(groups: Sequence[CauseGroup]) -> list[tuple[str, str]]:
    """Return what the form offers: a cause with all its findings where it has several, and each by its name."""
    found: list[tuple[str, str]] = []
    for group in groups:
        names = {one.finding.name: one.finding.detail for one in group.left}
        if len(names) > 1:
            found.append((group.cause, f"all {len(names)} of {group.cause}"))
        found += [(name, name) for name in names]
    return found


def _host(visit: Visit) -> Host:
    name = visit.request.path_params["host"]
    host = inventory(visit.app.site).get(name)
    if host is None:
        raise NotFound(f"there is no host '{name}' in opsrunner.yaml")
    return host


def _standings(visit: Visit) -> list[HostStanding]:
    known = KnownHosts(visit.app.known_hosts)
    trusted = {host.name: _trusts(known, host) for host in visit.app.site.hosts.values()}
    return hosts_by_standing(visit.app.desk, trusted=trusted, at=visit.now)


def _trusts(known: KnownHosts, host: Host) -> bool:
    return host.is_local or bool(known.keys_of(host))


def _source(visit: Visit, one: HostFacts) -> str:
    return f"{visit.names.of(one.routine)}, {one.step}"


def _words(visit: Visit) -> dict[str, Any]:
    """Return what both pages say moments and severities with."""
    now, zone = visit.now, visit.zone
    return {
        "severity_tone": severity_tone,
        "since": lambda moment: since_words(moment, at=now, zone=zone),
        "until": lambda moment: until_words(moment, zone=zone),
        "when": lambda moment: when_words(moment, now=now, zone=zone),
    }
