"""`doctor`: is everything in order that the routines stand on?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from opsrunner.cli.options import json_option, person_option, site_options, verb
from opsrunner.cli.session import Session
from opsrunner.errors import MailFailed, Refused

if TYPE_CHECKING:
    from opsrunner.app import App
    from opsrunner.engine.doctor_patient import Finding

EXAMPLE = """
opsrunner doctor
opsrunner doctor --send-test-mail
"""


@verb(EXAMPLE)
@click.option("--send-test-mail", is_flag=True, help="Send a mail to you (--as), or to the owner, and say if it left.")
@click.option("--every-page", is_flag=True, help="Read all of the ledger, however long it is; the daemon waits.")
@person_option
@json_option
@site_options
@click.pass_obj
def doctor(session: Session, send_test_mail: bool, every_page: bool) -> int:
    """Look after rights, clock, mail, keys, files, disk and the daemon.

    Each finding that is not fine says what to do. Exit code 1 where one is not fine.
    """
    from opsrunner.engine.doctor import examine

    with session.at_work() as app:
        with session.screen.working("looking"):
            findings = examine(app.patient(every_page=every_page))
            if send_test_mail:
                findings.append(_test_mail(session, app))
        if session.as_json:
            session.print_json({"ok": _is_fine(findings), "findings": findings})
        else:
            _show(session, findings)
        return 0 if _is_fine(findings) else 1


def _is_fine(findings: list[Finding]) -> bool:
    return all(finding.level == "fine" for finding in findings)


def _test_mail(session: Session, app: App) -> Finding:
    from opsrunner.engine.doctor_patient import Finding
    from opsrunner.mail.message import build
    from opsrunner.model.mail import NewMail

    address = _test_address(session, app)
    now = app.clock.now()
    mail = NewMail(
        to=address,
        subject=f"opsrunner at {app.site.name}: test mail",
        text=f"This mail shows that opsrunner can reach you.\nSite: {app.site.name}, folder {Path(app.root)}\n",
    )
    transport = app.transport()
    try:
        message_id = f"test-{now:%Y%m%d%H%M%S%f}.{app.books.ledger.id}"
        transport.deliver(build(mail, from_=app.site.mail.from_, message_id=message_id, date=now), to=address)
    except MailFailed as exc:
        return Finding(level="failed", what=f"the test mail to {address} did not leave: {exc}", advice="correct `mail`")
    finally:
        transport.close()
    return Finding(level="fine", what=f"the test mail to {address} was handed over")


def _test_address(session: Session, app: App) -> str:
    from opsrunner.cli.lookup import os_user

    me = app.people.named(session.acting_as) if session.acting_as else app.people.by_login(os_user())
    if me is not None:
        return me.email
    found = [address for name in app.site.digest.to for address in app.people.addresses(name, at=app.clock.now())]
    if not found:
        raise Refused("nobody has an address here: say --as PERSON")
    return found[0]


def _show(session: Session, findings: list[Finding]) -> None:
    from opsrunner.engine.moment_words import count_words

    screen = session.screen
    wrong = [finding for finding in findings if finding.level != "fine"]
    count = len(wrong)
    verdict = f"{count_words(count, 'thing needs', 'things need')} a look." if wrong else "All is in order."
    screen.heading(verdict)
    for finding in (*wrong, *(finding for finding in findings if finding.level == "fine")):
        where = f"  {finding.where}" if finding.where else ""
        screen.line(f"{finding.what}{where}", tone=finding.level, sign=True)
        if finding.advice:
            screen.line(f"    {finding.advice}", dim=True)
