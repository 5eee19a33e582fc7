"""`init`: a new site for a real company."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from opsrunner.cli.options import verb
from opsrunner.cli.session import Session
from opsrunner.errors import MailFailed, UsageError

EXAMPLE = """
opsrunner init ~/ops
opsrunner init /srv/ops --company "Fjord Hosting" --owner "Kari Vik" --email kari@example.com --timezone Europe/Oslo
"""
LOCALTIME = Path("/etc/localtime")


@verb(EXAMPLE)
@click.argument("target", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--company", help="Name of the company.")
@click.option("--owner", help="Name of the person who reads the digest.")
@click.option("--email", help="Address that the digest goes to.")
@click.option("--timezone", metavar="ZONE", help="Zone of the company; by default this machine's.")
@click.pass_obj
def init(
    session: Session, *, target: Path, company: str | None, owner: str | None, email: str | None, timezone: str | None
) -> int:
    """Write a new site into DIR, with comments, and with the ready routines and checklists.

    On a terminal it asks for what is not given; else it writes examples to replace.
    """
    from opsrunner.cli.lookup import os_user
    from opsrunner.new_site import write_site
    from opsrunner.schedules.zones import load_zone

    zone = timezone or machine_zone()
    load_zone(zone)
    written = write_site(
        target,
        company=company or _asked("Company", "Example Hosting"),
        owner_name=owner or _asked("Name of the owner, who reads the digest", "The owner"),
        owner_email=_address(email or _asked("Address for the digest", "owner@example.com")),
        timezone=zone,
        login=os_user(),
    )
    screen = session.screen
    screen.line(f"A new site lies in {target}: {len(written)} files, zone {zone}.", tone="fine", sign=True)
    screen.line()
    screen.line(f"1. opsrunner check --site {target}    says whether its files are right")
    screen.line(f"2. opsrunner try --site {target}      runs every routine once, beside the real state")
    screen.line(f"3. edit {target / 'opsrunner.yaml'}, then: opsrunner serve --site {target}")
    return 0


def machine_zone() -> str:
    """Return this machine's zone by its IANA name, UTC where it does not say."""
    named = os.environ.get("TZ", "").lstrip(":")
    if "/" in named and not named.startswith("/"):
        return named
    try:
        _, found, name = str(LOCALTIME.resolve(strict=True)).partition("/zoneinfo/")
    except OSError:
        return "UTC"
    return name if found and name not in ("", "Etc/UTC") else "UTC"


def _asked(question: str, example: str) -> str:
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return example
    answer: str = click.prompt(question, default=example)
    return answer


def _address(text: str) -> str:
    from opsrunner.mail.headers import parse_address

    address = text.strip()
    try:
        parse_address(address)
    except MailFailed as exc:
        raise UsageError(f"'{address}' is not a mail address") from exc
    if "<" in address:
        raise UsageError(f"'{address}' is more than a mail address")
    return address
