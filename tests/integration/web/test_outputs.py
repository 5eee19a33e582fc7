"""What a running step writes, as it comes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import httpx2
import pytest

from opsrunner.app import App
from opsrunner.engine.outputs import output_file
from opsrunner.model.routine import StepPlan
from opsrunner.model.run import Run
from opsrunner.web.server import WebServer

from ...patience import until, within

SignedIn = Callable[[str], Any]


@pytest.fixture
def address(served: App, port: int) -> Iterator[str]:
    """A real server: a test client waits for the end of a stream."""
    server = WebServer(served)
    server.start()
    yield f"http://127.0.0.1:{port}"
    server.stop()


@contextmanager
def lines_of(app: App, address: str, path: str, **headers: str) -> Iterator[Iterator[str]]:
    """What a person who is signed in hears of a stream, line by line."""
    link = app.sign_in.link(app.site.people["ops1"], made_by="boss", at=app.clock.now())
    own = {"Origin": address, "Sec-Fetch-Site": "same-origin"}
    with httpx2.Client(base_url=address, timeout=20) as client:
        assert client.post(f"/sign-in/{link}", headers=own).status_code == 303
        with client.stream("GET", path, headers=headers) as answer:
            yield answer.iter_lines()


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        file.write(text)


def test_lines_come_as_they_are_written_none_twice(served: App, address: str, start_run: Callable[..., Run]) -> None:
    run = start_run()
    served.books.steps.start(run.id, 0, StepPlan(id="run", kind="run"), at=served.clock.now())
    path = output_file(served.state, run.id, "run")
    write(path, "first\nsecond\n")
    heard: list[str] = []
    numbers = count(3)

    def listen() -> None:
        with lines_of(served, address, f"/runs/{run.id}/output?step=run&after=6") as told:
            for line in told:
                heard.append(line)
                if line == "data: the last":
                    return

    def hear_another() -> None:
        line = f"<b>line {next(numbers)}</b>"
        write(path, f"{line}\n")
        until(lambda: f"data: {line}" in heard)

    thread = threading.Thread(target=listen)
    thread.start()
    until(lambda: "data: second" in heard)
    try:
        within(5, hear_another)
    finally:
        write(path, "the last\n")
        thread.join()
    assert "data: first" not in heard
    assert heard.count("data: second") == heard.count("data: <b>line 3</b>") == 1
    assert f"id: {len('first second ')}" in heard


def test_the_stream_of_a_step_that_has_ended_ends_with_all_it_wrote(
    served: App, address: str, start_run: Callable[..., Run]
) -> None:
    run = start_run()
    write(output_file(served.state, run.id, "run"), "first\nand no end of the line")
    with lines_of(served, address, f"/runs/{run.id}/output?step=run") as lines:
        heard = list(lines)
    assert [line for line in heard if line.startswith("data: ")] == [
        "data: first",
        "data: ",
        "data: and no end of the line",
        "data: ",
    ]
    assert "event: over" in heard


def test_a_browser_that_lost_the_line_goes_on_where_it_was(
    served: App, address: str, start_run: Callable[..., Run]
) -> None:
    run = start_run()
    write(output_file(served.state, run.id, "run"), "one\ntwo\n")
    with lines_of(served, address, f"/runs/{run.id}/output?step=run&after=0", **{"Last-Event-ID": "4"}) as lines:
        data = next(line for line in lines if line.startswith("data: "))
    assert data == "data: two"


def test_a_secret_in_an_output_is_masked(served: App, address: str, start_run: Callable[..., Run]) -> None:
    run = start_run()
    served.vault.remember("hunter2-hunter2")
    write(output_file(served.state, run.id, "run"), "the word is hunter2-hunter2\n")
    with lines_of(served, address, f"/runs/{run.id}/output?step=run") as lines:
        data = next(line for line in lines if line.startswith("data: "))
    assert "hunter2" not in data


@pytest.mark.parametrize(
    ("query", "status"),
    [("", 400), ("step=", 400), ("step=run&after=-1", 400), ("step=run&after=x", 400), ("step=run&path=/etc", 400)],
)
def test_what_it_does_not_know_it_refuses(
    signed_in: SignedIn, start_run: Callable[..., Run], query: str, status: int
) -> None:
    assert signed_in("ops1").get(f"/runs/{start_run().id}/output?{query}").status_code == status


def test_a_run_that_is_not_there_has_no_output(signed_in: SignedIn) -> None:
    assert signed_in("ops1").get("/runs/99/output?step=run").status_code == 404


def test_a_session_holds_so_many_streams_and_no_more(
    served: App, address: str, start_run: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is an open file of the daemon, which needs its own to run steps."""
    monkeypatch.setattr("opsrunner.web.live.MOST_STREAMS", 2)
    link = served.sign_in.link(served.site.people["eye"], made_by="boss", at=served.clock.now())
    output = f"/runs/{start_run().id}/output?step=run"
    with httpx2.Client(base_url=address, timeout=20) as client:
        own = {"Origin": address, "Sec-Fetch-Site": "same-origin"}
        assert client.post(f"/sign-in/{link}", headers=own).status_code == 303
        with client.stream("GET", "/live") as one, client.stream("GET", output) as other:
            lines = (one.iter_lines(), other.iter_lines())  # what nobody holds is closed
            assert [next(each) for each in lines] == ["retry: 2000", "retry: 2000"]
            assert [_begun(client, path) for path in ("/live", output)] == [409, 409]
        deadline = time.monotonic() + 10
        while (status := _begun(client, "/live")) == 409 and time.monotonic() < deadline:
            time.sleep(0.2)
        assert status == 200


def _begun(client: httpx2.Client, path: str) -> int:
    with client.stream("GET", path) as answer:
        return answer.status_code


def test_who_is_signed_out_hears_no_more(served: App, address: str, start_run: Callable[..., Run]) -> None:
    run = start_run()
    path = output_file(served.state, run.id, "run")
    write(path, "first\n")
    heard: list[str] = []
    with lines_of(served, address, f"/runs/{run.id}/output?step=run") as lines:
        for line in lines:
            heard.append(line)
            if line == "data: first":
                ops1 = served.site.people["ops1"]
                served.sign_in.end_all(ops1, actor=ops1, at=served.clock.now(), address="test")
                write(path, "second\n")
    assert "event: over" in heard
    assert "data: second" not in heard


@pytest.mark.parametrize("told", ["9" * 5_000, "-1", "x"])
def test_a_line_that_nobody_was_told_is_none(
    served: App, address: str, start_run: Callable[..., Run], told: str
) -> None:
    run = start_run()
    write(output_file(served.state, run.id, "run"), "one\ntwo\n")
    with lines_of(served, address, f"/runs/{run.id}/output?step=run&after=4", **{"Last-Event-ID": told}) as lines:
        assert next(line for line in lines if line.startswith("data: ")) == "data: two"
