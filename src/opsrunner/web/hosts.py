"""Hosts: how each stands, what reaches it, and what is open about it. Keys and users are not shown."""

from __future__ import annotations

from starlette.responses import Response

from opsrunner.engine.hosts import (
    LAST_RUNS,
    HostHistory,
    HostStanding,
    host_history,
    hosts_by_standing,
    hosts_verdict,
    inventory,
)
from opsrunner.errors import NotFound
from opsrunner.fleet.host_keys import KnownHosts
from opsrunner.model.digest import Tone
from opsrunner.model.site import Host
from opsrunner.web.cards import Cards, staff_of
from opsrunner.web.visit import Nothing, Visit

MOST_VISITS = 40
MOST_REACHES = 3
WORDS: dict[Tone, str] = {"failed": "failed", "look": "look", "live": "running", "fine": "fine", "nothing": "not asked"}


async def all_of_them(visit: Visit) -> Response:
    """Show every host of the inventory, those that want a look first."""
    visit.query(Nothing)
    standings = await visit.look_up(lambda: _standings(visit))
    return visit.page(
        "hosts.html",
        title="Hosts",
        verdict=hosts_verdict(standings),
        standings=standings,
        most=MOST_REACHES,
        runs=LAST_RUNS,
        place_of=_place,
        word_of=_word,
    )


async def show(visit: Visit) -> Response:
    """Show one host."""
    visit.query(Nothing)
    name = visit.request.path_params["host"]
    host = inventory(visit.app.site).get(name)
    if host is None:
        raise NotFound(f"there is no host '{name}' in opsrunner.yaml")
    history: HostHistory = await visit.look_up(
        lambda: host_history(visit.app.desk, host, is_trusted=_trusts(KnownHosts(visit.app.known_hosts), host))
    )
    cards = Cards(visit, history.standing.tasks)
    return visit.page(
        "host.html",
        title=host.name,
        host=host,
        place=_place(host),
        standing=history.standing,
        visits=history.visits[:MOST_VISITS],
        left_out=max(0, len(history.visits) - MOST_VISITS),
        runs=history.runs,
        names=visit.names.all(),
        cards=[cards.of(task) for task in history.standing.tasks],
        staff=staff_of(visit),
        word_of=_word,
    )


def _standings(visit: Visit) -> list[HostStanding]:
    known = KnownHosts(visit.app.known_hosts)
    trusted = {host.name: _trusts(known, host) for host in visit.app.site.hosts.values()}
    return hosts_by_standing(visit.app.desk, trusted=trusted)


def _trusts(known: KnownHosts, host: Host) -> bool:
    return host.is_local or bool(known.keys_of(host))


def _word(standing: HostStanding) -> str:
    return "not all asked" if standing.tone == "nothing" and standing.fine else WORDS[standing.tone]


def _place(host: Host) -> str:
    """Return where a host is, without the user that signs in there."""
    if host.is_local:
        return "this machine"
    return host.address if host.port == 22 else f"{host.address}, port {host.port}"
