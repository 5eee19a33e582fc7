"""What steps need to run, imported before the first of them: by who runs routines, not by who reads a site.

So the first step of a kind is as quick as the next, and its time is its own; and a daemon runs what its routines use as
it was when they were put in force, though another version is being installed meanwhile. What no routine uses is not
imported: a daemon that only reminds people carries no audits. A kind that is first asked for later (a question by hand,
a run that goes on from an older form of its routine) comes with its first step.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable

from opsrunner.model.routine import Routine
from opsrunner.steps.kind import describe_fault
from opsrunner.steps.kinds import KINDS

LOGGER = logging.getLogger("opsrunner")


def get_ready(routines: Iterable[Routine]) -> None:
    """Import what the steps of these routines need to run; where that fails the log says so, and later the step."""
    for name in sorted({plan.kind for routine in routines for plan in routine.steps}):
        try:
            KINDS[name].get_ready()
        except Exception as exc:  # noqa: BLE001 (of modules amid an installation anything may come; all else goes on)
            said = "steps of the kind '%s' cannot be imported: %s; install opsrunner anew, and start it again"
            LOGGER.error(said, name, describe_fault(exc), extra={"action": "not_ready", "kind": name})  # noqa: TRY400 (a sentence is enough)
