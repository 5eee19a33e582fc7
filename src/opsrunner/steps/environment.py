"""The environment of a local command: the same from a shell, from cron and under systemd."""

from __future__ import annotations

from collections.abc import Mapping

from opsrunner.fleet.account import Account, login_environment
from opsrunner.fleet.marks import RUN_MARK, TRY_MARK
from opsrunner.model.site import Host
from opsrunner.secrets import MASK, SecretRef, Vault
from opsrunner.steps.base import StepCall


def build_environment(call: StepCall, vault: Vault, *, account: Account, try_mark: str) -> dict[str, str]:
    """Return all variables of the command: nothing of our own environment is passed on.

    The step's `env` may replace any but the `OPS_` ones. Raises SecretUnavailable.
    """
    return {
        **login_environment(account),
        **{name: _value(value, vault) for name, value in call.env.items()},
        "OPS_WORKDIR": str(call.workdir),
        "OPS_RUN_ID": str(call.run_id),
        RUN_MARK: call.run_token,
        TRY_MARK: try_mark,
        "OPS_ROUTINE": call.routine,
        "OPS_STEP": call.step,
        "OPS_SITE": str(call.site_root),
    }


def host_environment(host: Host, call: StepCall, vault: Vault) -> dict[str, str]:
    """Return the variables of a command on a host: the step's `env` and ours; folders mean something here alone.

    Raises SecretUnavailable.
    """
    folders = {"OPS_WORKDIR": str(call.workdir), "OPS_SITE": str(call.site_root)} if host.is_local else {}
    return {
        **{name: _value(value, vault) for name, value in call.env.items()},
        **folders,
        "OPS_HOST": host.name,
        "OPS_RUN_ID": str(call.run_id),
        RUN_MARK: call.run_token,
        "OPS_ROUTINE": call.routine,
        "OPS_STEP": call.step,
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
