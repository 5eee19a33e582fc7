"""How copies are shown on the command line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any

from opsrunner.cli.session import Session

if TYPE_CHECKING:
    from opsrunner.archives.restoring import Tell
    from opsrunner.cli.screen import Cell
    from opsrunner.engine.backups import Adopted
    from opsrunner.engine.thinning import Thinning
    from opsrunner.model.backup import Copy
    from opsrunner.model.digest import Tone

_TONES: dict[str, Tone] = {"good": "fine", "doubtful": "look", "damaged": "failed"}


@contextmanager
def progress(session: Session, total: int) -> Iterator[Tell]:
    """Give what hears how many bytes have come; a bar on a terminal, else nothing."""
    if session.as_json or not session.screen.is_terminal:
        yield lambda _: None
        return
    from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn

    columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=session.screen.console, transient=True) as bar:
        task = bar.add_task("", total=total)
        yield lambda done: bar.update(task, completed=done)


def show_copies(session: Session, copies: Sequence[Copy], *, indent: int = 0) -> None:
    """Show copies as a table, and how each was proven."""
    from opsrunner.cli.screen import Column

    titles = ("copy", "of", "store", "made", "size", "state", "read again", "restored")
    columns = [Column(title=title, grows=title == "of") for title in titles]
    session.screen.table(columns, [_copy_line(session, copy) for copy in copies], indent=indent)


def _copy_line(session: Session, copy: Copy) -> list[str | Cell]:
    from opsrunner.cli.screen import Cell
    from opsrunner.model.sizes import size_words

    return [
        f"{copy.id}  {copy.name.rpartition('/')[2]}",
        f"{copy.routine}/{copy.step}{f' {copy.key}' if copy.key else ''}",
        copy.store,
        moment_words(session, copy.made_at),
        size_words(copy.size_bytes),
        Cell(text=copy.state.value, tone=_TONES.get(copy.state.value)),
        moment_words(session, copy.reread_at) if copy.reread_at else "never",
        moment_words(session, copy.restored_at) if copy.restored_at else "never",
    ]


def show_copy(session: Session, copy: Copy) -> None:
    """Show all that is known of a copy."""
    from opsrunner.model.sizes import size_words

    session.screen.heading(copy.name, f"in {copy.store}")
    session.screen.line(f"  {copy.of}")
    files = f"{copy.files:,} file{'' if copy.files == 1 else 's'}, "
    session.screen.line(f"  {files}{size_words(copy.plain_bytes)}, {size_words(copy.size_bytes)} in the store")
    session.screen.line(
        f"  made by run {copy.run}, {moment_words(session, copy.made_at)}; received whole ({copy.checked_by})"
    )
    for word, moment in (("read again", copy.reread_at), ("restored", copy.restored_at)):
        session.screen.line(f"  {word}: {moment_words(session, moment) if moment else 'never'}")
    for doubt in copy.doubts:
        session.screen.line(f"  {doubt}", tone="look", sign=True)
    if copy.why:
        session.screen.line(f"  {copy.state.value}: {copy.why}", tone="failed", sign=True)


def show_thinnings(session: Session, plans: list[Thinning], *, dry_run: bool, problems: Mapping[int, str]) -> None:
    """Show what stays and why, and what goes; `problems` tells why copies stay that should go, by their numbers."""
    if not plans:
        session.screen.line("No step says what to keep: all copies stay.")
    for plan in plans:
        key = f" {plan.key}" if plan.key else ""
        session.screen.heading(f"{plan.routine}/{plan.step}{key}", f"in {plan.store}")
        if plan.retention.doubt:
            session.screen.line(f"  {plan.retention.doubt}; nothing is removed", tone="look", sign=True)
        for number, reasons in plan.retention.kept.items():
            session.screen.line(
                f"  stays  {plan.copies[number].name.rpartition('/')[2]}  {', '.join(reasons)}", dim=True
            )
        for copy in _going(plan, problems):
            session.screen.line(f"  {'would go' if dry_run else 'went'}  {copy.name.rpartition('/')[2]}")
    for problem in problems.values():
        session.screen.line(problem, tone="failed", sign=True)


def _going(plan: Thinning, problems: Mapping[int, str]) -> list[Copy]:
    return [copy for copy in plan.retention.removed if copy.id not in problems]


def thinning_view(plan: Thinning, problems: Mapping[int, str]) -> dict[str, Any]:
    """Return a plan of retention for JSON, without the copies that stay for one of `problems`."""
    return {
        "routine": plan.routine,
        "step": plan.step,
        "store": plan.store,
        "key": plan.key,
        "doubt": plan.retention.doubt,
        "kept": {plan.copies[number].name: list(reasons) for number, reasons in plan.retention.kept.items()},
        "removed": [copy.name for copy in _going(plan, problems)],
    }


def show_adopted(session: Session, store: str, adopted: Adopted, *, is_moved: bool) -> None:
    """Show what is known of a store by now."""
    new, gone = len(adopted.copies), len(adopted.gone)
    session.screen.line(f"{new} cop{'y' if new == 1 else 'ies'} adopted from {store}.", tone="fine")
    if is_moved:
        does = "copy does" if gone == 1 else "copies do"
        session.screen.line(f"{gone} {does} not lie in {store} now: noted as gone.", tone="look" if gone else "fine")
    for problem in adopted.problems:
        session.screen.line(problem, tone="look", sign=True)


def adopted_view(store: str, adopted: Adopted) -> dict[str, Any]:
    """Return what was found in a store for JSON."""
    return {
        "store": store,
        "adopted": [copy.name for copy in adopted.copies],
        "gone": [copy.name for copy in adopted.gone],
        "problems": list(adopted.problems),
    }


def copy_view(copy: Copy) -> dict[str, Any]:
    """Return a copy for JSON."""
    return {name: list(value) if isinstance(value, tuple) else value for name, value in vars(copy).items()}


def moment_words(session: Session, moment: datetime) -> str:
    """Return a moment on the site's clock."""
    from zoneinfo import ZoneInfo

    return f"{moment.astimezone(ZoneInfo(session.zone_name)):%Y-%m-%d %H:%M}"
