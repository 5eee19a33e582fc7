"""The source `http_json`: an address that answers with JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NoReturn

from opsrunner.clock import SystemClock
from opsrunner.errors import NoAnswer, StepFailed
from opsrunner.exchange import Ask, Exchange, Reply
from opsrunner.model.site import Source
from opsrunner.secrets import SecretRef, Vault
from opsrunner.sources.request import RawRow, RawTable, Request

LIMIT_BYTES = 20_000_000
DEFAULT_SECONDS = 30.0


@contextmanager
def open_http_json(source: Source, request: Request) -> Iterator[RawTable]:
    """Get `url` with `headers`; the rows are the objects of the list at the dotted path `items`.

    Redirects are not followed: headers may hold secrets. Nested values of a row become JSON text.
    """
    seconds = min(request.timeout_seconds, float(source.where.get("timeout") or DEFAULT_SECONDS))
    body = _get(source, request.vault, seconds=seconds)
    items = _items(_parse(body, source.name), source)
    for number, item in enumerate(items, start=1):
        if not isinstance(item, dict):
            raise StepFailed(f"{source.name} item {number}: is not an object")
    columns = tuple(dict.fromkeys(key for item in items for key in item))
    yield RawTable(
        name=source.name,
        columns=columns,
        columns_are_known=bool(items),
        rows=(
            RawRow(place=f"{source.name} item {number}", values=_flat(item, columns))
            for number, item in enumerate(items, start=1)
        ),
    )


def _get(source: Source, vault: Vault, *, seconds: float) -> bytes:
    given: Mapping[str, str | SecretRef] = source.where.get("headers") or {}
    headers = {"Accept": "application/json", **{name: _plain(value, vault) for name, value in given.items()}}
    ask = Ask(url=_plain(source.where["url"], vault), headers=headers, most_bytes=LIMIT_BYTES)
    try:
        reply = Exchange(ask, clock=SystemClock()).run(timeout_seconds=seconds)
    except NoAnswer as exc:
        raise _failed(exc, source.name, vault=vault, seconds=seconds) from exc
    _require_success(reply, source.name)
    if reply.truncated:
        raise StepFailed(f"{source.name}: the answer is longer than {LIMIT_BYTES:,} bytes", permanent=True)
    return reply.body


def _failed(failure: NoAnswer, name: str, *, vault: Vault, seconds: float) -> StepFailed:
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
        return json.loads(body, parse_constant=_refuse_constant)
    except json.JSONDecodeError as exc:
        raise StepFailed(f"{name}: the answer is not JSON: line {exc.lineno}, column {exc.colno}: {exc.msg}") from exc
    except (ValueError, RecursionError) as exc:
        raise StepFailed(f"{name}: the answer is not usable JSON") from exc


def _refuse_constant(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no number of JSON")


def _items(answer: Any, source: Source) -> list[Any]:
    path = str(source.where.get("items") or "")
    for name in path.split(".") if path else ():
        if not isinstance(answer, dict) or name not in answer:
            there = f"; there are: {', '.join(answer)}" if isinstance(answer, dict) else ""
            raise StepFailed(f"{source.name}: the answer has no '{path}': '{name}' is missing{there}")
        answer = answer[name]
    if not isinstance(answer, list):
        where = f"'{path}' of the answer" if path else "the answer"
        hint = "" if path else "; say with items where the list lies"
        raise StepFailed(f"{source.name}: {where} is not a list{hint}")
    return answer


def _flat(item: Mapping[str, Any], columns: tuple[str, ...]) -> dict[str, Any]:
    return {
        name: json.dumps(value, ensure_ascii=False) if isinstance(value := item.get(name), (dict, list)) else value
        for name in columns
    }


def _plain(value: str | SecretRef, vault: Vault) -> str:
    return vault.resolve(value) if isinstance(value, SecretRef) else str(value)
