"""The source `http_json`: an address that answers with JSON."""

from __future__ import annotations

import json
import math
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NoReturn

from opsrunner.clock import SystemClock
from opsrunner.errors import NoAnswer, StepFailed
from opsrunner.exchange import LOOK_SECONDS, Ask, Exchange, Reply, rest_asked_for
from opsrunner.model.site import Source
from opsrunner.secrets import SecretRef, Vault
from opsrunner.sources.http_pages import PageTurner
from opsrunner.sources.json_paths import items_in
from opsrunner.sources.request import MOST_STREAMED_ROWS, RawRow, RawTable, Request
from opsrunner.tls import client_context

LIMIT_BYTES = 20_000_000
"""Of one page."""
LIMIT_ALL_BYTES = 100_000_000
DEFAULT_SECONDS = 30.0
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
_HALF_PAIR = re.compile("[\ud800-\udfff]")
"""What JSON may spell and no text may hold: no mail and no ledger could be written with it."""
_BUSY = frozenset({429, 503})


@contextmanager
def open_http_json(source: Source, request: Request) -> Iterator[RawTable]:
    """Get `url` with `headers`, page by page; the rows are the objects of the lists at `items`.

    Redirects are not followed, and no page of another server is: headers may hold secrets. Nested values of a
    row become JSON text.
    """
    items = _items(source, request)
    for number, item in enumerate(items, start=1):
        if not isinstance(item, dict):
            raise StepFailed(f"{source.name} item {number}: is not an object")
    columns = tuple(dict.fromkeys(key for item in items for key in item))
    yield RawTable(
        name=source.name,
        columns=columns,
        columns_are_known=bool(items),
        rows=(
            RawRow(place=(place := f"{source.name} item {number}"), values=_flat(item, columns, place))
            for number, item in enumerate(items, start=1)
        ),
    )


def _items(source: Source, request: Request) -> list[Any]:
    """Return the items of all pages, which `timeout_seconds` holds for together, and `timeout` for each."""
    getting = _Getting(source, request)
    path, pages = str(source.where.get("items") or ""), source.where.get("pages")
    turner = PageTurner(pages, url=getting.url, source=source.name) if pages else None
    items: list[Any] = []
    url: str | None = turner.first() if turner else getting.url
    while url is not None:
        reply = getting.get(url)
        answer = _parse(reply.body, source.name)
        found = items_in(answer, path, source=source.name)
        items += found
        if len(items) > MOST_STREAMED_ROWS:
            raise StepFailed(f"{source.name}: more than {MOST_STREAMED_ROWS:,} items; narrow the query", permanent=True)
        url = turner.after(reply, answer, found) if turner else None
    return items


