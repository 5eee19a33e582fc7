"""The one table of addresses: what each is, and who may come in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.responses import Response

from opsrunner.records import dataclass
from opsrunner.web import (
    asking,
    backups,
    calendar,
    digests,
    health,
    hosts,
    maintenance,
    notices,
    outputs,
    probes,
    routines,
    runs,
    search,
    sign_in,
    tasks,
    team,
    today,
)
from opsrunner.web.guard import Needs
from opsrunner.web.visit import Visit

Page = Callable[[Visit], Awaitable[Response]]


@dataclass(frozen=True, kw_only=True)
class Door:
    """One address. `method` GET changes nothing; what changes something is POST."""

    path: str
    method: str = "GET"
    page: Page
    needs: Needs
    keeps: bool = False
    """Whether the page may be kept for a moment: it is the same in all windows of a person."""


def _get(path: str, page: Page, needs: Needs, *, keeps: bool = False) -> Door:
    return Door(path=path, page=page, needs=needs, keeps=keeps)


def _post(path: str, page: Page, needs: Needs) -> Door:
    return Door(path=path, method="POST", page=page, needs=needs)


DOORS: tuple[Door, ...] = (
    _get("/healthz", probes.healthz, "nobody"),
    _get("/metrics", probes.metrics, "nobody"),
    _get("/sign-in", sign_in.ask, "nobody"),
    _post("/sign-in", sign_in.send_link, "nobody"),
    _get("/sign-in/{link:token}", sign_in.show_link, "nobody"),
    _post("/sign-in/{link:token}", sign_in.use_link, "nobody"),
    _post("/sign-out", sign_in.sign_out, "anyone"),
    _get("/", tasks.my_work, "anyone", keeps=True),
    _post("/tasks", tasks.add, "team"),
    _get("/tasks/new", tasks.new, "team"),
    _get("/tasks/{task:int}", tasks.show, "anyone", keeps=True),
    _get("/tasks/{task:int}/file", tasks.evidence_file, "anyone"),
    _post("/tasks/{task:int}/tick", tasks.tick, "staff"),
    _post("/tasks/{task:int}/undo", tasks.undo, "staff"),
    _post("/tasks/{task:int}/claim", tasks.claim, "staff"),
    _post("/tasks/{task:int}/hand-over", tasks.hand_over, "staff"),
    _post("/tasks/{task:int}/ask-others", asking.ask_others, "team"),
    _post("/notes", tasks.add_note, "team"),
    _get("/runs/{run:int}", runs.show, "inside", keeps=True),
    _get("/runs/{run:int}/output", outputs.follow, "inside"),
    _post("/runs/{run:int}/again", runs.again, "team"),
    _post("/runs/{run:int}/cancel", runs.cancel, "owner"),
    _get("/today", today.show, "owner", keeps=True),
    _get("/backups", backups.all_of_them, "inside"),
    _get("/hosts", hosts.all_of_them, "inside"),
    _get("/hosts/{host:name}", hosts.show, "inside"),
    _post("/hosts/{host:name}", hosts.accept, "team"),
    _post("/hosts/{host:name}/take-back", hosts.take_back, "team"),
    _get("/maintenance", maintenance.show, "team"),
    _post("/maintenance/{window:name}", maintenance.act_on_window, "team"),
    _post("/incidents", maintenance.open_one, "team"),
    _post("/incidents/{incident:int}", maintenance.act_on_incident, "team"),
    _get("/notices", notices.all_of_them, "inside"),
    _get("/notices/mail", notices.show, "inside"),
    _get("/notices/letter", notices.letter, "inside"),
    _get("/leave/{word:leave}", notices.show_leave, "nobody"),
    _post("/leave/{word:leave}", notices.leave, "nobody"),
    _get("/search", search.show, "team"),
    _get("/health", health.show, "owner"),
    _get("/calendar", calendar.show, "owner"),
    _get("/digests", digests.all_of_them, "owner"),
    _get("/digests/{digest:int}", digests.show, "owner"),
    _get("/digests/{digest:int}/mail", digests.letter, "owner"),
    _get("/routines", routines.all_of_them, "owner"),
    _get("/routines/{routine:name}", routines.show, "owner"),
    _post("/routines/{routine:name}/run", routines.run_now, "owner"),
    _post("/routines/{routine:name}/pause", routines.pause, "owner"),
    _post("/routines/{routine:name}/resume", routines.resume, "owner"),
    _post("/routines/{routine:name}/skip", routines.skip, "owner"),
    _get("/team", team.show, "inside"),
    _post("/team", team.enter, "team"),
    _post("/team/absences/{absence:int}/back", team.take_back, "team"),
    _post("/team/sessions/{session:int}/end", team.end_session, "inside"),
    _post("/team/people/{person:name}/end-sessions", team.end_sessions, "inside"),
    _post("/team/people/{person:name}/invite", team.invite, "owner"),
)
