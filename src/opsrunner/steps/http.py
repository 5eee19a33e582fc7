"""The step kind `http`: one request, and what its answer must be like."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from opsrunner.clock import Clock
from opsrunner.errors import StepFailed
from opsrunner.model.outcome import Outcome, StepStatus
from opsrunner.secrets import Vault
from opsrunner.steps.base import Kind, Means, StepCall
from opsrunner.steps.http_answer import BODY_LIMIT_BYTES, Answer, differences
from opsrunner.steps.http_request import Options, check_address, first_request, redirected, shown_url
from opsrunner.steps.output import OutputSink, cut, mask_bytes, printable
from opsrunner.steps.rows import parse_rows

if TYPE_CHECKING:
    import httpx2

REDIRECTS = frozenset({301, 302, 303, 307, 308})
MOST_REDIRECTS = 5
LOOK_SECONDS = 0.2


def run(call: StepCall, means: Means) -> Outcome:
    """Send the request and hold the answer against what is expected. Raises StepFailed."""
    options: Options = call.options
    try:
        check_address(options.url)
    except ValueError as exc:
        raise StepFailed(str(exc), permanent=True) from exc
    started = means.clock.monotonic()
    exchange = _Exchange(options, vault=means.vault, clock=means.clock)
    answer = exchange.run(means, timeout_seconds=min(options.timeout, call.timeout_seconds))
    seconds = means.clock.monotonic() - started
    _write_output(call, means, answer, method=options.method)
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
    body = mask_bytes(answer.body, means.vault)
    rows = parse_rows(body, call.rows_as) if call.rows_as else ()
    message = f"{answer.status} {answer.phrase}".strip() + f" in {facts['latency_ms']} ms"
    return Outcome(status=StepStatus.SUCCEEDED, message=message, rows=rows, facts=facts)


def preview(options: Options) -> str:
    """Return the request as one line; values of headers are not shown."""
    headers = f" with {', '.join(options.headers)}" if options.headers else ""
    unverified = "" if options.verify else " (certificate not verified)"
    return f"{options.method.upper()} {shown_url(options.url)}{headers}{unverified}"


class _Exchange:
    """One request with its redirects, in a thread of its own, so that a deadline holds whatever comes.

    Time-outs of sockets are for each read; a server that sends a byte a second would never meet them.
    """

    def __init__(self, options: Options, *, vault: Vault, clock: Clock) -> None:
        self._options = options
        self._clock = clock
        self._request = first_request(options, vault)
        self._sockets: list[socket.socket] = []
        self._over = threading.Event()
        self._aborted = False
        self._sent = False
        self._answer: Answer | None = None
        self._failure: StepFailed | None = None

    def run(self, means: Means, *, timeout_seconds: float) -> Answer:
        """Return the answer. Raises StepFailed, also at the deadline and when told to stop."""
        deadline = self._clock.monotonic() + timeout_seconds
        threading.Thread(target=self._work, args=(timeout_seconds,), daemon=True).start()
        while not self._over.wait(LOOK_SECONDS):
            if means.stopping.is_set():
                self._abort()
                raise StepFailed("stopped before its end", status="interrupted", permanent=True)
            if self._clock.monotonic() >= deadline:
                self._abort()
                raise self._failed(f"no full answer within {timeout_seconds:g} s", status="timed_out")
        if self._failure is not None:
            raise self._failure
        if self._answer is None:
            raise self._failed("the exchange ended without an answer")
        return self._answer

    def _work(self, timeout_seconds: float) -> None:
        import httpx2  # noqa: PLC0415 - heavy, and only this kind needs it

        try:
            timeout = httpx2.Timeout(timeout_seconds)
            context = _tls_context(verify=self._options.verify)
            with httpx2.Client(verify=context, trust_env=False, timeout=timeout) as client:
                self._answer = self._follow(client)
        except StepFailed as exc:
            self._failure = exc
        except httpx2.TimeoutException:
            self._failure = self._failed(f"no full answer within {timeout_seconds:g} s", status="timed_out")
        except (httpx2.InvalidURL, httpx2.UnsupportedProtocol, httpx2.LocalProtocolError, ValueError) as exc:
            self._failure = StepFailed(f"{self._where}: the request cannot be sent: {exc}", permanent=True)
        except (httpx2.HTTPError, OSError) as exc:
            self._failure = self._failed(_reason(exc))
        finally:
            self._over.set()

    def _follow(self, client: httpx2.Client) -> Answer:
        for _ in range(MOST_REDIRECTS + 1):
            answer = self._send(client)
            is_redirect = answer.status in REDIRECTS and bool(answer.location)
            if not is_redirect or not self._options.follow_redirects:
                return answer
            self._request = redirected(self._request, answer)
        raise StepFailed(f"{self._where}: more than {MOST_REDIRECTS} redirects")

    def _send(self, client: httpx2.Client) -> Answer:
        request = self._request
        extensions = {"trace": self._trace}
        with client.stream(
            request.method.upper(),
            request.url,
            headers={"User-Agent": "opsrunner", "Accept-Encoding": "identity", **request.headers},
            content=request.content or None,
            json=request.json,
            extensions=extensions,
        ) as response:
            stream = response.extensions["network_stream"]
            tls = stream.get_extra_info("ssl_object")
            certificate = tls.getpeercert(True) if tls is not None else None
            body, truncated = self._read_body(response)
            return Answer(
                status=response.status_code,
                phrase=cut(printable(response.reason_phrase), 60),
                url=request.url,
                location=response.headers.get("location", ""),
                charset=response.charset_encoding or "utf-8",
                body=body,
                truncated=truncated,
                certificate=certificate,
            )

    def _read_body(self, response: httpx2.Response) -> tuple[bytes, bool]:
        body = bytearray()
        for piece in response.iter_bytes():
            body += piece
            if len(body) > BODY_LIMIT_BYTES or self._aborted:
                return bytes(body[:BODY_LIMIT_BYTES]), True
        return bytes(body), False

    def _trace(self, event: str, details: Mapping[str, Any]) -> None:
        """Note what the HTTP library tells: the sockets that it opens, and that a request leaves."""
        if event == "connection.connect_tcp.complete":
            self._sockets.append(details["return_value"].get_extra_info("socket"))
        if event.endswith("send_request_headers.started"):
            self._sent = True

    def _abort(self) -> None:
        self._aborted = True
        for opened in list(self._sockets):
            with suppress(OSError):
                opened.shutdown(socket.SHUT_RDWR)

    def _failed(self, reason: str, *, status: str = "failed") -> StepFailed:
        message = f"{self._where}: {reason}"
        if self._sent and self._request.method in ("post", "put"):
            return StepFailed(f"{message}; the server may have acted on it", status="unknown", permanent=True)
        return StepFailed(message, status=status)

    @property
    def _where(self) -> str:
        return shown_url(self._request.url)


def _tls_context(*, verify: bool) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _reason(error: BaseException) -> str:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"the certificate is not valid: {cause.verify_message}"
        if isinstance(cause, ssl.SSLError):
            return f"TLS failed: {(cause.reason or 'no common ground').replace('_', ' ').lower()}"
        if isinstance(cause, socket.gaierror):
            return "the host's name is not known"
        if isinstance(cause, ConnectionRefusedError):
            return "connection refused"
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror.lower()
        cause = cause.__cause__ or cause.__context__
    return str(error).rstrip(".").lower() or type(error).__name__


def _write_output(call: StepCall, means: Means, answer: Answer, *, method: str) -> None:
    sink = OutputSink(call.output, limit_bytes=call.output_limit_bytes, vault=means.vault)
    sink.write(f"{method.upper()} {shown_url(answer.url)} → {answer.status} {answer.phrase}\n".encode())
    sink.write(answer.body)
    sink.close()


KIND = Kind(
    name="http",
    summary="Ask a web address, and check what it answers.",
    options=Options,
    run=run,
    preview=preview,
    reads_only=True,
    acts_with=frozenset({"post", "put"}),
)
