"""`backups others` and `backups proven`: what other tools make."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from opsrunner.cli.backups_views import moment_words
from opsrunner.cli.options import json_option, person_option, site_options, verb
from opsrunner.cli.session import Session

if TYPE_CHECKING:
    from opsrunner.cli.screen import Cell
    from opsrunner.model.foreign import KnownForeign

OTHERS_EXAMPLE = """
opsrunner backups others
opsrunner backups others --all --json
"""
PROVEN_EXAMPLE = """
opsrunner backups proven others-backups/accounts alice --note "home and one database, from the panel"
"""


@verb(OTHERS_EXAMPLE, name="others")
@click.option("--all", "shows_all", is_flag=True, help="Show what is fine too.")
@json_option
@site_options
@click.pass_obj
def others(session: Session, shows_all: bool) -> int:
    """Show the gaps in what other tools back up, as each `backup_check` step last found them."""
    from opsrunner.cli.screen import Column
    from opsrunner.engine.standing_foreign import foreign_standings

    with session.opened() as site:
        found = list(foreign_standings(site.desk))
        if session.as_json:
            session.print_json(
                [
                    {
                        "check": f"{one.routine.id}/{one.step}",
                        "checked_at": one.checked_at,
                        "restored_at": one.restored_at,
                        "expected": len(one.backups),
                        "backups": [
                            _view(backup) for backup in (one.backups if shows_all else (*one.unrestorable, *one.gaps))
                        ],
                    }
                    for one in found
                ]
            )
            return 0
        if not found:
            session.screen.line("No step of the kind backup_check looks at what other tools make.")
        now, almanac = site.clock.now(), site.desk.almanac()
        for one in found:
            tone, word = one.verdict(now, almanac)
            new = f", {one.new} too new" if one.new else ""
            when = f", checked {moment_words(session, one.checked_at)}" if one.checked_at else ""
            session.screen.heading(f"{one.routine.id}/{one.step}", f"{one.fine} of {len(one.backups)} fresh{new}{when}")
            session.screen.line(f"  {word}", tone=tone, sign=True)
            shown = one.backups if shows_all else (*one.unrestorable, *one.gaps)
            if shown:
                titles = ("of", "state", "newest", "size", "copies", "gap since", "restored")
                session.screen.table([Column(title=title) for title in titles], [_line(session, one) for one in shown])
    return 0


@verb(PROVEN_EXAMPLE, name="proven")
@click.argument("check", metavar="ROUTINE/STEP")
@click.argument("key", metavar="KEY")
@click.option("--note", default="", metavar="TEXT", help="What was restored, and how it was seen to be right.")
@person_option
@json_option
@site_options
@click.pass_obj
def proven(session: Session, check: str, key: str, note: str) -> int:
    """Record that somebody restored the backup of KEY, which ROUTINE/STEP checks, and that it was right."""
    from opsrunner.cli.lookup import actor_name

    with session.opened() as site:
        drill = site.backups.prove_foreign(check, key, note=note, actor=actor_name(session, site), at=site.clock.now())
        if session.as_json:
            session.print_json(vars(drill))
        else:
            session.screen.line(f"{key} was restored {moment_words(session, drill.at)}, by {drill.by}.", tone="fine")
    return 0


def _line(session: Session, one: KnownForeign) -> list[str | Cell]:
    from opsrunner.cli.screen import Cell
    from opsrunner.engine.standing_foreign import tone_of
    from opsrunner.model.sizes import size_words

    newest = one.newest
    return [
        one.key,
        Cell(text="drill failed" if one.problem else one.state.value, tone=tone_of(one)),
        moment_words(session, newest.made_at) if newest else "none",
        size_words(newest.size_bytes) if newest and newest.size_bytes is not None else "",
        str(one.copies),
        moment_words(session, one.since) if one.since else "",
        moment_words(session, one.restored_at) if one.restored_at else "never",
    ]


def _view(one: KnownForeign) -> dict[str, Any]:
    newest = vars(one.newest) if one.newest else None
    return {**vars(one), "newest": newest, "sizes": [size for _, size in one.sizes]}
