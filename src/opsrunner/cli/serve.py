"""`serve`: the daemon in the foreground."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable

import click

from opsrunner.cli.escapes import printable
from opsrunner.cli.options import site_options, verb
from opsrunner.cli.session import Session

EXAMPLE = """
opsrunner serve --site /srv/ops --state /var/lib/opsrunner
"""


@verb(EXAMPLE)
@site_options
@click.pass_obj
def serve(session: Session) -> int:
    """Keep the routines: plan, run, open tasks, remind, send digests. In the foreground, until SIGTERM.

    Files that change are read again by themselves. The first SIGTERM or Ctrl-C lets running steps end for
    `limits.grace`; a second one ends them at once.
    """
    _log_to_stderr(mask=session.mask)
    with session.opened() as app:
        return app.serve()


class _Lines(logging.Formatter):
    """One line a record, with no secret in it and nothing that could steer a terminal."""

    def __init__(self, mask: Callable[[str], str]) -> None:
        super().__init__("%(asctime)s %(levelname)s %(message)s", "%Y-%m-%d %H:%M:%S")
        self._mask = mask

    def format(self, record: logging.LogRecord) -> str:
        return printable(self._mask(super().format(record)))


def _log_to_stderr(*, mask: Callable[[str], str]) -> None:
    """Send the daemon's sentences to standard error, where systemd's journal or a terminal reads them."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Lines(mask))
    logger = logging.getLogger("opsrunner")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False
