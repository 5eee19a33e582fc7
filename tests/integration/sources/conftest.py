"""A real HTTP server on loopback that answers what a test says."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from opsrunner.model.outcome import Row
from opsrunner.model.site import Source
from opsrunner.secrets import Vault
from opsrunner.sources.reading import read_source, stream_source

from ...web_answers import answering

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


@dataclass
class Answers:
    """What the server says, and what it was asked."""

    url: str
    body: bytes = b"[]"
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    wait_seconds: float = 0
    asked: list[dict[str, str]] = field(default_factory=list)


@pytest.fixture
def http_answers() -> Iterator[Answers]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answers.asked.append({name.lower(): value for name, value in self.headers.items()})
            time.sleep(answers.wait_seconds)
            self.send_response(answers.status)
            for name, value in answers.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answers.body)))
            self.end_headers()
            self.wfile.write(answers.body)

    with answering(Handler) as address:
        answers = Answers(url=f"{address}/orders")
        yield answers


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., tuple[Row, ...]]:
    """Read a source of the site in `tmp_path`: `read(source, where={…}, limit=3)`."""

    def do(source: Source, **options: Any) -> tuple[Row, ...]:
        return read_source(source, options, vault=Vault(tmp_path), site_root=tmp_path, now=NOW)

    return do


@pytest.fixture
def stream(tmp_path: Path) -> Callable[..., Generator[Row]]:
    """Read a source row by row: `stream(source, where={…})`."""

    def do(source: Source, **options: Any) -> Generator[Row]:
        return stream_source(source, options, vault=Vault(tmp_path), site_root=tmp_path, now=NOW)

    return do
