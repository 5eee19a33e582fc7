"""`ask`: one question to many hosts, and who answers otherwise than the others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from opsrunner.cli.options import json_option, person_option, site_options, verb
from opsrunner.cli.session import Session
from opsrunner.errors import Refused, UsageError

if TYPE_CHECKING:
    from opsrunner.app import App
    from opsrunner.engine.asked_file import NewFile
    from opsrunner.engine.asking import Question
    from opsrunner.model.routine import Routine
    from opsrunner.model.run import Run

EXAMPLE = """
opsrunner ask 'uname -r' --hosts shared
opsrunner ask 'systemctl is-active exim4' --hosts all --exit 0 --open-task
opsrunner ask 'sysctl -n net.ipv4.tcp_syncookies' --hosts all --expect 1 --save-as syn-cookies --daily 06:00
"""
LONGEST_COMMAND = 100_000
"""Bytes; Linux takes 128 KiB as one argument (execve(2))."""


@verb(EXAMPLE)
@click.argument("command")
@click.option("--hosts", "hosts", metavar="NAMES", multiple=True, required=True, help="Hosts, groups, or all: a,b.")
@click.option("--expect", metavar="TEXT", help="A right answer holds this text.")
@click.option(
    "--exit",
    "exit_codes",
    metavar="N",
    type=click.IntRange(0, 255),
    multiple=True,
    help="A right answer ends so; may be given several times.",
)
@click.option("--timeout", metavar="TIME", default="1m", show_default=True, help="For all hosts together: 30s, 5m.")
@click.option("--parallel", type=click.IntRange(1, 100), default=50, show_default=True, help="Hosts at a time.")
@click.option("--open-task", is_flag=True, help="Open a task about the odd ones, and follow-ups for the silent.")
@click.option("--save-as", metavar="NAME", help="Keep the question as routines/NAME.yaml, with its history.")
@click.option("--daily", metavar="HH:MM", help="With --save-as: ask it every day at that time.")
@person_option
@json_option
@site_options
@click.pass_obj
def ask(session: Session, /, command: str, hosts: tuple[str, ...], **given: Any) -> int:
    """Run COMMAND on many hosts at once and hold their answers against each other, the odd ones first.

    Odd is who differs from what more than half of them say, or from what --expect or --exit says. The answers are kept
    as a run. The same question, asked again, keeps the open task about it up to date. Exit code 1 where somebody is
    odd, did not answer, or nobody knows which answer is right.
    """
    with session.at_work() as app:
        actor, accountable = _asker(session, app)
        question = _question(app, command, hosts, expect=given["expect"], exit_codes=given["exit_codes"])
        seconds = _seconds(given["timeout"])
        new = _new_file(app, question, accountable, seconds, given)
        routine = _routine(question, accountable, seconds, given)
        ended = _ask(session, app, routine, actor=actor)
        kept = _keep(app, new, question) if new else None
        if session.as_json:
            _print_json(session, app, ended, kept)
        else:
            _tell(session, app, ended, kept)
        return 0 if ended.status.value == "succeeded" else 1


def _asker(session: Session, app: App) -> tuple[str, str]:
    """Return who is recorded, and who answers for it. Raises Refused for who may only look, or helps out."""
    from opsrunner.cli.lookup import actor_name

    actor = actor_name(session, app)
    person = app.site.people.get(actor)
    if person is None:
        return actor, "owner"
    if not person.is_staff or person.is_partner:
        raise Refused(f"{person.name} may not run commands on hosts")
    return actor, person.id


def _question(
    app: App, command: str, hosts: tuple[str, ...], *, expect: str | None, exit_codes: tuple[int, ...]
) -> Question:
    """Return what was asked. Raises UsageError where it cannot be."""
    from opsrunner.engine.asking import Question
    from opsrunner.engine.hosts import inventory
    from opsrunner.errors import StepFailed
    from opsrunner.steps.fan_out import select_hosts

    if expect is not None and exit_codes:
        raise UsageError("--expect and --exit do not go together; keep one")
    for name, text in (("COMMAND", command), ("--expect", expect)):
        if text is not None and not text.strip():
            raise UsageError(f"{name} is empty")
        if text is not None and not _is_text(text):
            raise UsageError(f"{name} is not UTF-8 text; write other bytes as printf '\\377' does")
    if len(command.encode()) > LONGEST_COMMAND:
        raise UsageError(f"COMMAND is longer than {LONGEST_COMMAND:,} bytes; put it into a script on the hosts")
    names = tuple(dict.fromkeys(name.strip() for given in hosts for name in given.split(",") if name.strip()))
    if not names:
        raise UsageError("--hosts names nothing; name hosts, groups, or all")
    try:
        select_hosts(names, inventory(app.site))
    except StepFailed as exc:
        raise UsageError(f"--hosts: {exc.message}") from exc
    return Question(command=command, hosts=names, expect=expect, exit_codes=tuple(dict.fromkeys(exit_codes)))


def _is_text(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _seconds(timeout: str) -> int:
    from opsrunner.schedules.parsing import parse_duration

    try:
        seconds = parse_duration(timeout)
    except ValueError as exc:
        raise UsageError(f"--timeout: {exc}") from exc
    if not seconds:
        raise UsageError("--timeout: 0 s are no time to answer")
    return seconds


def _routine(question: Question, accountable: str, seconds: int, given: dict[str, Any]) -> Routine:
    from opsrunner.engine.asking import asked_routine

    return asked_routine(
        question,
        accountable=accountable,
        opens_task=given["open_task"],
        timeout_seconds=seconds,
        most_at_once=given["parallel"],
    )


def _new_file(app: App, question: Question, accountable: str, seconds: int, given: dict[str, Any]) -> NewFile | None:
    """Return what is to be saved, None for nothing. Raises UsageError where it cannot be, before anybody is asked."""
    from opsrunner.engine.asked_file import NewFile, require_free
    from opsrunner.schedules.parsing import parse_clock

    name, daily = given["save_as"], given["daily"]
    if name is None:
        if daily is not None:
            raise UsageError("--daily goes with --save-as: what no file holds has no schedule")
        return None
    try:
        at = f"{parse_clock(daily):%H:%M}" if daily is not None else None
    except ValueError as exc:
        raise UsageError(f"--daily: {exc}") from exc
    new = NewFile(
        name=name,
        question=question,
        accountable=accountable,
        daily_at=at,
        timeout_seconds=seconds,
        most_at_once=given["parallel"],
    )
    require_free(new, site=app.site, books=app.books)
    return new


def _ask(session: Session, app: App, routine: Routine, *, actor: str) -> Run:
    from opsrunner.cli.ask_progress import AskProgress

    if session.as_json or not session.screen.is_terminal:
        return app.ask(routine, actor=actor)
    with AskProgress(session.screen, app, routine) as progress:
        return app.ask(routine, actor=actor, on_event=progress)


def _keep(app: App, new: NewFile, question: Question) -> str:
    """Write the routine's file, let it have the question's history, and return its path in the site."""
    from opsrunner.engine.asked_file import write_file

    path = write_file(new, site=app.site, today=app.clock.now().date())
    app.books.routines.rename(question.id, new.name)  # a daemon that was faster has done it
    return path.relative_to(app.site.root).as_posix()


def _print_json(session: Session, app: App, ended: Run, kept: str | None) -> None:
    from opsrunner.cli.one_run import run_as_json

    session.print_json({**run_as_json(app, app.books.runs.get(ended.id)), "saved": kept})


def _tell(session: Session, app: App, ended: Run, kept: str | None) -> None:
    from opsrunner.cli.ask_answers import show_answers

    show_answers(session.screen, app, ended)
    if kept is not None:
        name = kept.rpartition("/")[2].removesuffix(".yaml")
        session.screen.line(f"{kept} asks it from now on: opsrunner run {name}.", tone="fine")
        return
    saved = [one.id for one in app.site.routines.values() if one.renamed_from == ended.routine]
    if saved:
        session.screen.line(f"The routine {saved[0]} asks this, with a history of its own: opsrunner run {saved[0]}.")
