"""The yardstick: My work as one would write it with Flask, on waitress, from our ledger and with our templates."""

from __future__ import annotations

import sys
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from zoneinfo import ZoneInfo

sys.path.append(sys.argv[1])

import flask
import waitress

from opsrunner.engine.desk import RoutineNames
from opsrunner.open_site import open_site
from opsrunner.templates.own_pages import OwnPages, markdown
from opsrunner.web import words
from opsrunner.web.application import HERE
from opsrunner.web.cards import Cards, staff_of
from opsrunner.web.visit import Visit

SITE, STATE, PORT = Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4])
site = open_site(SITE, STATE)
pages = OwnPages(HERE / "pages", filters={"markdown": markdown}, names=words.NAMES)
server = flask.Flask("peer")


def my_work() -> Any:
    """Show the same page as ours."""
    now = site.clock.now()
    found = site.sign_in.who(flask.request.cookies.get("opsrunner", ""), at=now)
    if found is None:
        return "sign in first", 401
    person = found[0]
    zone = ZoneInfo(site.site.timezone)
    facts = SimpleNamespace(app=site, now=now, person=person, zone=zone, names=RoutineNames(site.desk))
    visit = cast("Visit", facts)
    opened = site.books.tasks.opened()
    cards = Cards(visit, opened)
    mine = [task for task in opened if cards.people.is_for(task, person, at=now)]
    midnight = now.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0)
    done = [task for task in site.books.tasks.closed(since=midnight) if task.closed_by == person.id]
    return pages.render(
        "my_work.html",
        {
            "visit": visit,
            "guest": object(),
            "person": person,
            "here": "/",
            "site": site.site,
            "TOKEN_HERE": "0" * 80,
            "SHOWN_HERE": "0" * 16,
            "title": "My work",
            "count": len(mine),
            "late": sum(task.is_late(now) for task in mine),
            "groups": cards.grouped(mine),
            "done": [cards.of(task) for task in done],
            "opened": "",
            "notes": site.books.notes.since(now - timedelta(hours=24))[:1],
            "longest_note": 2000,
            "staff": staff_of(visit),
        },
    )


server.add_url_rule("/", view_func=my_work)
waitress.serve(server, host="127.0.0.1", port=PORT)
