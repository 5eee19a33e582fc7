"""The step kind `patch_audit`: what waits to be installed, restarted or replaced on each host."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import field_validator

from opsrunner.model.finding import Cause
from opsrunner.steps.audit_options import AuditOptions, check_causes
from opsrunner.steps.fields import Words
from opsrunner.steps.kind import InModule, Kind


class Options(AuditOptions):
    """What stands in `patch_audit:`."""

    causes: Words = ()
    """Only these; default: all that it knows."""

    @field_validator("causes")
    @classmethod
    def _are_causes(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        check_causes(value, _causes())
        return value


def _causes() -> Mapping[str, Cause]:
    from opsrunner.audits.patches import CAUSES  # noqa: PLC0415 - heavy, and most files name none

    return CAUSES


def preview(options: Options) -> str:
    """Return what would be looked at, where."""
    return options.where(options.causes or _causes())


run = InModule("patch_audit_run")

KIND = Kind(
    name="patch_audit",
    summary="Look at hosts for updates, held packages, reboots and restarts that wait, and the end of support.",
    options=Options,
    run=run,
    preview=preview,
    reads_only=True,
    at_once=True,
)
