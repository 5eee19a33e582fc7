"""The step kind `patch_audit`: what waits to be installed, restarted or replaced on each host."""

from __future__ import annotations

from pydantic import field_validator

from opsrunner.audits import patches
from opsrunner.model.outcome import Outcome
from opsrunner.steps.audit_options import AuditOptions, check_causes
from opsrunner.steps.base import Kind, Means, StepCall
from opsrunner.steps.fields import Words


class Options(AuditOptions):
    """What stands in `patch_audit:`."""

    causes: Words = ()
    """Only these; default: all that it knows."""

    @field_validator("causes")
    @classmethod
    def _are_causes(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        check_causes(value, patches.CAUSES)
        return value


def run(call: StepCall, means: Means) -> Outcome:
    """Audit all hosts at once. Raises StepFailed where no host is meant."""
    from opsrunner.steps.audit_run import Audit, run_audit  # noqa: PLC0415 - only to run

    options: Options = call.options
    now = means.clock.now()
    audit = Audit(
        script=patches.script(),
        read=lambda end, said: patches.read_report(
            end.host.name, said, now=end.answered_at or now, wanted=options.causes
        ),
        causes=patches.CAUSES,
        env=patches.environment_of(options.causes),
        wanted=frozenset(options.causes) or None,
    )
    return run_audit(call, means, audit)


def preview(options: Options) -> str:
    """Return what would be looked at, where."""
    return options.where(options.causes or patches.CAUSES)


KIND = Kind(
    name="patch_audit",
    summary="Look at hosts for updates, held packages, reboots and restarts that wait, and the end of support.",
    options=Options,
    run=run,
    preview=preview,
    reads_only=True,
    at_once=True,
)
