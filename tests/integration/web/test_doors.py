"""Who comes in, and what is turned away before any page sees it."""

from __future__ import annotations

import itertools
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import opsrunner.web
from opsrunner.app import App
from opsrunner.model.task import Task
from opsrunner.web.doors import DOORS
from opsrunner.web.visit import local_path

from ...patience import within

Browser = Any
PAGE = "http://127.0.0.1:8420"

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")
FOR_STRANGERS = {
    ("GET", "/healthz"),
    ("HEAD", "/healthz"),
    ("GET", "/sign-in"),
    ("HEAD", "/sign-in"),
    ("POST", "/sign-in"),
    ("GET", "/sign-in/{link:token}"),
    ("HEAD", "/sign-in/{link:token}"),
    ("POST", "/sign-in/{link:token}"),
}
OWN = {"Origin": PAGE, "Sec-Fetch-Site": "same-origin"}


def address_of(path: str) -> str:
    """Return an address that a door's path matches."""
    return (
        path.replace("{link:token}", "x" * 43)
        .replace("{task:int}", "1")
        .replace("{run:int}", "1")
        .replace("{routine:name}", "nightly")
        .replace("{digest:int}", "1")
        .replace("{host:name}", "local")
        .replace("{absence:int}", "1")
        .replace("{session:int}", "1")
        .replace("{person:name}", "ops1")
    )


@pytest.mark.parametrize("path", sorted({door.path for door in DOORS} | {"/live", "/nowhere", "/runs/1/edit"}))
def test_a_stranger_finds_no_door_but_those_of_the_list(browser: Browser, path: str) -> None:
    for method in METHODS:
        answer = browser.client.request(method, address_of(path), headers=OWN)
        if (method, path) in FOR_STRANGERS:
            assert answer.status_code in (200, 410), (method, answer.text)
        else:
            assert answer.status_code in (303, 401, 403, 404, 405), (method, answer.text)
            assert answer.status_code != 403 or path == "/metrics"
            assert answer.headers.get("location", "/sign-in") == "/sign-in"
            assert "token" not in answer.text


@pytest.mark.parametrize("path", ["/", "/sign-in", "/healthz", "/static/look.css", "/nowhere", "/tasks/1"])
def test_every_answer_carries_the_headers_that_bind_a_browser(
    signed_in: Callable[[str], Browser], browser: Browser, path: str
) -> None:
    for one in (browser, signed_in("boss")):
        headers = one.get(path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cache-control"] == "no-store"


def test_no_page_has_a_script_or_a_style_in_it(signed_in: Callable[[str], Browser]) -> None:
    text = signed_in("boss").get("/").text
    assert "<script>" not in text
    assert "<style" not in text
    assert " style=" not in text
    assert " onclick" not in text


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": PAGE, "Sec-Fetch-Site": "same-site"},
        {"Origin": PAGE, "Sec-Fetch-Site": "cross-site"},
        {},
    ],
    ids=str,
)
def test_a_form_of_another_page_is_refused(
    app: App, signed_in: Callable[[str], Browser], open_task: Callable[..., Task], headers: dict[str, str]
) -> None:
    task, browser = open_task(), signed_in("ops1")
    browser.get("/")
    answer = browser.client.post(f"/tasks/{task.id}/tick", data={"token": browser.token}, headers=headers)
    assert answer.status_code == 403
    assert app.books.tasks.get(task.id).is_open


@pytest.mark.parametrize("token", [None, "", "0" * 80, "0" * 16, "ü"])
def test_a_form_without_the_session_s_own_token_is_refused(
    app: App, signed_in: Callable[[str], Browser], open_task: Callable[..., Task], token: str | None
) -> None:
    task, browser = open_task(), signed_in("ops1")
    data = {} if token is None else {"token": token}
    answer = browser.client.post(f"/tasks/{task.id}/tick", data=data, headers=OWN)
    assert answer.status_code == 403
    assert app.books.tasks.get(task.id).is_open


def test_the_token_of_one_session_is_none_of_another(
    app: App, signed_in: Callable[[str], Browser], open_task: Callable[..., Task]
) -> None:
    task, mine, other = open_task(), signed_in("ops1"), signed_in("ops2")
    answer = mine.client.post(f"/tasks/{task.id}/tick", data={"token": other.token}, headers=OWN)
    assert answer.status_code == 403


def test_nothing_changes_by_looking(
    app: App, signed_in: Callable[[str], Browser], open_task: Callable[..., Task]
) -> None:
    """GET, and HEAD, of every address that a form has."""
    task, browser = open_task(), signed_in("ops1")
    for method, act in itertools.product(("GET", "HEAD"), ("tick", "undo", "claim", "hand-over")):
        assert browser.client.request(method, f"/tasks/{task.id}/{act}").status_code == 405
    assert browser.client.get("/sign-out").status_code == 405
    assert app.books.tasks.get(task.id) == task


