"""The options of `http`, what an answer must be like, and what a redirect may carry on."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from opsrunner.errors import StepFailed
from opsrunner.secrets import Vault
from opsrunner.steps.http import KIND
from opsrunner.steps.http_answer import Answer, Expect, differences
from opsrunner.steps.http_request import Options, Request, first_request, redirected

ADDRESS = "https://example.com/health"
MISTAKES: list[tuple[dict[str, Any], str]] = [
    ({}, "needs exactly one of get, head, post, put"),
    ({"get": ADDRESS, "post": ADDRESS}, "needs exactly one of get, head, post, put"),
    ({"get": "ftp://example.com"}, "'ftp://example.com' is not an http or https address"),
    ({"get": "example.com"}, "is not an http or https address"),
    ({"get": "https://user:word@example.com/"}, "'https://example.com/' is not"),
    ({"get": "https://user:word@example.com/"}, "name and password go into headers"),
    ({"get": "https://exa mple.com/"}, "is not an http or https address"),
    ({"get": ADDRESS, "body": "x"}, "get sends no body; use post or put"),
    ({"post": ADDRESS, "body": "x", "json": {}}, "body and json stand together"),
    ({"get": ADDRESS, "timeout": 5}, "5 has no unit"),
    ({"get": ADDRESS, "expect": {"status": 99}}, "greater than or equal to 100"),
    ({"get": ADDRESS, "expect": {"within": "soon"}}, "not a duration"),
    ({"get": ADDRESS, "headers": {"X": 5}}, "must be text"),
    ({"get": ADDRESS, "headers": {"X": {"vault": "x"}}}, "must be a reference to a secret: {env: NAME}"),
]


@pytest.mark.parametrize(("options", "message"), MISTAKES)
def test_it_refuses_options_that_make_no_request(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Options.model_validate(options)
    told = str(caught.value.errors(include_input=False, include_url=False))
    assert message in told
    assert "user:word" not in told


def test_it_leaves_an_address_with_a_template_for_later() -> None:
    assert Options.model_validate({"get": "{{ row.url }}"}).url == "{{ row.url }}"


def test_it_previews_a_request_without_the_values_of_headers() -> None:
    options = Options.model_validate({"post": ADDRESS, "headers": {"X-Key": {"env": "KEY"}}, "verify": False})
    assert KIND.preview(options) == f"POST {ADDRESS} with X-Key (certificate not verified)"


def _answer(**changes: Any) -> Answer:
    values: dict[str, Any] = {
        "status": 200,
        "phrase": "OK",
        "url": ADDRESS,
        "location": "",
        "charset": "utf-8",
        "body": b"all is ok",
        "truncated": False,
        "certificate": None,
    }
    return Answer(**(values | changes))


DIFFERENCES: list[tuple[dict[str, Any], dict[str, Any], list[str]]] = [
    ({}, {}, []),
    ({"status": 204}, {}, []),
    ({"status": 302, "phrase": "Found"}, {}, ["status 302 Found, not 2xx"]),
    ({"status": 503, "phrase": ""}, {"status": [200, 204]}, ["status 503, not 200, 204"]),
    ({}, {"status": 404}, ["status 200 OK, not 404"]),
    ({}, {"contains": "ok", "not_contains": "down"}, []),
    ({}, {"contains": "fine"}, ["the text 'fine' is not in the answer"]),
    ({}, {"not_contains": "ok"}, ["the text 'ok' is in the answer"]),
    (
        {"truncated": True},
        {"not_contains": "x"},
        ["the answer is longer than the 8,000,000 bytes that are looked through"],
    ),
    ({"charset": "latin-1", "body": "blåbær".encode("latin-1")}, {"contains": "blåbær"}, []),
    ({"charset": "no-such-charset"}, {"contains": "ok"}, []),
    *(({"charset": name}, {"contains": "ok"}, []) for name in ("undefined", "idna", "base64", "a\0b", "x" * 10_000)),
    # a long text takes minutes to decode in this one
    ({"charset": "punycode", "body": b"ok-" + b"bcdz9" * 200_000}, {"contains": "ok-"}, []),
    ({}, {"within": "2s"}, []),
    ({}, {"within": "1s"}, ["took 1.5 s, more than 1 s"]),
    ({}, {"certificate_days": 14}, ["the certificate ends in 10 days, fewer than 14"]),
    ({}, {"certificate_days": 10}, []),
    (
        {"status": 500, "phrase": "Oh"},
        {"contains": "x"},
        ["status 500 Oh, not 2xx", "the text 'x' is not in the answer"],
    ),
]


@pytest.mark.parametrize(("answer", "expect", "told"), DIFFERENCES)
def test_it_tells_what_is_not_as_expected(answer: dict[str, Any], expect: dict[str, Any], told: list[str]) -> None:
    expected = Expect.model_validate(expect)
    assert list(differences(_answer(**answer), expected, seconds=1.5, days=10)) == told


def test_it_finds_that_plain_http_has_no_certificate() -> None:
    expected = Expect.model_validate({"certificate_days": 1})
    told = list(differences(_answer(), expected, seconds=0, days=None))
    assert told == ["there is no certificate, the address is not https"]


def test_a_certificate_that_cannot_be_read_is_unknown_and_is_said_where_its_days_are_asked_for() -> None:
    answer = _answer(certificate=b"not a certificate")
    assert answer.certificate_days(datetime(2026, 11, 20, tzinfo=UTC)) is None
    told = differences(answer, Expect.model_validate({"certificate_days": 1}), seconds=0, days=None)
    assert list(told) == ["the certificate cannot be read"]


def _request(monkeypatch: pytest.MonkeyPatch, method: str = "get") -> Request:
    monkeypatch.setenv("API_KEY", "hunter22")
    body = {"body": "x"} if method in ("post", "put") else {}
    options = Options.model_validate(
        {
            method: "https://one.example/a/b",
            "headers": {"Authorization": "Basic x", "X-Key": {"env": "API_KEY"}, "Accept": "text/plain"},
            **body,
        }
    )
    return first_request(options, Vault(Path("/nonexistent")))


REDIRECTS = [
    # same origin: everything goes along
    ("/c", "https://one.example/c", {"Authorization", "X-Key", "Accept"}),
    ("https://one.example:443/c", "https://one.example:443/c", {"Authorization", "X-Key", "Accept"}),
    # another host, port or scheme: nothing private does
    ("https://two.example/c", "https://two.example/c", {"Accept"}),
    ("//two.example/c", "//two.example/c", {"Accept"}),
    ("https://one.example:8443/c", "https://one.example:8443/c", {"Accept"}),
    ("http://one.example/c", "http://one.example/c", {"Accept"}),
    ("https://one.example.evil.example/c", "https://one.example.evil.example/c", {"Accept"}),
]


@pytest.mark.parametrize(("location", "url", "headers"), REDIRECTS)
def test_it_keeps_what_is_private_from_other_origins(
    monkeypatch: pytest.MonkeyPatch, location: str, url: str, headers: set[str]
) -> None:
    following = redirected(_request(monkeypatch), _answer(status=302, location=location))
    assert following.url.endswith(url)
    assert set(following.headers) == headers


@pytest.mark.parametrize("location", ["file:///etc/passwd", "javascript:x", "https://a:b@two.example/", "http://["])
def test_it_follows_no_redirect_to_something_else(monkeypatch: pytest.MonkeyPatch, location: str) -> None:
    with pytest.raises(StepFailed, match="redirects to an address that cannot be asked"):
        redirected(_request(monkeypatch), _answer(status=302, location=location))


METHODS = [
    ("post", 301, "get"),
    ("post", 302, "get"),
    ("post", 303, "get"),
    ("post", 307, "post"),
    ("put", 302, "put"),
    ("put", 303, "get"),
    ("head", 303, "head"),
]


@pytest.mark.parametrize(("method", "status", "following"), METHODS)
def test_it_changes_the_method_as_the_standard_says(
    monkeypatch: pytest.MonkeyPatch, method: str, status: int, following: str
) -> None:
    request = redirected(_request(monkeypatch, method), _answer(status=status, location="/c"))
    assert request.method == following
    assert bool(request.content) == (following in ("post", "put"))


def test_it_does_not_send_a_body_on_to_another_host(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(StepFailed, match="redirects what was sent to another host"):
        redirected(_request(monkeypatch, "post"), _answer(status=307, location="https://two.example/"))
