"""The step kind `http`: one request, and what its answer must be like."""

from __future__ import annotations

from opsrunner.steps.http_request import Options, shown_url
from opsrunner.steps.kind import InModule, Kind


def preview(options: Options) -> str:
    """Return the request as one line; values of headers are not shown."""
    headers = f" with {', '.join(options.headers)}" if options.headers else ""
    unverified = "" if options.verify else " (certificate not verified)"
    return f"{options.method.upper()} {shown_url(options.url)}{headers}{unverified}"


run = InModule("http_run")

KIND = Kind(
    name="http",
    summary="Ask a web address, and check what it answers.",
    options=Options,
    run=run,
    preview=preview,
    reads_only=True,
    acts_with=frozenset({"post", "put"}),
)
