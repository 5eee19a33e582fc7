"""What the step kind `suppress` does: an address taken off every list."""

from __future__ import annotations

from opsrunner.errors import MailFailed, StepFailed
from opsrunner.mail.headers import clean_line, parse_address
from opsrunner.model.notice import Suppression
from opsrunner.model.outcome import Outcome, StepStatus
from opsrunner.steps.base import Means, StepCall
from opsrunner.steps.suppress import Options

BY_PROGRAM = "opsrunner"


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
