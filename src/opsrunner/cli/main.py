"""The command line's door: finds the verb, calls it, and turns what goes wrong into one line.

Exit codes: 0 fine; 1 the thing asked about is not fine; 2 usage or configuration; 130 interrupted.
"""

from __future__ import annotations

import errno
import gc
import importlib
import os
import sys
from collections.abc import Sequence
from contextlib import suppress

import click

from opsrunner.cli.escapes import printable
from opsrunner.cli.session import Session
from opsrunner.cli.verbs import SECTIONS, VERBS
from opsrunner.errors import OpsrunnerError
from opsrunner.fleet.own_process import begin_plainly
from opsrunner.version import VERSION

INTERRUPTED = 130
NAMED_WRONGLY = frozenset({errno.ENAMETOOLONG, errno.ELOOP, errno.ENOTDIR, errno.EACCES})
"""What is wrong with a path that a person gave, not with the program."""
OF_THE_MACHINE = {
    errno.ENOSPC: "make room on the disk",
    errno.EDQUOT: "make room on the disk",
    errno.EROFS: "its disk is mounted read-only",
    errno.EIO: "check the disk",
    errno.EMFILE: "allow more open files (ulimit -n)",
    errno.ENFILE: "allow more open files (ulimit -n)",
    errno.ENOMEM: "make memory free",
    errno.EAGAIN: "allow more processes (ulimit -u)",
}
"""What is wrong with the machine, not with the program, and what to do about it."""
NO_MEMORY = b"opsrunner: no memory is left; make some free (ulimit -v, free -m)\n"
FOR_WANT_OF_MEMORY = (SystemError, ImportError, RuntimeError)
"""Python could not make the MemoryError itself; a library found no place; a thread found none."""
SOME_MEMORY = 32 << 20
"""Bytes: with less left, what a verb imports does not fit in."""
LONGEST_LINE = 1_000
COLLECTED_AFTER = 300_000
"""Objects. Most verbs end sooner, and looking for circles among what they import is a tenth of their time."""
PIPE_CLOSED = 141
"""What a shell reports of a program that SIGPIPE ended."""


class LazyGroup(click.Group):
    """The verbs of the table; each is imported when it is called, so that `--help` stays quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 (click's signature)
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        verb = VERBS.get(cmd_name)
        if verb is None:
            from difflib import get_close_matches  # only for a slip of the keyboard

            near = get_close_matches(cmd_name, VERBS, n=1)
            hint = f"did you mean '{near[0]}'?" if near else "see: opsrunner --help"
            ctx.fail(f"there is no verb '{cmd_name}'; {hint}")
        module, _, function = verb.place.partition(":")
        command: click.Command = getattr(importlib.import_module(f"opsrunner.cli.{module}"), function)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 (click calls it so)
        for title, verbs in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl([(name, verb.summary) for name, verb in verbs.items()])


@click.command(
    cls=LazyGroup,
    name="opsrunner",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Each verb has its own help with an example: opsrunner run --help",
    no_args_is_help=True,
)
@click.version_option(VERSION, message="opsrunner %(version)s")
def opsrunner() -> None:
    """Keep the daily, weekly and monthly routines of a small hosting company.

    Routines are YAML files in a site's folder. opsrunner runs their automated steps, opens checklists for
    the people, and sends the owner one digest a day.
    """


def main() -> None:
    """Run the program and leave with its exit code."""
    gc.set_threshold(COLLECTED_AFTER, 10, 10)
    begin_plainly()
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")
    try:
        code = call(sys.argv[1:])
    except (MemoryError, SystemError):  # a net of `call` had no memory to do its work with
        code = _without_memory()
    if code == 1 and not _has_memory():
        os._exit(code)  # Python's own way out would complain in lines of its own
    gc.freeze()  # the process ends, nothing needs to be collected any more
    sys.exit(code)


def call(arguments: Sequence[str]) -> int:
    """Run one verb and return the exit code. No exception leaves."""
    session = Session()
    try:
        code = opsrunner.main(list(arguments), prog_name="opsrunner", standalone_mode=False, obj=session)
        sys.stdout.flush()
    except click.ClickException as exc:
        return _refuse(exc)
    except OpsrunnerError as exc:
        return _complain(session.mask(exc.message), exc.exit_code)
    except (KeyboardInterrupt, click.Abort):
        return _complain("interrupted", INTERRUPTED)
    except (BrokenPipeError, SystemExit):  # click itself exits where the pipe is closed
        _forget_output()
        return PIPE_CLOSED
    except Exception as exc:  # noqa: BLE001 - the last net: no traceback ever meets a user
        return _crash(session, exc)
    return code if isinstance(code, int) else 0


def _refuse(exc: click.ClickException) -> int:
    if isinstance(exc, click.exceptions.NoArgsIsHelpError):
        print(exc.format_message())
        return 2
    context = exc.ctx if isinstance(exc, click.UsageError) else None
    hint = f"; see: {context.command_path} --help" if context is not None and context.parent is not None else ""
    said = " ".join(exc.format_message().split()).rstrip(".").replace("a valid integer range", "a whole number")
    return _complain(f"{said}{hint}", 2)


def _complain(message: str, code: int) -> int:
    """Print one line on standard error and return `code`; of several mistakes the first one stands for all."""
    first, *others = [line for line in message.splitlines() if line.strip()] or ["something went wrong"]
    more = f" (and {len(others)} more; see: opsrunner check)" if others else ""
    try:
        print(f"opsrunner: {_shortened(printable(first))}{more}", file=sys.stderr, flush=True)
    except OSError:
        _forget_output()
    return code


def _has_memory() -> bool:
    """Tell whether there is some; `FOR_WANT_OF_MEMORY` may be of other causes, too."""
    try:
        bytearray(SOME_MEMORY)
    except MemoryError:
        return False
    return True


def _without_memory() -> int:
    """Say that there is no memory, in bytes that lie ready: any other sentence would have to be made."""
    with suppress(OSError):
        os.write(2, NO_MEMORY)
    return 1


def _shortened(line: str) -> str:
    """Return the beginning of what somebody gave far too long."""
    return line if len(line) <= LONGEST_LINE else f"{line[:LONGEST_LINE]}…"


def _forget_output() -> None:
    """Point standard output to nowhere, so that Python's own flush at exit stays quiet."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _crash(session: Session, exc: Exception) -> int:
    if isinstance(exc, MemoryError) or (isinstance(exc, FOR_WANT_OF_MEMORY) and not _has_memory()):
        return _without_memory()
    if isinstance(exc, OSError) and exc.errno in NAMED_WRONGLY:
        return _complain(f"{exc.filename}: {exc.strerror}", 1)
    if isinstance(exc, OSError) and exc.errno in OF_THE_MACHINE:
        _forget_output()
        place = exc.filename or "standard output"  # all else is written through its name
        return _complain(f"{place}: {exc.strerror}; {OF_THE_MACHINE[exc.errno]}", 1)
    from opsrunner.cli.crash import write_crash  # only when something broke

    place = write_crash(exc, folder=session.state_folder, mask=session.mask)
    where = f"; the details are in {place}" if place else ""
    return _complain(f"unexpected {type(exc).__name__}{where}; please report this", 1)
