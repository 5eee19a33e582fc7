"""Finds what a person named on the command line, or says what there is instead."""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterable
from difflib import get_close_matches
from typing import TYPE_CHECKING

from opsrunner.config.folder import ROUTINES
from opsrunner.errors import ConfigurationError, NotFound, Refused
from opsrunner.model.person import Person
from opsrunner.model.routine import Routine

if TYPE_CHECKING:
    from opsrunner.cli.session import Session
    from opsrunner.engine.in_force import SiteInForce
    from opsrunner.open_site import OpenSite


def routine_named(app: OpenSite | SiteInForce, routine_id: str) -> Routine:
    """Return a routine in force. Raises NotFound, or ConfigurationError where its file or their folder is at fault."""
    found = app.site.routines.get(routine_id)
    if found is not None:
        return found
    broken = app.loaded.broken.get(routine_id)
    if broken:
        raise ConfigurationError(f"the routine {routine_id} does not check: {broken[0]}")
    missing = next((problem for problem in app.loaded.found if problem.file == ROUTINES), None)
    if missing is not None:
        raise ConfigurationError(str(missing))
    raise NotFound(f"there is no routine '{routine_id}'{near(routine_id, app.site.routines)}")


def routine_name(app: OpenSite, routine_id: str | None) -> str:
    """Return how people call a routine, also of one that is gone."""
    if routine_id is None:
        return ""
    found = app.site.routines.get(routine_id)
    return found.name if found else app.books.routines.name(routine_id) or routine_id


def near(word: str, known: Iterable[str]) -> str:
    """Return `, did you mean 'x'?` for the closest known word, or nothing."""
    close = get_close_matches(word, list(known), n=1)
    return f", did you mean '{close[0]}'?" if close else ""


def acting_person(session: Session, app: OpenSite) -> Person:
    """Return who acts: `--as`, else the person whose `login` is the OS user. Raises NotFound or Refused."""
    if session.acting_as is not None:
        return app.people.named(session.acting_as)
    login = os_user()
    found = app.people.by_login(login)
    if found is None:
        raise Refused(
            f"no person of this site has the login '{login}': say who you are with --as PERSON "
            f"({', '.join(app.site.people)}), or add `login: {login}` to opsrunner.yaml"
        )
    return found


def actor_name(session: Session, app: OpenSite) -> str:
    """Return who is recorded for an act of ops: a person's id, or the OS user where it is nobody of the site."""
    if session.acting_as is not None:
        return app.people.named(session.acting_as).id
    login = os_user()
    found = app.people.by_login(login)
    return found.id if found is not None else f"{login} (OS user)"


def os_user() -> str:
    """Return the OS user's name, or its number where it has none; behind sudo, that of who called it."""
    caller = os.environ.get("SUDO_USER", "")
    if caller not in ("", "root"):
        return caller
    number = os.geteuid()
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


def person_name(app: OpenSite, person_id: str | None) -> str:
    """Return how a person is called; an id that is not theirs stays as it is."""
    return app.site.name_of(person_id)
