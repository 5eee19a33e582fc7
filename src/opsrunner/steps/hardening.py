"""The step kind `hardening`: how each host stands open, against what the site allows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import BeforeValidator, Field, field_validator, model_validator

from opsrunner.audits.baseline import Baseline
from opsrunner.model.finding import Cause
from opsrunner.steps.audit_options import AuditOptions, check_left_out
from opsrunner.steps.fields import AbsolutePaths, Words, one_or_many
from opsrunner.steps.kind import InModule, Kind


class Options(AuditOptions):
    """What stands in `hardening:`."""

    allow_ports: Annotated[
        tuple[str | int, ...], BeforeValidator(one_or_many, json_schema_input_type=str | int | tuple[str | int, ...])
    ] = ()
    """Ports that may be open: `22`, `53/udp`, `8000-8010/tcp`."""
    allow_ssh: Words = ()
    """Settings of the SSH server that may stand, as a finding names them: `PasswordAuthentication yes`."""
    allow_root_accounts: Words = ()
    """Accounts beside root that may have uid 0."""
    allow_root_from: Words = ()
    """Addresses and networks from which root may log in by key."""
    web_roots: AbsolutePaths = ()
    """Patterns of folders that hold web sites; default: the usual ones."""
    login_days: int = Field(default=7, ge=1, le=90, strict=True)
    """How far back root's logins are looked at."""
    without: Words = ()
    """Causes that are not looked at."""

    @field_validator("without")
    @classmethod
    def _are_causes(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        check_left_out(value, _causes())
        return value

    @model_validator(mode="after")
    def _can_be_meant(self) -> Options:
        _ = self.baseline
        return self

    @property
    def baseline(self) -> Baseline:
        """Return what is allowed. Raises ValueError for what cannot be meant."""
        return Baseline(
            allow_ports=tuple(str(port) for port in self.allow_ports),
            allow_ssh=self.allow_ssh,
            allow_root_accounts=self.allow_root_accounts,
            allow_root_from=self.allow_root_from,
            web_roots=self.web_roots,
            login_days=self.login_days,
            without=frozenset(self.without),
        )


def _causes() -> Mapping[str, Cause]:
    from opsrunner.audits.hardening import CAUSES  # noqa: PLC0415 - heavy, and most files name none

    return CAUSES


def preview(options: Options) -> str:
    """Return what would be looked at, where."""
    return options.where(name for name in _causes() if name not in options.without)


run = InModule("hardening_run")

KIND = Kind(
    name="hardening",
    summary="Look at how hosts stand open: ports, SSH settings, root's logins and accounts, web roots.",
    options=Options,
    run=run,
    preview=preview,
    reads_only=True,
    at_once=True,
)
