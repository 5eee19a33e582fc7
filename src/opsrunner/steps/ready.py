"""What steps need to run, imported before the first of them: by who runs routines, not by who reads a site.

So the first step of a kind is as quick as the next, and a daemon goes on with the program that it was started with
while another version is being installed. What no routine uses is not imported: a daemon that only reminds people
carries no audits.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress

from opsrunner.model.routine import Routine
from opsrunner.steps.kinds import KINDS


def get_ready(routines: Iterable[Routine]) -> None:
    """Import what the steps of these routines need to run."""
    for name in sorted({plan.kind for routine in routines for plan in routine.steps}):
        with suppress(ImportError):  # amid an installation; the step itself says so, where it is so still
            KINDS[name].get_ready()
