"""What the step kind `email` does: mails queued, all or none."""

from __future__ import annotations

from opsrunner.errors import MailFailed, OpsrunnerError, StepFailed
from opsrunner.mail.headers import clean_line, parse_address
from opsrunner.mail.styles import inline_styles
from opsrunner.model.mail import NewMail
from opsrunner.model.outcome import Outcome, StepStatus
from opsrunner.steps.base import Means, StepCall
from opsrunner.steps.email import Options

MOST_RECIPIENTS = 500


def run(call: StepCall, means: Means) -> Outcome:
    """Queue the mails, all or none. Raises StepFailed (permanent) for whom or what cannot be mailed."""
    options: Options = call.options
    recipients = _recipients(options, means)
    subject, text, html = _texts(options, call, means)
    subject = clean_line(means.vault.mask(subject))
    if not subject:
        raise StepFailed("the subject is empty", permanent=True)
    mails = [
        NewMail(
            to=address,
            subject=subject,
            text=means.vault.mask(text),
            html=means.vault.mask(html),
            about=f"{call.routine} {call.step}",
        )
        for address in recipients
    ]
    means.send(mails)
    whom = recipients[0] if len(recipients) == 1 else f"{len(recipients)} recipients"
    return Outcome(status=StepStatus.SUCCEEDED, message=f"mail to {whom}", facts={"mails": len(mails)})


def _recipients(options: Options, means: Means) -> tuple[str, ...]:
    """Return each address once, in the order of the options."""
    addresses: dict[str, None] = {}
    for name in options.to:
        found = means.addresses(name)
        if not found:
            raise StepFailed(f"nobody holds {clean_line(name, length=80)!r}", permanent=True)
        for address in found:
            addresses[_checked(address)] = None
    if len(addresses) > MOST_RECIPIENTS:
        raise StepFailed(f"{len(addresses)} recipients; {MOST_RECIPIENTS} are the most", permanent=True)
    return tuple(addresses)


def _checked(address: str) -> str:
    try:
        return parse_address(address).address
    except MailFailed as exc:
        raise StepFailed(exc.message, permanent=True) from exc


def _texts(options: Options, call: StepCall, means: Means) -> tuple[str, str, str]:
    """Return subject, text and HTML."""
    if not options.template:
        return options.subject, options.body, ""
    from opsrunner.templates.environments import (  # noqa: PLC0415 - Jinja is heavy, and `check` reads this file
        has_page,
        render_mail_page,
        render_page,
    )

    folders = means.reports or (call.site_root / "reports",)
    plain, rich = f"{options.template}.txt.j2", f"{options.template}.html.j2"
    try:
        subject, text = render_mail_page(plain, call.context, folders=folders)
        html = render_page(rich, call.context, folders=folders, html=True) if has_page(rich, folders) else ""
        html = inline_styles(html) if "<style" in html else html
    except OpsrunnerError as exc:
        raise StepFailed(exc.message, permanent=True) from exc
    return subject, text, html
