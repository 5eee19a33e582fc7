"""Whose a process is: for whom the mark that everyone may read is trusted.

Whoever reads the limit that marks a step's processes can set it on a process of his own, and would have us wait
for its end, or tell of a process that could not be ended. So the mark alone counts only where we can have given it.
"""

from __future__ import annotations

import os
from pathlib import Path

from opsrunner.records import dataclass

ROOT = 0
NO_LOGIN = 2**32 - 1
"""What proc(5)'s `loginuid` holds of what came by no login: services and all that they start."""
_PROCESSES = Path("/proc")


@dataclass(frozen=True, kw_only=True)
class Owner:
    """The user of a process, by number, and the user who once logged in for it."""

    uid: int
    """The real one: a setuid program is still of the person who started it."""
    login: int = NO_LOGIN
    """Kept through setuid(2); only a privileged program sets it, as sshd and cron do."""


def owner_of(pid: int) -> Owner | None:
    """Return whose a process is; None where it is gone."""
    try:
        status = (_PROCESSES / str(pid) / "status").read_bytes()
    except OSError:
        return None
    _, _, rest = status.partition(b"\nUid:")
    return Owner(uid=int(rest.split(maxsplit=1)[0]), login=_login_of(pid)) if rest else None


def may_be_ours(owner: Owner | None, *, account_uid: int, us: Owner) -> bool:
    """Tell whether a process of `owner` can come from a step that ran as `account_uid`, started by `us`.

    It is ours, root's or that account's. A program of root may become anybody; but who came by a login of his own
    did not come from it.
    """
    if owner is None:
        return False
    if owner.uid in (ROOT, us.uid, account_uid):
        return True
    came_by_login = owner.login == owner.uid and owner.login != us.login
    return account_uid == ROOT and not came_by_login


def ourselves() -> Owner:
    """Return as whom we run: as whom we start what has no account of its own."""
    return Owner(uid=os.geteuid(), login=_login_of(os.getpid()))


def _login_of(pid: int) -> int:
    """Return who logged in for a process; a kernel without audit does not know."""
    try:
        return int((_PROCESSES / str(pid) / "loginuid").read_bytes())
    except (OSError, ValueError):
        return NO_LOGIN
