"""The archive of digests, each as it was sent."""

from __future__ import annotations

from starlette.responses import HTMLResponse, Response

from opsrunner.errors import NotFound
from opsrunner.web.guard import LETTER_HEADERS
from opsrunner.web.visit import Fields, Visit

A_PAGE = 60
_NEWEST = 2**62
_LINKS_OPEN_ELSEWHERE = '<head><base target="_blank">'


class _From(Fields):
    before: int = _NEWEST


async def all_of_them(visit: Visit) -> Response:
    """Show the newest digests, and the way to older ones."""
    before = max(1, min(visit.query(_From).before, _NEWEST))
    found = visit.app.books.digests.listed(before=before, limit=A_PAGE + 1)
    older = found[A_PAGE - 1].id if len(found) > A_PAGE else None
    return visit.page("digests.html", title="Digests", digests=found[:A_PAGE], older=older, is_first=before == _NEWEST)


async def show(visit: Visit) -> Response:
    """Show a digest: the mail in a frame, and its text part."""
    found = visit.app.books.digests.get(visit.number("digest"))
    return visit.page("digest.html", title=found.subject, digest=found)


async def letter(visit: Visit) -> Response:
    """Hand out the HTML part of a digest, for the frame that shows it."""
    found = visit.app.books.digests.get(visit.number("digest"))
    if not found.html:
        raise NotFound("its mail was forgotten, as the site's retention says")
    return HTMLResponse(found.html.replace("<head>", _LINKS_OPEN_ELSEWHERE, 1), headers=LETTER_HEADERS)
