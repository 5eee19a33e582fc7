"""`backups`: the copies, and what people do to them."""

from __future__ import annotations

import os
from pathlib import Path

import click

from opsrunner.cli.backups_others import others, proven
from opsrunner.cli.backups_views import (
    adopted_view,
    copy_view,
    moment_words,
    progress,
    show_adopted,
    show_copies,
    show_copy,
    show_thinnings,
    thinning_view,
)
from opsrunner.cli.options import group_of_verbs, json_option, person_option, site_options, verb
from opsrunner.cli.session import Session
from opsrunner.errors import UsageError

EXAMPLE = """
opsrunner backups list
opsrunner backups restore 2026-11-21T023000Z-r7 --to /tmp/restored --only etc/nginx
"""
LIST_EXAMPLE = """
opsrunner backups list
opsrunner backups list --routine nightly-backups --store offsite --json
"""
SHOW_EXAMPLE = "opsrunner backups show 2026-11-21T023000Z-r7"
VERIFY_EXAMPLE = "opsrunner backups verify 2026-11-21T023000Z-r7"
RESTORE_EXAMPLE = """
opsrunner backups restore 2026-11-21T023000Z-r7 --to /tmp/restored
opsrunner backups restore 12 --to /tmp/restored --only etc/nginx --only 'home/*/public_html'
"""
PRUNE_EXAMPLE = """
opsrunner backups prune --dry-run
opsrunner backups prune --routine nightly-backups
"""
ADOPT_EXAMPLE = """
opsrunner backups adopt offsite
opsrunner backups adopt offsite --moved
"""
_STORE = click.option("--store", default="", metavar="STORE", help="Only copies in this store.")
_NAME = click.argument("name", metavar="COPY")


@group_of_verbs(EXAMPLE, name="backups")
def backups() -> None:
    """Show the copies; prove, restore, thin out, adopt them.

    COPY is a name, the last word of one, or a number of `backups list`.
    """


backups.add_command(others)
backups.add_command(proven)


@verb(LIST_EXAMPLE, name="list", of=backups)
@click.option("--routine", default="", metavar="ROUTINE", help="Only copies of this routine.")
@_STORE
@json_option
@site_options
@click.pass_obj
def list_copies(session: Session, routine: str, store: str) -> int:
    """Show the copies that lie in stores, newest first, and how each was proven."""
    with session.opened() as site:
        copies = site.books.copies.lying(routine=routine, store=store)
        if session.as_json:
            session.print_json([copy_view(copy) for copy in copies])
            return 0
        if not copies:
            session.screen.line("No copies yet.")
            return 0
        show_copies(session, copies)
    return 0


@verb(SHOW_EXAMPLE, name="show", of=backups)
@_NAME
@_STORE
@json_option
@site_options
@click.pass_obj
def show(session: Session, name: str, store: str) -> int:
    """Show one copy: what it holds, how it was proven, its drills."""
    with session.opened() as site:
        copy = site.backups.find(name, store=store)
        drills = site.books.copies.drills(copy.id)
        if session.as_json:
            session.print_json(
                {
                    **copy_view(copy),
                    "drills": [dict(vars(drill)) for drill in drills],
                }
            )
            return 0
        show_copy(session, copy)
        for drill in drills:
            how = "everything" if drill.is_whole else "a sample"
            end = drill.problem or f"{drill.files:,} files in {drill.seconds:.1f} s"
            session.screen.line(
                f"  {moment_words(session, drill.at)}  drill of {how}: {end}",
                tone="failed" if drill.problem else "fine",
            )
    return 0


@verb(VERIFY_EXAMPLE, name="verify", of=backups)
@_NAME
@_STORE
@person_option
@json_option
@site_options
@click.pass_obj
def verify(session: Session, name: str, store: str) -> int:
    """Fetch every byte of a copy and hash it again. Ends with 1 where it is not what was sent."""
    from opsrunner.cli.lookup import actor_name
    from opsrunner.model.sizes import size_words

    with session.opened() as site:
        copy = site.backups.find(name, store=store)
        with session.screen.working(f"reading {copy.name} again"):
            size = site.backups.verify(copy, actor=actor_name(session, site), at=site.clock.now())
        if session.as_json:
            session.print_json({**copy_view(site.backups.find(str(copy.id))), "bytes": size})
        else:
            session.screen.line(f"{copy.name}: {size_words(size)} read again; it is what was sent.", tone="fine")
    return 0


