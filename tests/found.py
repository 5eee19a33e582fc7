"""What audits of tests find: causes with their words, and a finding in one line."""

from __future__ import annotations

from opsrunner.model.finding import Cause, Finding, Severity

CAUSES = {
    "security": Cause(name="security", title="Install the security updates", how="Install them, then look again."),
    "held": Cause(name="held", title="Decide about the packages that are held", how="Look."),
    "reboot": Cause(name="reboot", title="Restart", how="Restart it."),
}


def found(
    host: str, name: str, severity: Severity = Severity.HIGH, *, detail: str = "it waits", mark: str = "1"
) -> Finding:
    """Return the finding of that name, such as `held:nginx`, on a host."""
    cause, _, subject = name.partition(":")
    return Finding(host=host, cause=cause, subject=subject, severity=severity, detail=detail, mark=mark)
