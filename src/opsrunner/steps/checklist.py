"""`checklist`: a list of tasks from `checklists/`. The engine opens them; nothing runs here."""

from __future__ import annotations

from pydantic import Field

from opsrunner.steps.evidence import Text
from opsrunner.steps.kind import Kind
from opsrunner.steps.task import TaskDefaults


class ChecklistOptions(TaskDefaults):
    """The options of a `checklist` step; they hold for each of its tasks that does not say otherwise."""

    checklist: Text = Field(description="Name of a list in checklists/, without its ending.")


def _preview(options: ChecklistOptions) -> str:
    return f"opens the tasks of the checklist {options.checklist}"


KIND = Kind(
    name="checklist",
    summary="People work through a list of tasks that several routines can share.",
    options=ChecklistOptions,
    run=None,
    preview=_preview,
    beside=True,
)
