"""What machines ask: whether opsrunner lives."""

from __future__ import annotations

from starlette.responses import PlainTextResponse, Response

from opsrunner.errors import OpsrunnerError
from opsrunner.web.visit import Visit


async def healthz(visit: Visit) -> Response:
    """Answer 200 where the ledger can be read, 503 where not; nothing else is told to strangers."""
    try:
        visit.app.books.ledger.version()
    except OpsrunnerError:
        return PlainTextResponse("the ledger cannot be read\n", status_code=503)
    return PlainTextResponse("ok\n")
