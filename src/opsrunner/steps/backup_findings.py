"""What is told of a copy that was just made."""

from __future__ import annotations

from dataclasses import field

from opsrunner.model.outcome import StepStatus, worst
from opsrunner.records import dataclass
from opsrunner.steps.backup import JUDGED, Judgement


@dataclass(kw_only=True)
class Findings:
    """What speaks against a copy, what is only worth telling, and the worst that follows from it."""

    status: StepStatus = StepStatus.SUCCEEDED
    doubts: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    def judge(self, judgement: Judgement, what: str) -> None:
        """Add what was found; what is `fine` here is told, and speaks against nothing."""
        self.status = worst([self.status, JUDGED[judgement]])
        (self.remarks if judgement == "fine" else self.doubts).append(what)

    def warn(self, what: str) -> None:
        """Add what went wrong beside the copy."""
        self.status = worst([self.status, StepStatus.WARNING])
        self.remarks.append(what)

    def fail(self, what: str) -> None:
        """Add what went wrong with one of several stores."""
        self.status = worst([self.status, StepStatus.FAILED])
        self.remarks.append(what)
