"""The program's log on standard error: one line a record, whatever stands in it."""

from __future__ import annotations

import logging
import sys
import threading
from types import TracebackType
from typing import TYPE_CHECKING, TextIO

from opsrunner.cli.escapes import printable

if TYPE_CHECKING:
    from opsrunner.cli.session import Session


class Lines(logging.Formatter):
    """One line a record: no secret, nothing that could steer a terminal or look like another record.

    The traceback of a fault goes to `crash.log`; the line says where.
    """

    def __init__(self, session: Session) -> None:
        super().__init__("%(asctime)s %(levelname)s %(message)s", "%Y-%m-%d %H:%M:%S")
        self._session = session

    def format(self, record: logging.LogRecord) -> str:
        """Return the record's line."""
        plain = logging.makeLogRecord({**record.__dict__, "exc_info": None, "exc_text": None, "stack_info": None})
        fault = record.exc_info[1] if record.exc_info else None
        told = f"{super().format(plain)}{'' if fault is None else self._kept(fault)}"
        return printable(self._session.mask(told))

    def _kept(self, fault: BaseException) -> str:
        from opsrunner.cli.crash import write_crash  # only when something broke

        place = write_crash(fault, folder=self._session.state_folder, mask=self._session.mask)
        return f": {type(fault).__name__}{f'; the details are in {place}' if place else ''}"


class Log(logging.StreamHandler[TextIO]):
    """A log that cannot be written, since its disk is full or its reader gone, stops nothing and shows no traceback."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 (its name in logging)
        """Leave the record out where it could not be written."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handleError(record)


def log_to_stderr(session: Session, *, level: int) -> None:
    """Send what the program logs from `level` up to standard error, and what breaks in a thread too."""
    logger = logging.getLogger("opsrunner")
    for before in list(logger.handlers):
        logger.removeHandler(before)
    handler = Log(sys.stderr)
    handler.setFormatter(Lines(session))
    logger.addHandler(handler)
    logger.setLevel(level)
    logger.propagate = False
    threading.excepthook = _log_fault


def _log_fault(fault: threading.ExceptHookArgs) -> None:
    if fault.exc_value is None or issubclass(fault.exc_type, SystemExit):
        return
    info: tuple[type[BaseException], BaseException, TracebackType | None] = (
        fault.exc_type,
        fault.exc_value,
        fault.exc_traceback,
    )
    name = fault.thread.name if fault.thread is not None else "a thread"
    logging.getLogger("opsrunner").error("%s ended by a fault", name, exc_info=info, extra={"action": "fault"})
