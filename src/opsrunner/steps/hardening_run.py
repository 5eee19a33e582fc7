"""What the step kind `hardening` does: all hosts audited at once."""

from __future__ import annotations

from opsrunner.audits import hardening
from opsrunner.model.outcome import Outcome
from opsrunner.steps.audit_run import Audit, run_audit
from opsrunner.steps.base import Means, StepCall
from opsrunner.steps.hardening import Options


def run(call: StepCall, means: Means) -> Outcome:
    """Audit all hosts at once. Raises StepFailed where no host is meant."""
    options: Options = call.options
    baseline, now = options.baseline, means.clock.now()
    audit = Audit(
        script=hardening.script(),
        read=lambda end, said: hardening.read_report(end.host.name, said, now=now, baseline=baseline),
        causes=hardening.CAUSES,
        wanted=frozenset(hardening.CAUSES) - set(options.without),
        env=hardening.environment_of(baseline),
    )
    return run_audit(call, means, audit)