class _Getting:
    """Gets the pages of one source, all with the same headers and within one time."""

    def __init__(self, source: Source, request: Request) -> None:
        self._name = source.name
        self._vault = request.vault
        self._clock = SystemClock()
        self._ends_at = self._clock.monotonic() + request.timeout_seconds
        self._page_seconds = float(source.where.get("timeout") or DEFAULT_SECONDS)
        self._left_bytes = LIMIT_ALL_BYTES
        self._tls = client_context()
        self._stopping = request.stopping
        given: Mapping[str, str | SecretRef] = source.where.get("headers") or {}
        self._headers = {name: _plain(value, request.vault) for name, value in given.items()}
        self.url = _plain(source.where["url"], request.vault)

    def get(self, url: str) -> Reply:
        """Return an answer with success; a server that asks to be left alone for a while is. Raises StepFailed."""
        reply = self._answer(url)
        while reply.status in _BUSY and (rest := rest_asked_for(reply, now=self._clock.now())) is not None:
            self._leave_alone(rest.total_seconds(), reply)
            reply = self._answer(url)
        _require_success(reply, self._name)
        self._left_bytes -= len(reply.body)
        if reply.truncated or self._left_bytes < 0:
            most = LIMIT_BYTES if reply.truncated else LIMIT_ALL_BYTES
            raise StepFailed(f"{self._name}: the answer is longer than {most:,} bytes", permanent=True)
        return reply

    def _leave_alone(self, seconds: float, reply: Reply) -> None:
        """Wait, where there is time for it. Raises StepFailed."""
        until = self._clock.monotonic() + max(seconds, LOOK_SECONDS)
        if until >= self._ends_at:
            message = f"{self._name}: answered {reply.status} and wants to be left alone for {round(seconds):,} s"
            raise StepFailed(f"{message}, longer than the step's timeout allows; ask less often")
        while (left_seconds := until - self._clock.monotonic()) > 0:
            if self._stopping is not None and self._stopping.is_set():
                raise _failed(NoAnswer(kind="stopped"), self._name, vault=self._vault, seconds=seconds)
            threading.Event().wait(min(LOOK_SECONDS, left_seconds))

    def _answer(self, url: str) -> Reply:
        seconds = min(self._page_seconds, self._ends_at - self._clock.monotonic())
        if seconds <= 0:
            raise StepFailed(f"{self._name}: its pages took more time than there is", status="timed_out")
        headers = {"Accept": "application/json", **self._headers}
        ask = Ask(url=url, headers=headers, most_bytes=LIMIT_BYTES)
        try:
            return Exchange(ask, clock=self._clock, tls=self._tls).run(timeout_seconds=seconds, stopping=self._stopping)
        except NoAnswer as exc:
            raise _failed(exc, self._name, vault=self._vault, seconds=seconds) from exc


def _failed(failure: NoAnswer, name: str, *, vault: Vault, seconds: float) -> StepFailed:
    if failure.kind == "stopped":
        return StepFailed("stopped before its end", status="interrupted", permanent=True)
    if failure.kind == "timed_out":
        return StepFailed(f"{name}: no answer in {seconds:g} s", status="timed_out")
    if failure.kind == "unsendable":
        return StepFailed(f"{name}: {vault.mask(failure.message)}", permanent=True)
    return StepFailed(f"{name}: no answer: {vault.mask(failure.message)}")


def _require_success(reply: Reply, name: str) -> None:
    if 200 <= reply.status < 300:
        return
    if reply.location and 300 <= reply.status < 400:
        raise StepFailed(f"{name}: answered {reply.status} and sends elsewhere; give the source the final address")
    raise StepFailed(f"{name}: answered {reply.status} {reply.phrase}".rstrip())


def _parse(body: bytes, name: str) -> Any:
    try:
        found = json.loads(body, parse_constant=_refuse_constant, parse_float=_finite)
        return found if not _SURROGATE.search(body) else json.loads(_whole(json.dumps(found, ensure_ascii=False)))
    except json.JSONDecodeError as exc:
        raise StepFailed(f"{name}: the answer is not JSON: line {exc.lineno}, column {exc.colno}: {exc.msg}") from exc
    except (ValueError, RecursionError) as exc:
        raise StepFailed(f"{name}: the answer is not usable JSON") from exc


def _whole(text: str) -> str:
    return _HALF_PAIR.sub("\ufffd", text)


def _refuse_constant(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no number of JSON")


def _finite(number: str) -> float:
    found = float(number)
    return found if math.isfinite(found) else _refuse_constant(number)


def _flat(item: Mapping[str, Any], columns: tuple[str, ...], place: str) -> dict[str, Any]:
    return {
        name: _as_text(value, place) if isinstance(value := item.get(name), (dict, list)) else value for name in columns
    }


def _as_text(value: Any, place: str) -> str:
    try:
        return json.dumps(value, ensure_ascii=False)
    except RecursionError as exc:
        raise StepFailed(f"{place}: is nested too deeply") from exc


def _plain(value: str | SecretRef, vault: Vault) -> str:
    return vault.resolve(value) if isinstance(value, SecretRef) else str(value)
