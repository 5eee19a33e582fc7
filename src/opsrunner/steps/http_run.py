"""What the step kind `http` does: one request, and its answer held against what is expected."""

from __future__ import annotations

from typing import Any

from opsrunner.errors import NoAnswer, StepFailed
from opsrunner.exchange import Ask, Exchange
from opsrunner.model.outcome import Outcome, StepStatus
from opsrunner.steps.base import Means, StepCall
from opsrunner.steps.http_answer import BODY_LIMIT_BYTES, Answer, differences
from opsrunner.steps.http_request import Options, Request, check_address, first_request, redirected, shown_url
from opsrunner.steps.output import OutputSink, cut, mask_bytes, printable
from opsrunner.steps.rows import TOO_LONG, parse_rows

REDIRECTS = frozenset({301, 302, 303, 307, 308})

MOST_REDIRECTS = 5


def run(call: StepCall, means: Means) -> Outcome:
    """Send the request and hold the answer against what is expected. Raises StepFailed."""
    options: Options = call.options
    try:
        check_address(options.url)
    except ValueError as exc:
        raise StepFailed(str(exc), permanent=True) from exc
    started = means.clock.monotonic()
    answer = _ask(options, means, timeout_seconds=min(options.timeout, call.timeout_seconds))
    seconds = means.clock.monotonic() - started
    sink = _write_output(call, means, answer, method=options.method)
    days = answer.certificate_days(means.clock.now())
    facts: dict[str, Any] = {
        "status_code": answer.status,
        "latency_ms": round(seconds * 1000),
        "bytes": len(answer.body),
        "certificate_days": days,
        "location": means.vault.mask(printable(answer.location)),
    }
    wrong = list(differences(answer, options.expect, seconds=seconds, days=days))
    if wrong:
        raise StepFailed(f"{shown_url(answer.url)}: {'; '.join(wrong)}", facts=facts)
    if call.rows_as and answer.truncated:
        raise StepFailed(f"{shown_url(answer.url)}: {TOO_LONG}", facts=facts)
    body = mask_bytes(answer.body, means.vault)
    rows = parse_rows(body, call.rows_as) if call.rows_as else ()
    message = f"{answer.status} {answer.phrase}".strip() + f" in {facts['latency_ms']} ms"
    return sink.judged(Outcome(status=StepStatus.SUCCEEDED, message=message, rows=rows, facts=facts))


def _ask(options: Options, means: Means, *, timeout_seconds: float) -> Answer:
    """Return the answer, after redirects where they are followed. Raises StepFailed; the time is for all together."""
    ends_at = means.clock.monotonic() + timeout_seconds
    request = first_request(options, means.vault)
    for _ in range(MOST_REDIRECTS + 1):
        left = ends_at - means.clock.monotonic()
        try:
            answer = _send(request, means, verify=options.verify, timeout_seconds=max(left, 0.0))
        except NoAnswer as exc:
            raise _failed(exc, request, timeout_seconds=timeout_seconds) from exc
        if not options.follow_redirects or answer.status not in REDIRECTS or not answer.location:
            return answer
        request = redirected(request, answer)
    raise StepFailed(f"{shown_url(request.url)}: more than {MOST_REDIRECTS} redirects")


def _send(request: Request, means: Means, *, verify: bool, timeout_seconds: float) -> Answer:
    ask = Ask(
        method=request.method,
        url=request.url,
        headers=request.headers,
        content=request.content,
        json=request.json,
        verify=verify,
        most_bytes=BODY_LIMIT_BYTES,
    )
    reply = Exchange(ask, clock=means.clock).run(timeout_seconds=timeout_seconds, stopping=means.stopping)
    return Answer(
        status=reply.status,
        phrase=cut(printable(reply.phrase), 60),
        url=request.url,
        location=reply.location,
        charset=reply.charset,
        body=reply.body,
        truncated=reply.truncated,
        certificate=reply.certificate,
    )


def _failed(failure: NoAnswer, request: Request, *, timeout_seconds: float) -> StepFailed:
    """Return what the step ends with; whoever sent something cannot know what became of it."""
    where = shown_url(request.url)
    if failure.kind == "stopped":
        return StepFailed("stopped before its end", status="interrupted", permanent=True)
    if failure.kind == "unsendable":
        return StepFailed(f"{where}: {failure.message}", permanent=True)
    is_late = failure.kind == "timed_out"
    message = f"{where}: no full answer within {timeout_seconds:g} s" if is_late else f"{where}: {failure.message}"
    if failure.was_sent and request.method in ("post", "put"):
        return StepFailed(f"{message}; the server may have acted on it", status="unknown", permanent=True)
    return StepFailed(message, status="timed_out" if is_late else "failed")


def _write_output(call: StepCall, means: Means, answer: Answer, *, method: str) -> OutputSink:
    sink = OutputSink(call.output, limit_bytes=call.output_limit_bytes, vault=means.vault)
    sink.write(f"{method.upper()} {shown_url(answer.url)} → {answer.status} {answer.phrase}\n".encode())
    sink.write(answer.body)
    sink.close()
    return sink
