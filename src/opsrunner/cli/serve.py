"""`serve`: the daemon in the foreground."""

from __future__ import annotations

import gc
import logging

import click

from opsrunner.cli.log_lines import log_to_stderr
from opsrunner.cli.options import site_options, verb
from opsrunner.cli.session import Session

EXAMPLE = """
opsrunner serve --site /srv/ops --state /var/lib/opsrunner
"""
PYTHONS_OWN = (700, 10, 10)


@verb(EXAMPLE)
@site_options
@click.pass_obj
def serve(session: Session) -> int:
    """Keep the routines: plan, run, open tasks, remind, send digests. In the foreground, until SIGTERM.

    Files that change are read again by themselves. The first SIGTERM or Ctrl-C lets running steps end for
    `limits.grace`; a second one ends them at once.
    """
    gc.set_threshold(*PYTHONS_OWN)  # a daemon lives long: what goes round in circles is given back soon
    with session.at_work() as app:
        log_to_stderr(session, level=logging.INFO)
        return app.serve()
