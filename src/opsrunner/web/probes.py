"""What machines ask: whether opsrunner lives, and figures for a monitoring system."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import ip_address

from starlette.responses import PlainTextResponse, Response

from opsrunner.errors import OpsrunnerError
from opsrunner.model.run import RunStatus
from opsrunner.version import VERSION
from opsrunner.web.visit import Visit

EXPOSITION = "text/plain; version=0.0.4; charset=utf-8"
"""The text format of Prometheus (prometheus.io/docs/instrumenting/exposition_formats)."""
_FORWARDED = ("forwarded", "x-forwarded-for", "x-real-ip", "via")


async def healthz(visit: Visit) -> Response:
    """Answer 200 where the ledger can be read, 503 where not; nothing else is told to strangers."""
    try:
        visit.app.books.ledger.version()
    except OpsrunnerError:
        return PlainTextResponse("the ledger cannot be read\n", status_code=503)
    return PlainTextResponse("ok\n")


async def metrics(visit: Visit) -> Response:
    """Tell figures to this machine alone, or to an owner: what a proxy hands on from elsewhere gets nothing."""
    person = visit.person_or_none
    if not (_is_of_this_machine(visit) or (person is not None and person.is_owner)):
        return PlainTextResponse("figures are told on this machine only\n", status_code=403)
    return Response("".join(_lines(visit)), media_type=EXPOSITION)


def _is_of_this_machine(visit: Visit) -> bool:
    client, headers = visit.request.client, visit.request.headers
    if client is None or any(name in headers for name in _FORWARDED):
        return False
    if not visit.place.is_local_name(headers.get("host", "")):
        return False  # a proxy hands it on, and says nothing of itself
    try:
        return ip_address(client.host).is_loopback
    except ValueError:
        return False


def _lines(visit: Visit) -> Iterator[str]:
    books, now = visit.app.books, visit.now
    active, tasks, planned_at = books.runs.active(), books.tasks.opened(), books.service.planned_at()
    yield from _figure("info", "Which version works.", {f'{{version="{VERSION}"}}': 1})
    by_status = {
        status: sum(run.status is status for run in active) for status in (RunStatus.RUNNING, RunStatus.WAITING)
    }
    runs = {f'{{status="{status.value}"}}': count for status, count in by_status.items()}
    yield from _figure("runs_active", "Runs that have not ended.", runs)
    yield from _figure("tasks_open", "Tasks that somebody has to do.", {"": len(tasks)})
    yield from _figure(
        "tasks_overdue", "Open tasks past their due time.", {"": sum(task.is_late(now) for task in tasks)}
    )
    yield from _figure("mails_waiting", "Mails that have not left.", {"": books.outbox.waiting()})
    yield from _figure("files_broken", "Files of the site that do not check.", {"": visit.app.loaded.broken_files})
    if planned_at is not None:
        age = max(0.0, (now - planned_at).total_seconds())
        yield from _figure("planned_seconds_ago", "Age of the last pass of the planner.", {"": age})


def _figure(name: str, about: str, values: Mapping[str, float]) -> Iterator[str]:
    yield f"# HELP opsrunner_{name} {about}\n# TYPE opsrunner_{name} gauge\n"
    for labels, value in values.items():
        yield f"opsrunner_{name}{labels} {value:g}\n"
