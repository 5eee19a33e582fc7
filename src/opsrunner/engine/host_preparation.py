"""What a host needs before opsrunner can work there: an account, a restricted key, and rights that steps ask for."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from opsrunner.fleet.account import own_account
from opsrunner.fleet.host_keys import HostKey
from opsrunner.fleet.private_keys import DEFAULT_KEY_FILE
from opsrunner.model.site import Host, Site
from opsrunner.records import dataclass

_SUDO = re.compile(r"(?<![\w./-])(?:/usr/bin/)?sudo\s")
_NAMED = 10
"""Hosts whose names stand in one line."""

_ACCOUNT = """\
if ! getent passwd "$user" >/dev/null; then
  useradd -m -s /bin/sh "$user"
  usermod -p '*' "$user"    # no password, and yet not locked: it signs in by key alone
fi"""
_KEY = """\
home=$(getent passwd "$user" | cut -d: -f6)
group=$(id -gn "$user")
install -d -m 0700 -o "$user" -g "$group" "$home/.ssh"
keys=$home/.ssh/authorized_keys
touch "$keys"
others=$(grep -vF "$blob" "$keys" || true)    # what else may sign in stays; what this key might before does not
new=$(mktemp "$keys.XXXXXX")
{ [ -z "$others" ] || printf '%s\\n' "$others"; printf '%s\\n' "$line"; } > "$new"
chown "$user:$group" "$new"
chmod 0600 "$new"
mv "$new" "$keys"
if command -v restorecon >/dev/null; then restorecon -R "$home/.ssh"; fi    # Red Hat's family"""


@dataclass(frozen=True, kw_only=True)
class Right:
    """What a step needs root for on some of the hosts. `rule` is the line for sudoers, empty where it is the step's."""

    step: str
    rule: str = ""
    hosts: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Preparation:
    """What hosts need that share an account and a key."""

    hosts: tuple[str, ...]
    user: str
    key_file: str
    key_line: str
    """The line of `authorized_keys`: commands, and no terminal; forwarding to hosts behind it, where there are any."""
    rights: tuple[Right, ...] = ()

    @property
    def script(self) -> str:
        """Return a script for root on each of the hosts; saying it twice changes nothing more."""
        parts = [
            f"# For {_list(self.hosts)}: as root, on Debian and Red Hat and their families.",
            "set -eu",
            f"user={shlex.quote(self.user)}",
            f"line={shlex.quote(self.key_line)}",
            f"blob={shlex.quote(self.key_line.split()[-2])}",
            *([] if self.user == "root" else ["", "# The account.", _ACCOUNT]),
            "",
            "# Its key, for commands alone: no terminal, no forwarding but to the hosts that are reached through it.",
            _KEY,
            *self._sudoers(),
            "",
            "# Then, here:",
            *(f"#   opsrunner hosts trust {shlex.join(self.hosts[at : at + _NAMED])}" for at in self._steps()),
        ]
        return "\n".join(parts) + "\n"

    def _steps(self) -> range:
        return range(0, len(self.hosts), _NAMED)

    def _sudoers(self) -> Iterator[str]:
        if not self.rights or self.user == "root":
            return
        yield ""
        yield f"# Only for these steps. As root: visudo -f /etc/sudoers.d/{re.sub(r'[^A-Za-z0-9_-]', '-', self.user)}"
        for right in self.rights:
            yield f"#   {right.step} on {_list(right.hosts)}:"
            if right.rule:
                yield f"#     {right.rule}"
                yield "#     find can start other programs, so this makes it root: leave it out if there is another way"
            else:
                yield "#     its command says sudo itself: allow exactly that command, without *"


def preparations(
    hosts: Sequence[Host], site: Site, *, public_key_of: Callable[[Host], HostKey], own_uid: int, only_from: str = ""
) -> list[Preparation]:
    """Return what the hosts need, together where account and key are the same. Raises StepFailed without a key.

    `only_from` are the addresses from which the key is let in, as sshd(8) writes them; empty: from everywhere.
    """
    together: dict[tuple[str, str, tuple[str, ...]], list[Host]] = {}
    for host in hosts:
        user = host.user or own_account(own_uid).name
        together.setdefault((user, host.key_file or DEFAULT_KEY_FILE, _behind(host, site)), []).append(host)
    return [
        Preparation(
            hosts=tuple(host.name for host in members),
            user=user,
            key_file=key_file,
            key_line=key_line(public_key_of(members[0]), only_from=only_from, leads_to=behind),
            rights=tuple(_rights(members, user, site)),
        )
        for (user, key_file, behind), members in together.items()
    ]


def _behind(host: Host, site: Site) -> tuple[str, ...]:
    """Return where the connections lead on that go through a host: `10.0.0.2:22`."""
    others = (other for other in site.hosts.values() if other.jump is not None and other.jump.name == host.name)
    return tuple(
        sorted({f"[{one.address}]:{one.port}" if ":" in one.address else f"{one.address}:{one.port}" for one in others})
    )


def key_line(key: HostKey, *, only_from: str = "", leads_to: Sequence[str] = ()) -> str:
    """Return the line of `authorized_keys` (sshd(8), "AUTHORIZED_KEYS FILE FORMAT").

    `leads_to` are the addresses with their ports of hosts that are reached through this one: there, and nowhere else.
    """
    options = [f'from="{only_from}"'] if only_from else []
    options += ["restrict", *(["port-forwarding"] if leads_to else []), *(f'permitopen="{one}"' for one in leads_to)]
    return f"{','.join(options)} {key.type} {key.public} opsrunner"


def _rights(hosts: Sequence[Host], user: str, site: Site) -> Iterator[Right]:
    """Yield what the site's steps need root for on `hosts`."""
    for routine in site.routines.values():
        for step in routine.steps:
            here = tuple(host.name for host in hosts if _is_on(host, step.options))
            name = f"{routine.id}/{step.id}"
            if here and step.kind == "backup_check" and step.options.get("as_root"):
                yield Right(step=name, rule=f"{user} ALL=(root) NOPASSWD: /usr/bin/find", hosts=here)
            elif here and any(_SUDO.search(str(step.options.get(key) or "")) for key in ("run", "restic", "borg")):
                yield Right(step=name, hosts=here)


def _is_on(host: Host, options: Mapping[str, Any]) -> bool:
    """Tell whether a step's options name a host, by its name or a group."""
    wanted = options.get("hosts") or options.get("host") or ()
    names = (wanted,) if isinstance(wanted, str) else tuple(wanted)
    return any(name in (host.name, "all", *host.groups) for name in names)


def _list(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
