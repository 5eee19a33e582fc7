"""`serve`: the daemon in the foreground."""

from __future__ import annotations

import gc
import logging
from typing import TYPE_CHECKING

import click

from opsrunner.cli.log_lines import log_to_stderr
from opsrunner.cli.options import site_options, verb
from opsrunner.cli.session import Session

if TYPE_CHECKING:
    from opsrunner.app import App
    from opsrunner.engine.service import Face
    from opsrunner.model.person import Person

EXAMPLE = """
opsrunner serve --site /srv/ops --state /var/lib/opsrunner
opsrunner serve --no-page
"""
PYTHONS_OWN = (700, 10, 10)


@verb(EXAMPLE)
@click.option("--no-page", is_flag=True, help="Leave out the page, which is at web.listen of opsrunner.yaml.")
@site_options
@click.pass_obj
def serve(session: Session, no_page: bool) -> int:
    """Keep the routines and serve the page: plan, run, open tasks, remind, send digests. Until SIGTERM.

    Files that change are read again by themselves. The first SIGTERM or Ctrl-C lets running steps end for
    `limits.grace`; a second one ends them at once.
    """
    gc.set_threshold(*PYTHONS_OWN)  # a daemon lives long: what goes round in circles is given back soon
    with session.at_work() as app:
        log_to_stderr(session, level=logging.INFO)
        return app.serve(None if no_page else page_of(app))


def page_of(app: App) -> Face:
    """Return the page of a site; on a site that nobody has signed in to yet it opens with a way in for the owner."""
    from opsrunner.web.server import WebServer  # without a page its libraries are not needed

    owner = next(iter(app.site.holders_of("owner")), None)
    if owner is None or not app.books.sessions.is_first():
        return WebServer(app)
    return WebServer(app, on_start=lambda address: _show_way_in(app, owner, address))


def _show_way_in(app: App, owner: Person, address: str) -> None:
    from opsrunner.engine.sign_in import sign_in_address  # as above

    token = app.sign_in.link(owner, made_by=owner.id, at=app.clock.now())
    print(f"{owner.name} signs in here, once, within 15 minutes: {sign_in_address(address, token)}", flush=True)
