"""What the step kind `patch_audit` does: all hosts audited at once."""

from __future__ import annotations

from opsrunner.audits import patches
from opsrunner.model.outcome import Outcome
from opsrunner.steps.audit_run import Audit, run_audit
from opsrunner.steps.base import Means, StepCall
from opsrunner.steps.patch_audit import Options


def run(call: StepCall, means: Means) -> Outcome:
    """Audit all hosts at once. Raises StepFailed where no host is meant."""
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
