"""The step kind `patch_audit`: what waits to be installed, restarted or replaced on each host."""

from __future__ import annotations

from pydantic import field_validator

from opsrunner.audits import patches
from opsrunner.model.outcome import Outcome
from opsrunner.steps.audit_options import AuditOptions
from opsrunner.steps.base import Kind, Means, StepCall
from opsrunner.steps.fields import one_or_many


class Options(AuditOptions):
    """What stands in `patch_audit:`."""

    causes: tuple[str, ...] = ()
    """Only these; default: all that it knows."""

    @field_validator("causes", mode="before")
    @classmethod
    def _several(cls, value: object) -> object:
        return one_or_many(value)

    @field_validator("causes")
    @classmethod
    def _are_causes(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        unknown = next((name for name in value if name not in patches.CAUSES), None)
        if unknown is not None:
            raise ValueError(f"'{unknown[:40]}' is no cause; there are {', '.join(patches.CAUSES)}")
        return value


def run(call: StepCall, means: Means) -> Outcome:
    """Audit all hosts at once. Raises StepFailed where no host is meant."""
    from opsrunner.steps.audit_run import Audit, run_audit  # noqa: PLC0415 - only to run

    options: Options = call.options
    now = means.clock.now()
    audit = Audit(
        script=patches.script(),
        read=lambda end, said: patches.read_report(end.host.name, said, now=end.answered_at or now),
        causes=patches.CAUSES,
        wanted=frozenset(options.causes) or None,
    )
    return run_audit(call, means, audit)


def preview(options: Options) -> str:
    """Return what would be looked at, where."""
    hosts = options.hosts if isinstance(options.hosts, str) else ", ".join(options.hosts)
    return f"on {hosts}: look for {', '.join(options.causes or patches.CAUSES)}; changes nothing"


KIND = Kind(
    name="patch_audit",
    summary="Look at hosts for updates, held packages, reboots and restarts that wait, and the end of support.",
    options=Options,
    run=run,
    preview=preview,
    reads_only=True,
    at_once=True,
)
