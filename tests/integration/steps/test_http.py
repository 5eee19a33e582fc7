"""The step `http` against real servers on loopback: answers and redirects."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from opsrunner.errors import StepFailed
from opsrunner.model.outcome import Outcome, StepStatus
from opsrunner.secrets import MASK
from opsrunner.steps.base import Means, StepCall
from opsrunner.steps.http import run
from opsrunner.steps.http_request import Options

Runner = Callable[..., Outcome]
SECRET = "canary-5up3r-s3cret"


def _output(tmp_path: Path) -> str:
    return (tmp_path / "output.log").read_text(encoding="utf-8")


def test_it_succeeds_where_the_answer_is_as_expected(ask: Runner, web: Any, tmp_path: Path) -> None:
    outcome = ask(get=web.url(), expect={"status": 200, "within": "5s", "contains": "ok", "not_contains": "down"})
    assert outcome.status is StepStatus.SUCCEEDED
    assert outcome.message.startswith("200 OK in ")
    assert outcome.facts["status_code"] == 200
    assert outcome.facts["bytes"] == 9
    assert 0 <= outcome.facts["latency_ms"] < 5000
    assert outcome.facts["certificate_days"] is None
    assert _output(tmp_path) == f"GET {web.url()} → 200 OK\nall is ok"


def test_it_fails_with_all_that_is_wrong_and_keeps_the_body(ask: Runner, web: Any, tmp_path: Path) -> None:
    web.pages["/down"] = (503, {}, b"<script>alert(1)</script>")
    with pytest.raises(StepFailed) as caught:
        ask(get=web.url("/down"), expect={"status": 200, "contains": "ok"})
    assert str(caught.value) == (
        f"{web.url('/down')}: status 503 Service Unavailable, not 200; the text 'ok' is not in the answer"
    )
    assert caught.value.facts["status_code"] == 503
    assert "alert(1)" in _output(tmp_path)


def test_it_sends_method_headers_and_body(ask: Runner, web: Any) -> None:
    ask(put=web.url(), headers={"X-One": "1"}, body="æ {{ 7*7 }}")
    ask(post=web.url(), json={"number": 7})
    ask(head=web.url())
    (put, _, put_headers, put_body), (post, _, post_headers, post_body), (head, _, _, _) = web.seen
    assert (put, put_headers["X-One"], put_body.decode()) == ("PUT", "1", "æ {{ 7*7 }}")
    assert (post, post_headers["Content-Type"], json.loads(post_body)) == ("POST", "application/json", {"number": 7})
    assert head == "HEAD"
    assert put_headers["User-Agent"] == "opsrunner"


def test_it_makes_rows_of_a_json_answer(ask: Runner, web: Any) -> None:
    web.pages["/orders"] = (200, {}, b'[{"number": "7"}, {"number": "8"}]')
    assert ask(get=web.url("/orders"), _rows_as="json").rows == ({"number": "7"}, {"number": "8"})
    with pytest.raises(StepFailed, match="the output is not JSON"):
        ask(get=web.url(), _rows_as="json")


def test_it_reads_no_more_than_it_may(ask: Runner, web: Any, tmp_path: Path) -> None:
    web.pages["/big"] = (200, {}, b"x" * 20_000_000)
    outcome = ask(get=web.url("/big"))
    assert outcome.facts["bytes"] == 8_000_000
    assert len(_output(tmp_path)) < 101_000


def test_the_first_rows_of_a_longer_answer_are_never_taken_for_all(ask: Runner, web: Any) -> None:
    line = b"x" * 99 + b"\n"
    web.pages["/most"] = (200, {}, line * 80_000)
    web.pages["/more"] = (200, {}, line * 80_001)
    assert len(ask(get=web.url("/most"), _rows_as="lines").rows) == 80_000
    with pytest.raises(StepFailed, match="longer than the 8,000,000 bytes that may become rows") as caught:
        ask(get=web.url("/more"), _rows_as="lines")
    assert caught.value.facts["status_code"] == 200


def test_it_sends_a_secret_and_never_shows_it(
    ask: Runner, web: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OUR_SECRET", SECRET)
    web.pages["/echo"] = (200, {}, f'{{"you sent": "{SECRET}"}}'.encode())
    outcome = ask(get=web.url("/echo"), headers={"Authorization": {"env": "OUR_SECRET"}}, _rows_as="json")
    assert web.seen[0][2]["Authorization"] == SECRET
    assert outcome.rows == ({"you sent": MASK},)
    assert SECRET not in repr(outcome)
    assert SECRET not in _output(tmp_path)


HEADERS = ["a\r\nX-Evil: 1", "a\nb", "a\0b", "€"]


@pytest.mark.parametrize("value", HEADERS)
def test_it_sends_no_header_that_would_become_two(ask: Runner, web: Any, value: str) -> None:
    with pytest.raises(StepFailed, match="the request cannot be sent") as caught:
        ask(get=web.url(), headers={"X-Name": value})
    assert caught.value.permanent
    assert not [headers for _, _, headers, _ in web.seen if "X-Evil" in headers]


ADDRESSES = [
    "http://127.0.0.1:99999/",
    "http://[::1/",
    "http://exa\nmple.com/",
    "http://exa%0ample/",
    "{{ x }}",
    "ftp://x/",
]


@pytest.mark.parametrize("address", ADDRESSES)
def test_it_fails_at_an_address_that_is_none(means: Means, make_call: Callable[..., StepCall], address: str) -> None:
    options = Options.model_validate({"get": "http://127.0.0.1/"}).model_copy(update={"get": address})
    with pytest.raises(StepFailed) as caught:
        run(make_call(options), means)
    assert "\n" not in str(caught.value)


def test_it_follows_redirects_and_can_leave_it(ask: Runner, web: Any) -> None:
    web.pages["/old"] = (301, {"Location": "/ok"}, b"")
    assert ask(get=web.url("/old")).facts["status_code"] == 200
    outcome = ask(get=web.url("/old"), follow_redirects=False, expect={"status": 301})
    assert (outcome.facts["status_code"], outcome.facts["location"]) == (301, "/ok")


def test_it_gives_up_on_redirects_without_end(ask: Runner, web: Any) -> None:
    web.pages["/round"] = (302, {"Location": "/round"}, b"")
    with pytest.raises(StepFailed, match="more than 5 redirects"):
        ask(get=web.url("/round"))


def test_it_tells_nothing_private_to_another_server(
    ask: Runner, start_web: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OUR_SECRET", SECRET)
    ours, other = start_web(), start_web()
    ours.pages["/away"] = (302, {"Location": other.url(), "Set-Cookie": "session=1"}, b"")
    ours.pages["/near"] = (302, {"Location": "/ok"}, b"")
    headers = {"Authorization": "Basic x", "X-Key": {"env": "OUR_SECRET"}, "Accept": "text/plain"}
    ask(get=ours.url("/away"), headers=headers)
    ask(get=ours.url("/near"), headers=headers)
    _, _, told, _ = other.seen[0]
    assert not {"Authorization", "X-Key"} & set(told)
    assert told["Accept"] == "text/plain"
    assert SECRET not in repr(told)
    assert ours.seen[-1][2]["X-Key"] == SECRET
