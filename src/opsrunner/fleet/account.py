"""Whom a local command runs as, and what a login of that user would give it."""

from __future__ import annotations

import os
import pwd
from functools import cache

from opsrunner.errors import StepFailed
from opsrunner.records import dataclass

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
SHELL = "/bin/bash"


@dataclass(frozen=True, kw_only=True)
class Account:
    """The OS user that a command runs as. `switch` tells that it is not the one we are."""

    name: str
    uid: int
    gid: int
    home: str
    groups: tuple[int, ...] = ()
    switch: bool = False


def find_account(user: str) -> Account:
    """Return the account called `user`; the empty name is our own.

    Raises StepFailed (permanent) when there is none, or when it is another one and we are not root.
    """
    if not user:
        return own_account(os.geteuid())
    try:
        entry = pwd.getpwnam(user)
    except KeyError as exc:
        raise StepFailed(f"there is no user {user!r} on this machine", permanent=True) from exc
    ours = own_account(os.geteuid())
    if entry.pw_uid == ours.uid:
        return ours
    if ours.uid != 0:
        raise StepFailed(f"only root can run a step as {user!r}, and opsrunner runs as {ours.name!r}", permanent=True)
    groups = tuple(os.getgrouplist(entry.pw_name, entry.pw_gid))
    return Account(name=user, uid=entry.pw_uid, gid=entry.pw_gid, home=entry.pw_dir, groups=groups, switch=True)


@cache  # who we are does not change, and asking costs a look into a directory service
def own_account(uid: int) -> Account:
    """Return the account that we run as, `uid`; one that no directory knows has its number for a name."""
    try:
        entry = pwd.getpwuid(uid)
    except KeyError:
        return Account(name=str(uid), uid=uid, gid=os.getegid(), home="/")
    return Account(name=entry.pw_name, uid=uid, gid=os.getegid(), home=entry.pw_dir)


def login_environment(account: Account) -> dict[str, str]:
    """Return the variables of a login; nothing of our own environment is passed on."""
    return {
        "PATH": PATH,
        "HOME": account.home,
        "USER": account.name,
        "LOGNAME": account.name,
        "SHELL": SHELL,
        "LANG": "C.UTF-8",
    }
