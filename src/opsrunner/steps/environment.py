"""The environment of a local command: the same from a shell, from cron and under systemd."""

from __future__ import annotations

import os
import pwd
from collections.abc import Mapping
from dataclasses import dataclass

from opsrunner.errors import StepFailed
from opsrunner.secrets import MASK, SecretRef, Vault
from opsrunner.steps.base import StepCall
from opsrunner.steps.processes import RUN_MARK, TRY_MARK

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
        return _own_account()
    try:
        entry = pwd.getpwnam(user)
    except KeyError as exc:
        raise StepFailed(f"there is no user {user!r} on this machine", permanent=True) from exc
    if entry.pw_uid == os.geteuid():
        return _own_account()
    if os.geteuid() != 0:
        raise StepFailed(
            f"only root can run a step as {user!r}, and opsrunner runs as {_own_account().name!r}", permanent=True
        )
    groups = tuple(os.getgrouplist(entry.pw_name, entry.pw_gid))
    return Account(name=user, uid=entry.pw_uid, gid=entry.pw_gid, home=entry.pw_dir, groups=groups, switch=True)


def build_environment(call: StepCall, vault: Vault, *, account: Account, try_mark: str) -> dict[str, str]:
    """Return all variables of the command: nothing of our own environment is passed on.

    The step's `env` may replace any but the `OPS_` ones. Raises SecretUnavailable.
    """
    return {
        "PATH": PATH,
        "HOME": account.home,
        "USER": account.name,
        "LOGNAME": account.name,
        "SHELL": SHELL,
        "LANG": "C.UTF-8",
        **{name: _value(value, vault) for name, value in call.env.items()},
        "OPS_WORKDIR": str(call.workdir),
        "OPS_RUN_ID": str(call.run_id),
        RUN_MARK: call.run_token,
        TRY_MARK: try_mark,
        "OPS_ROUTINE": call.routine,
        "OPS_STEP": call.step,
        "OPS_SITE": str(call.site_root),
    }


def recorded(environment: Mapping[str, str], call: StepCall, vault: Vault) -> dict[str, str]:
    """Return the environment as it is kept with the outcome: secrets and our marks are not in it."""
    return {
        name: MASK if isinstance(call.env.get(name), SecretRef) else vault.mask(value)
        for name, value in sorted(environment.items())
        if name not in (RUN_MARK, TRY_MARK)
    }


def _value(value: str | SecretRef, vault: Vault) -> str:
    return vault.resolve(value) if isinstance(value, SecretRef) else value


def _own_account() -> Account:
    uid = os.geteuid()
    try:
        entry = pwd.getpwuid(uid)
    except KeyError:
        return Account(name=str(uid), uid=uid, gid=os.getegid(), home="/")
    return Account(name=entry.pw_name, uid=uid, gid=os.getegid(), home=entry.pw_dir)
