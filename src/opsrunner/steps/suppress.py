"""The step kind `suppress`: an address gets no notices any more, because its mails come back."""

from __future__ import annotations

from pydantic import Field

from opsrunner.errors import MailFailed, StepFailed
from opsrunner.mail.headers import clean_line, parse_address
from opsrunner.model.notice import Suppression
from opsrunner.model.outcome import Outcome, StepStatus
from opsrunner.steps.base import Kind, Means, StepCall, StepOptions

BY_PROGRAM = "opsrunner"


class Options(StepOptions):
    """What stands in `suppress:`."""

    address: str = Field(min_length=1)
    """The mail address."""
    reason: str = Field(min_length=1)
    """Why; the list of suppressed addresses says it."""


def run(call: StepCall, means: Means) -> Outcome:
    """Suppress it everywhere, and take back what waits for it. Raises StepFailed for what is no address."""
    options: Options = call.options
    if means.notices is None:
        raise StepFailed("there is no ledger to write down who gets no notices", permanent=True)
    try:
        address = parse_address(options.address).address.lower()
    except MailFailed as exc:
        raise StepFailed(exc.message, permanent=True) from exc
    why = clean_line(means.vault.mask(options.reason), length=300)
    if not why:
        raise StepFailed("the reason is empty", permanent=True)
    gone = Suppression(address=address, why=why, by=BY_PROGRAM, at=means.clock.now())
    is_new = means.notices.suppressions.add([gone]) > 0
    taken_back = means.notices.notices.take_back(gone, contractual=True)
    said = f"{address} gets no notices any more" if is_new else f"{address} got none before"
    more = f"; mails taken back: {taken_back}" if taken_back else ""
    facts = {"suppressed": int(is_new), "taken_back": taken_back}
    return Outcome(status=StepStatus.SUCCEEDED, message=said + more, facts=facts)


def preview(options: Options) -> str:
    """Return who would get no notices any more, as one line."""
    return f"send no notice to {clean_line(options.address, length=100)} any more"


KIND = Kind(
    name="suppress",
    summary="Send no notice to an address any more, with the reason.",
    options=Options,
    run=run,
    preview=preview,
    writes_files=False,
    reads_only=True,  # done twice it is done once
)