@verb(RESTORE_EXAMPLE, name="restore", of=backups)
@_NAME
@click.option(
    "--to",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Folder to restore into.",
)
@click.option(
    "--only", multiple=True, metavar="PATTERN", help="A path, a folder, or a pattern with *; may be repeated."
)
@click.option(
    "--identity",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Secret key of age, as age-keygen wrote it, for an encrypted copy.",
)
@click.option("--replace", is_flag=True, help="Write over files that are there already.")
@_STORE
@person_option
@json_option
@site_options
@click.pass_obj
def restore(
    session: Session, name: str, *, to: Path, only: tuple[str, ...], identity: Path | None, replace: bool, store: str
) -> int:
    """Restore a copy, or a part of it, into a folder; every byte is checked on the way.

    Nothing that is there is written over, unless you say --replace. Owners and rights come back where root runs it,
    whose the state has to be then.
    """
    from opsrunner.cli.lookup import actor_name
    from opsrunner.model.sizes import size_words

    with session.opened() as site:
        copy = site.backups.find(name, store=store)
        with progress(session, copy.plain_bytes) as tell:
            restored = site.backups.restore(
                copy,
                to,
                only=only,
                own=os.geteuid() == 0,
                replace=replace,
                tell=tell,
                identities=_identities(identity),
                actor=actor_name(session, site),
                at=site.clock.now(),
            )
        if session.as_json:
            session.print_json({"copy": copy.name, "store": copy.store, "to": str(to), **vars(restored)})
        else:
            files = f"{restored.files:,} file{'' if restored.files == 1 else 's'}"
            session.screen.line(f"{files}, {size_words(restored.bytes)}, restored into {to}.", tone="fine")
    return 0


@verb(PRUNE_EXAMPLE, name="prune", of=backups)
@click.option("--dry-run", is_flag=True, help="Only show what would go, and why the others stay.")
@click.option("--routine", default="", metavar="ROUTINE", help="Only copies of this routine.")
@person_option
@json_option
@site_options
@click.pass_obj
def prune(session: Session, dry_run: bool, routine: str) -> int:
    """Remove the copies that `keep` of their step does not ask for; never the newest good one."""
    from opsrunner.cli.lookup import actor_name

    with session.opened() as site:
        now = site.clock.now()
        plans = [plan for plan in site.backups.thinnings(now=now) if routine in ("", plan.routine)]
        problems = {} if dry_run else site.backups.prune(plans, actor=actor_name(session, site), at=now)
        if session.as_json:
            views = [thinning_view(plan, problems) for plan in plans]
            session.print_json({"plans": views, "dry_run": dry_run, "problems": list(problems.values())})
        else:
            show_thinnings(session, plans, dry_run=dry_run, problems=problems)
    return 1 if problems else 0


@verb(ADOPT_EXAMPLE, name="adopt", of=backups)
@click.argument("store", metavar="STORE")
@click.option("--moved", is_flag=True, help="STORE is another place now: copies that do not lie there are gone.")
@person_option
@json_option
@site_options
@click.pass_obj
def adopt(session: Session, store: str, *, moved: bool) -> int:
    """Put the copies that lie in STORE into the catalogue again, by their manifests: for a ledger that was lost.

    With --moved also note as gone what the catalogue has in STORE and does not lie there: for a store that was changed,
    or taken out of opsrunner.yaml.
    """
    from opsrunner.cli.lookup import actor_name

    with session.opened() as site:
        with session.screen.working(f"looking through {store}"):
            actor, now = actor_name(session, site), site.clock.now()
            adopted = site.backups.adopt(store, is_moved=moved, actor=actor, at=now)
        if session.as_json:
            session.print_json(adopted_view(store, adopted))
        else:
            show_adopted(session, store, adopted, is_moved=moved)
    return 1 if adopted.problems else 0


def _identities(path: Path | None) -> tuple[str, ...]:
    if path is None:
        return ()
    try:
        return (path.read_text(encoding="utf-8"),)
    except (OSError, UnicodeDecodeError) as exc:
        raise UsageError(f"{path} cannot be read: {getattr(exc, 'strerror', None) or 'it is no text'}") from exc
