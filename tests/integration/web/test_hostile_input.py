"""Whatever is sent to whatever door: an answer that a person can read, and never a fault of ours."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from opsrunner.app import App
from opsrunner.model.routine import EvidenceSpec
from opsrunner.model.task import Task
from opsrunner.web.doors import DOORS

NAMES = (
    "mark", "note", "number", "choice", "file", "struck", "back", "to", "title", "whose", "due", "how", "link", "text",
    "until", "reason", "email", "before", "open", "token", "x",
    "q", "what", "routine", "status", "since", "kind", "person", "other", "roster", "first", "last", "enter",
    "view", "day",
)  # fmt: skip
WORDS = st.one_of(
    st.text(max_size=60),
    st.sampled_from(
        [
            "done", "could_not", "1e999", "nan", "-0", "9" * 400, "2026-11-21T10:00", "0001-01-01T00:00",
            "9999-12-31T23:59:59+14:00", "\0", "\ud800".encode("utf-16", "surrogatepass").decode("utf-16", "replace"),
            "' OR 1=1 --", "{{ 7*7 }}", "<script>", "../../etc/passwd", "ops1", "boss", "-1", "99999999999999999999",
            "routines", "runs", "tasks", "notes", "failed", "open", "nightly", "2026-11-01", "0001-01-01", "9999-12-31",
            "leave", "swap", "cover", "2026-12-24", "week", "1970-01-01", "2100-12-31", "1969-12-31", "2026-02-30",
            "#1", "% _ \\", "ÅSEN ß", "\u0345\u1e9e",
        ]
    ),
)  # fmt: skip
POSTS = sorted(door.path for door in DOORS if door.method == "POST" and "sign" not in door.path)
GETS = sorted(door.path for door in DOORS if door.method == "GET")
CALM = settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])


def filled(path: str, task: Task) -> str:
    """Return an address that a door's path matches."""
    numbers = {"{task:int}": str(task.id), "{run:int}": "1", "{digest:int}": "1",
               "{absence:int}": "1", "{session:int}": "99"}  # fmt: skip
    names = {"{routine:name}": "nightly", "{host:name}": "local", "{person:name}": "ops1", "{link:token}": "x" * 43}
    for pattern, value in {**numbers, **names}.items():
        path = path.replace(pattern, value)
    return path


@pytest.mark.parametrize("path", POSTS)
def test_no_form_brings_it_down(
    app: App, signed_in: Callable[[str], Any], open_task: Callable[..., Task], path: str
) -> None:
    task = open_task(role="boss", evidence_spec=EvidenceSpec(number="optional", choice=("a", "b")), rows=({"a": 1},))
    browser = signed_in("boss")

    @CALM
    @given(st.dictionaries(st.sampled_from(NAMES), WORDS | st.lists(WORDS, max_size=3), max_size=5))
    def send(fields: dict[str, Any]) -> None:
        fields.pop("token", None)
        answer = browser.post(filled(path, task), **fields)
        assert answer.status_code < 500, (fields, answer.text)

    send()


@pytest.mark.parametrize("path", GETS)
def test_no_address_brings_it_down(signed_in: Callable[[str], Any], open_task: Callable[..., Task], path: str) -> None:
    task = open_task(role="boss")
    browser = signed_in("boss")

    @CALM
    @given(st.dictionaries(st.sampled_from(NAMES), WORDS, max_size=4))
    def look(query: dict[str, str]) -> None:
        answer = browser.client.get(filled(path, task), params=query)
        assert answer.status_code < 500, (query, answer.text)

    look()


@pytest.mark.parametrize(
    "kind", ["application/json", "multipart/form-data", "multipart/form-data; boundary=x", "text/x"]
)
@pytest.mark.parametrize(
    "body", [b"", b"{", b"\xff\xfe", b"--x\r\nContent-Disposition: form-data; name=a\r\n\r\n" * 50]
)
def test_no_body_brings_it_down(signed_in: Callable[[str], Any], kind: str, body: bytes) -> None:
    headers = {"Origin": "http://127.0.0.1:8420", "Sec-Fetch-Site": "same-origin", "Content-Type": kind}
    answer = signed_in("boss").client.post("/notes", content=body, headers=headers)
    assert 400 <= answer.status_code < 500
