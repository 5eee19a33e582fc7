"""`backup-state`: the ledger itself, copied while it is in use, and put back when it was lost."""

from __future__ import annotations

from pathlib import Path

import click

from opsrunner.cli.options import json_option, person_option, site_options, verb
from opsrunner.cli.session import Session
from opsrunner.errors import UsageError

EXAMPLE = """
opsrunner backup-state --to /mnt/usb/ledger.db
opsrunner backup-state --store offsite
opsrunner backup-state --restore --store offsite
opsrunner backup-state --restore --store offsite --copy 2026-11-21T023000Z-r7
"""
_FILE = click.Path(dir_okay=False, path_type=Path)


@verb(EXAMPLE, name="backup-state")
@click.option("--to", type=_FILE, metavar="FILE", help="A new file for the copy.")
@click.option("--store", default="", metavar="STORE", help="A store of the site, instead of a file.")
@click.option(
    "--restore", is_flag=True, help="Put the newest whole copy of the store, or FILE, in the place of a lost ledger."
)
@click.option("--from", "source", type=_FILE, metavar="FILE", help="The copy that --restore takes, instead of a store.")
@click.option("--copy", default="", metavar="NAME", help="The copy in the store that --restore takes, and no other.")
@person_option
@json_option
@site_options
@click.pass_obj
def backup_state(
    session: Session, *, to: Path | None, store: str, restore: bool, source: Path | None, copy: str
) -> int:
    """Copy the ledger to a file or a store while the daemon works with it; every page of the copy is looked at.

    With --restore, put a copy in the place of a ledger that is gone: the newest one in the store, and where that is not
    whole, the one before. Nothing that is there is written over.
    """
    places = (store, source) if restore else (store, to)
    if sum(bool(place) for place in places) != 1 or (to if restore else source):
        raise UsageError("say --to FILE or --store STORE; to restore, --from FILE or --store STORE with --restore")
    if copy and not (restore and store):
        raise UsageError("--copy goes with --restore --store STORE: it names a copy that lies there")
    if restore:
        return _restore(session, store, source, copy=copy)
    return _copy(session, store, to)


def _copy(session: Session, store_name: str, to: Path | None) -> int:
    from opsrunner.cli.backups_views import copy_view
    from opsrunner.cli.lookup import actor_name
    from opsrunner.engine.state_copies import store_ledger
    from opsrunner.ledger.whole_copies import copy_ledger
    from opsrunner.model.sizes import size_words

    with session.opened() as site:
        actor, now = actor_name(session, site), site.clock.now()
        if to is not None:
            size = copy_ledger(site.books.ledger.path, to)
            site.books.audit.add("backup-state", f"file {to}", actor=actor, at=now)
            view, where = {"file": str(to), "bytes": size}, str(to)
        else:
            with site.open_store(store_name) as store:
                copy = store_ledger(site.state, store_name, store, site=site.site.name, clock=site.clock)
            site.books.copies.note([copy])
            site.books.audit.add("backup-state", f"store {store_name}", actor=actor, at=now, detail=copy.name)
            size, where, view = (
                copy.plain_bytes,
                f"{store_name} as {copy.name}",
                copy_view(site.backups.find(copy.name)),
            )
        if session.as_json:
            session.print_json(view)
        else:
            session.screen.line(f"The ledger, {size_words(size)}, is copied to {where}, and whole.", tone="fine")
    return 0


def _restore(session: Session, store_name: str, source: Path | None, *, copy: str) -> int:
    """Restore without opening the state: there may be none."""
    from opsrunner.engine.state import LEDGER
    from opsrunner.ledger.whole_copies import place_ledger

    made_at, name = None, ""
    site = session.read().site
    state = session.state_folder.resolve()
    if source is not None:
        place_ledger(source, state / LEDGER)
    else:
        from opsrunner.engine.state_copies import restore_ledger
        from opsrunner.open_site import open_bare_store

        with open_bare_store(site, store_name, state=state) as store:
            manifest = restore_ledger(state, store, site=site.name, copy=copy, tell=_tell)
            made_at, name = manifest.made_at, manifest.name
    if session.as_json:
        session.print_json({"restored": str(state / LEDGER), "made_at": made_at, "copy": name})
    else:
        when = f", as it stood at {made_at:%Y-%m-%d %H:%M} UTC: {name}" if made_at else ""
        session.screen.line(f"{state / LEDGER} is restored{when}.", tone="fine")
    return 0


def _tell(line: str) -> None:
    """Say on standard error which copy is passed by."""
    import sys
    from contextlib import suppress

    from opsrunner.cli.escapes import printable

    with suppress(OSError):  # nobody reads it
        print(f"opsrunner: {printable(line)}", file=sys.stderr, flush=True)
