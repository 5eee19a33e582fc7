"""Facts that the docs promise of outcomes are there when a routine asks for them."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

Opsrunner = Callable[..., Any]
ROUTINES = (Path(__file__).parents[2] / "docs/routines.md").read_text(encoding="utf-8")
SITE = """\
site: Example Hosting
people: {boss: {name: The owner, email: owner@example.com, roles: [owner]}}
sources: {orders: {csv: orders.csv, columns: {number: text, placed_at: moment}}}
"""
ACTS = """\
name: Facts
accountable: owner
steps:
  - {id: run, run: 'true'}
  - {id: ssh, ssh: {hosts: local, run: 'echo 1'}}
  - {id: http, http: {get: "ADDRESS"}}
  - {id: query, query: {source: orders}}
  - {id: email, email: {to: owner, subject: Hello, body: there}}
  - {id: each, for_each: steps.query.rows, run: [echo, --, "{{ row.number }}"]}
"""


class Answers(BaseHTTPRequestHandler):
    """Says yes to everything."""

    def do_GET(self) -> None:
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name is the library's
        """Keep quiet."""


@pytest.fixture
def address() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


def facts_of(kind: str) -> set[str]:
    """Return the words in code marks of the sentence `The outcome has …` in the section of a kind."""
    section = ROUTINES.partition(f"\n### {kind}\n")[2].partition("\n### ")[0]
    sentence = re.search(r"The outcome has (.*?)[.]\s", section, re.DOTALL)
    assert sentence is not None, kind
    return set(re.findall(r"`([a-z_]+)`", sentence[1])) - {"null"}


def promised() -> Iterator[str]:
    """Yield every name of the chapter on expressions, and every fact of a kind."""
    for kind in ("run", "ssh", "http", "query", "email"):
        yield from (f"steps.{kind}.{fact}" for fact in sorted(facts_of(kind)))
    yield from (f"steps.{step}.{word}" for step in ("run", "each") for word in ("status", "reason", "message", "rows"))
    yield from (f"steps.each.{fact}" for fact in ("count", "fine", "failed"))
    yield from (f"steps.{step}.parts[0].{word}" for step in ("ssh", "each") for word in ("key", "status", "message"))
    table = ROUTINES.partition("| Name | What it is |")[2].partition("\n\n")[0]
    words = set(re.findall(r"`([a-z_.]+)`", "".join(re.findall(r"^\| (.*?) \|", table, re.MULTILINE))))
    assert len(words) > 10
    yield from sorted(words - {"row", "result", "rows"})


def test_every_fact_and_name_in_the_docs_is_there(
    opsrunner: Opsrunner, make_site: Callable[..., Path], address: str
) -> None:
    asked = list(promised())
    assert len(asked) > 40
    tasks = "".join(f"  - task: '{name} is {{{{ {name} }}}}'\n" for name in asked)
    text = ACTS.replace("ADDRESS", address) + tasks
    files = {"routines/facts.yaml": text, "orders.csv": "number,placed_at\nA1,2026-11-20 10:00\n"}
    site = make_site({"opsrunner.yaml": SITE, **files})

    answer = opsrunner("run", "facts", site=site)

    assert answer.returncode == 0, answer.stdout + answer.stderr
    opened = re.findall(r"task for people: (\S+) is", answer.stdout)
    assert opened == asked