def test_a_foreign_name_that_leads_here_is_not_answered(browser: Browser) -> None:
    """DNS rebinding: a page of evil.example whose name points at 127.0.0.1."""
    answer = browser.get("/sign-in", Host="evil.example:8420")
    assert answer.status_code == 421
    assert "web.url" in answer.text


@pytest.mark.parametrize("host", ["localhost:1/evil?", "127.0.0.1:8420@evil.example", "localhost:x", "[::1]evil", ""])
def test_what_is_no_name_of_a_host_is_not_answered(browser: Browser, host: str) -> None:
    assert browser.get("/sign-in", Host=host).status_code == 421


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8420", "127.0.0.1:80", "[::1]", "[::1]:8420"])
def test_this_machine_s_own_names_are_answered(browser: Browser, host: str) -> None:
    assert browser.get("/sign-in", Host=host).status_code == 200


def test_a_field_that_no_form_has_is_refused(
    app: App, signed_in: Callable[[str], Browser], open_task: Callable[..., Task]
) -> None:
    task, browser = open_task(), signed_in("ops1")
    answer = browser.post(f"/tasks/{task.id}/tick", mark="done", command="rm -rf /")
    assert answer.status_code == 400
    assert "command: is not known here" in answer.text
    assert app.books.tasks.get(task.id).is_open
    assert browser.get("/?sort=id;drop").status_code == 400


def test_a_body_without_end_is_cut_off(signed_in: Callable[[str], Browser]) -> None:
    def endless() -> Any:
        for _ in range(40):
            yield b"x" * 1_000_000

    headers = {**OWN, "Content-Type": "application/x-www-form-urlencoded"}
    answer = signed_in("ops1").client.post("/notes", content=endless(), headers=headers)
    assert answer.status_code == 413


@pytest.mark.parametrize(
    "path", ["/runs/0", "/runs/-1", "/runs/01", "/runs/1e3", "/runs/99999999999999999999", "/runs/x"]
)
def test_a_number_that_is_none_is_no_page(signed_in: Callable[[str], Browser], path: str) -> None:
    assert signed_in("boss").get(path).status_code == 404


@pytest.mark.parametrize(
    "path",
    [
        "/static/..%2f..%2fvisit.py",
        "/static/%2e%2e/visit.py",
        "/static/..%252fvisit.py",
        "/static/..%5cvisit.py",
        "/static//etc/passwd",
        "/static/look.css%00",
    ],
)
def test_no_path_leads_out_of_the_static_files(browser: Browser, path: str) -> None:
    assert browser.get(path).status_code == 404


@pytest.mark.parametrize(
    "text",
    [
        "https://evil.example",
        "//evil.example",
        "/\\evil.example",
        "/%2f%2fevil",
        "\\/evil",
        "javascript:alert(1)",
        "",
        "/\nSet-Cookie: x",
        "/%5cevil",
    ],
)
def test_the_way_back_is_always_local(text: str) -> None:
    assert local_path(text) == "/"


def test_a_local_way_back_is_kept() -> None:
    assert local_path("/runs/7?open=3#task-3") == "/runs/7?open=3#task-3"


def test_the_health_of_the_page_is_told_to_anybody(browser: Browser) -> None:
    assert browser.get("/healthz").text == "ok\n"


def test_an_address_of_many_names_keeps_nobody_waiting(signed_in: Callable[[str], Browser]) -> None:
    """As long as a server takes it; it took five seconds in which the page answered nobody."""
    names = ("".join(letters) for letters in itertools.product("abcdefghijklmnopqrstuvwxyz", repeat=3))
    browser, asked = signed_in("eye"), "&".join(itertools.islice(names, 15_000))
    assert within(2, lambda: browser.get(f"/?{asked}"), clock=time.process_time).status_code == 400


@pytest.mark.parametrize("other", ['seen={"a": 1}', "x=a,b; y=@[\x01]", "=; ;;", 'theme="dark'])
def test_a_cookie_of_another_program_signs_nobody_out(signed_in: Callable[[str], Browser], other: str) -> None:
    """A neighbour at the same name, or one that sets cookies for all below the domain, writes what it likes."""
    browser = signed_in("ops1")
    own = f"opsrunner={browser.client.cookies['opsrunner']}"
    for cookies in (f"{other}; {own}", f"{own}; {other}"):
        browser.client.cookies.clear()
        assert browser.get("/", Cookie=cookies).status_code == 200


def test_links_that_open_what_asks_load_the_page_anew() -> None:
    """A page that changes in place keeps what is open and shut in it: there such a link would open nothing."""
    pages = Path(opsrunner.web.__file__).parent / "pages"
    links = [link for page in pages.glob("*.html") for link in re.findall(r"<a [^>]*>", page.read_text("utf-8"))]
    opening = [link for link in links if "data-opens=" in link or re.search(r"[?&](open|enter|accept)=", link)]
    assert len(opening) > 3
    assert [link for link in opening if 'hx-boost="false"' not in link] == []
