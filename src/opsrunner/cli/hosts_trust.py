"""`hosts trust`: pins the keys of hosts that a person has compared."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from opsrunner.cli.hosts_views import every_host, host_view, remote_hosts, where_words
from opsrunner.cli.options import json_option, person_option, site_options, verb
from opsrunner.cli.session import Session
from opsrunner.errors import NotFound, Refused, UsageError

if TYPE_CHECKING:
    from opsrunner.cli.screen import CellLike
    from opsrunner.engine.host_trust import Shown
    from opsrunner.fleet.host_keys import HostKey
    from opsrunner.model.site import Host
    from opsrunner.open_site import OpenSite

TRUST_EXAMPLE = """
opsrunner hosts trust web1
opsrunner hosts trust web1 --yes
opsrunner hosts trust --all
opsrunner hosts trust --all --from-known-hosts ~/.ssh/known_hosts
"""


@verb(TRUST_EXAMPLE, name="trust")
@click.argument("names", metavar="[HOST]...", nargs=-1)
@click.option("--all", "is_all", is_flag=True, help="Every host of the site.")
@click.option(
    "--from-known-hosts",
    "source",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Take the keys that OpenSSH has pinned in FILE, instead of asking the hosts.",
)
@click.option("--yes", is_flag=True, help="Trust what the hosts show without asking: only where the line is safe.")
@person_option
@json_option
@site_options
@click.pass_obj
def trust(session: Session, names: tuple[str, ...], is_all: bool, source: Path | None, yes: bool) -> int:
    """Ask each HOST for its keys, show their fingerprints, and pin them when you say they are right.

    HOST may be a group, too. Compare the fingerprints with what the host itself says:
    ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub

    Of one host, a key that has changed can be trusted anew; of several at once, such a host is only named.
    """
    if bool(names) == is_all:
        raise UsageError("name one or more hosts, or say --all")
    with session.opened() as app:
        hosts = every_host(app) if is_all else remote_hosts(app, names)
        if len(hosts) == 1 and not is_all and source is None:
            return _trust_one(session, app, hosts[0], yes=yes)
        return _trust_many(session, app, hosts, source=source, yes=yes)


def _trust_one(session: Session, app: OpenSite, host: Host, *, yes: bool) -> int:
    from opsrunner.fleet.host_keys import KnownHosts

    shown = app.fleet.scan(host)
    pinned = KnownHosts(app.known_hosts).keys_of(host)
    if not shown:
        raise Refused(f"{host.name} showed no key of a type that opsrunner accepts")
    if not session.as_json:
        _show_keys(session, host, shown, pinned)
    if set(pinned) != set(shown):
        question = f"Do you trust {host.name} with {'these new keys' if pinned else 'these keys'}?"
        _agree(question, f"{host.name} is not trusted", yes=yes)
        _pin(session, app, {host: shown})
    if session.as_json:
        session.print_json(host_view(host, shown))
    else:
        already = "is trusted already" if set(pinned) == set(shown) else "is trusted from now on"
        session.screen.line(f"{host.name} {already}.", tone="fine")
    return 0


def _trust_many(session: Session, app: OpenSite, hosts: Sequence[Host], *, source: Path | None, yes: bool) -> int:
    from opsrunner.engine.host_trust import compare
    from opsrunner.engine.moment_words import count_words
    from opsrunner.fleet.host_keys import KnownHosts

    pinned = KnownHosts(app.known_hosts)
    shown = _asked(session, app, hosts) if source is None else _imported(hosts, source)
    found = [compare(host, shown[host], pinned.keys_of(host)) for host in hosts]
    new = {one.host: one.keys for one in found if one.standing == "new"}
    if not session.as_json:
        _show_table(session, found)
    if new:
        counted = count_words(len(new), "host")
        _agree(f"Do you trust {counted} with these keys?", f"{counted} not trusted", yes=yes)
        _pin(session, app, new, note=f" from {source}" if source else "")
    missed = [one for one in found if one.standing in ("changed", "none")]
    if session.as_json:
        session.print_json(
            [
                host_view(one.host, pinned.keys_of(one.host)) | {"standing": one.standing, "message": one.message}
                for one in found
            ]
        )
    else:
        session.screen.line(f"{count_words(len(new), 'host')} trusted from now on.", tone="fine" if new else None)
        if missed:
            session.screen.line(f"{count_words(len(missed), 'host')} left as before: see above.", tone="look")
    return 1 if missed else 0


def _asked(session: Session, app: OpenSite, hosts: Sequence[Host]) -> Mapping[Host, Sequence[HostKey] | str]:
    """Return what the hosts show, or why they show nothing; they are asked side by side."""
    from opsrunner.errors import StepFailed
    from opsrunner.fleet.scan import scan_all

    text = f"asking {len(hosts)} hosts for their keys"
    with session.screen.working(text) as say:
        tell: Callable[[int], None] = lambda count: say(f"{text}: {count} answered")  # noqa: E731 - typed for the call
        found = scan_all(hosts, one=app.fleet.scan, told=tell)
    return {
        host: keys.message.removeprefix(f"{host.name}: ") if isinstance(keys, StepFailed) else keys
        for host, keys in found.items()
    }


def _imported(hosts: Sequence[Host], source: Path) -> Mapping[Host, Sequence[HostKey] | str]:
    """Return what OpenSSH has pinned for the hosts in a file, by address or by name; hashed names count."""
    from opsrunner.engine.host_trust import accepted
    from opsrunner.fleet.host_keys import KnownHosts, with_address, without_jump

    if not source.is_file():
        raise NotFound(f"{source}: there is no such file")
    known = KnownHosts(source)
    found: dict[Host, Sequence[HostKey] | str] = {}
    for host in hosts:
        plain = without_jump(host)
        written = (host, plain, with_address(plain, host.name))
        keys = next((keys for one in written if (keys := accepted(known.keys_of(one)))), ())
        found[host] = keys or f"has no key in {source}"
    return found


def _show_keys(session: Session, host: Host, shown: Sequence[HostKey], pinned: Sequence[HostKey]) -> None:
    session.screen.heading(f"{host.name} shows", where_words(host))
    for key in shown:
        session.screen.line(f"  {key.fingerprint}  {key.type}")
    if pinned and set(pinned) != set(shown):
        session.screen.heading("and was trusted with")
        for key in pinned:
            session.screen.line(f"  {key.fingerprint}  {key.type}")
        session.screen.line("Its key has changed. If nobody reinstalled it, somebody may be in between.", tone="failed")


def _show_table(session: Session, found: Sequence[Shown]) -> None:
    from opsrunner.cli.screen import Cell, Column

    rows: list[tuple[CellLike, ...]] = []
    for one in found:
        lines = [f"{key.fingerprint}  {key.type}" for key in one.keys] or [""]
        said = Cell(text=one.message or one.words, tone=one.tone)
        rows.append((one.host.name, where_words(one.host), lines[0], said))
        rows.extend(("", "", line, "") for line in lines[1:])
    columns = [Column(title="host"), Column(title="where"), Column(title="key"), Column(title="", grows=True)]
    session.screen.table(columns, rows)


def _agree(question: str, otherwise: str, *, yes: bool) -> None:
    """Return if a person says that the keys are right. Raises Refused."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise Refused(f"{otherwise}: compare the fingerprints, then say --yes")
    if not click.confirm(question, default=False):
        raise Refused(f"{otherwise}; nothing was changed")


def _pin(session: Session, app: OpenSite, keys_of: Mapping[Host, Sequence[HostKey]], *, note: str = "") -> None:
    from opsrunner.cli.lookup import actor_name
    from opsrunner.fleet import host_keys

    actor = actor_name(session, app)
    host_keys.trust_all(app.known_hosts, keys_of)
    for host, keys in keys_of.items():
        detail = " ".join(key.fingerprint for key in keys) + note
        app.books.audit.add("trust", f"host {host.name}", actor=actor, at=app.clock.now(), detail=detail)
