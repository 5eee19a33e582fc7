"""A shipped routine over a billing system's API: page by page, and patient with a server that is busy."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from ...web_answers import answering
from ...whmcs_company import Tables
from .test_real_databases import Settle, require_same, settle, tables

__all__ = ["settle", "tables"]
A_PAGE = 100


class Api:
    """Gives orders a page at a time to who has the token; `busy_at` names the page that it first refuses."""

    def __init__(self, orders: list[dict[str, Any]], *, busy_at: int) -> None:
        self.asked: list[tuple[int, int]] = []
        api = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                page = int(parse_qs(urlsplit(self.path).query)["page"][0])
                is_known = self.headers["Authorization"] == "Bearer canary"
                is_busy = page == busy_at and (page, 429) not in api.asked
                status = 401 if not is_known else 429 if is_busy else 200
                api.asked.append((page, status))
                found = orders[(page - 1) * A_PAGE : page * A_PAGE] if status == 200 else []
                body = json.dumps({"data": {"orders": found}}).encode()
                self.send_response(status)
                if is_busy:
                    self.send_header("Retry-After", "1")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        self.handler = Handler
        self.url = ""


@pytest.fixture
def api(tables: Tables) -> Iterator[Api]:
    orders = [
        {key: cell or None for key, cell in row.items()} | {"amount": int(row["amount"])} for row in tables["orders"]
    ]
    one = Api(orders, busy_at=3)
    with answering(one.handler) as address:
        one.url = f"{address}/api/orders?per_page={A_PAGE}"
        yield one


def test_order_intake_waits_for_a_busy_api_and_then_has_every_order(settle: Settle, api: Api, tables: Tables) -> None:
    files = settle(["order-intake"])
    declared = json.loads((files.house.root / "opsrunner.yaml").read_text())["sources"]["orders"]["columns"]
    paged = {"http_json": api.url, "items": "data.orders", "pages": {"page": "page"}, "columns": declared}
    real = settle(["order-intake"], orders={**paged, "headers": {"Authorization": {"file": "secrets/api"}}})
    (real.house.root / "secrets/api").write_text("Bearer canary")
    (real.house.root / "secrets/api").chmod(0o600)
    api.asked.clear()

    for place in (files, real):
        place.ask(["order-intake"])

    pages = len(tables["orders"]) // A_PAGE + 2  # the last one is empty
    statuses = [(page, 200) for page in range(1, pages + 1)]
    statuses.insert(2, (3, 429))
    assert pages > 4
    assert api.asked == statuses
    require_same(real, files, ["order-intake"])
