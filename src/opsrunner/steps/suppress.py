"""The step kind `suppress`: an address gets no notices any more, because its mails come back."""

from __future__ import annotations

from pydantic import Field

from opsrunner.mail.headers import clean_line
from opsrunner.steps.kind import InModule, Kind, StepOptions


class Options(StepOptions):
    """What stands in `suppress:`."""

    address: str = Field(min_length=1)
    """The mail address."""
    reason: str = Field(min_length=1)
    """Why; the list of suppressed addresses says it."""


def preview(options: Options) -> str:
    """Return who would get no notices any more, as one line."""
    return f"send no notice to {clean_line(options.address, length=100)} any more"


run = InModule("suppress_run")

KIND = Kind(
    name="suppress",
    summary="Send no notice to an address any more, with the reason.",
    options=Options,
    run=run,
    preview=preview,
    writes_files=False,
    reads_only=True,  # done twice it is done once
)
