"""The request of an `http` step, and what becomes of it on a redirect."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urljoin, urlsplit

from pydantic import Field, StrictBool, model_validator

from opsrunner.errors import StepFailed
from opsrunner.records import dataclass
from opsrunner.secrets import SecretRef, Vault
from opsrunner.steps.fields import Seconds, TextOrSecret
from opsrunner.steps.http_answer import Answer, Expect
from opsrunner.steps.kind import StepOptions
from opsrunner.steps.output import cut, printable

METHODS = ("get", "head", "post", "put")
_PRIVATE_HEADERS = frozenset({"authorization", "cookie", "proxy-authorization"})
_ADDRESS = re.compile(r"https?://[^/?#\s@]+(?:[/?#]\S*)?", re.IGNORECASE)


class Options(StepOptions):
    """What stands in `http:`; exactly one of `get`, `head`, `post`, `put` says the address."""

    get: str = ""
    head: str = ""
    post: str = ""
    put: str = ""
    headers: Mapping[str, TextOrSecret] = Field(default_factory=dict)
    body: str = ""
    json_: Any = Field(default=None, alias="json")
    """A value to send as JSON, instead of `body`."""
    expect: Expect = Field(default_factory=Expect)
    follow_redirects: StrictBool = True
    verify: StrictBool = True
    """Whether the server's certificate must be valid."""
    timeout: Seconds = 30
    """For the whole exchange, redirects and all."""

    @property
    def method(self) -> str:
        """`get`, `head`, `post` or `put`."""
        return next(name for name in METHODS if getattr(self, name))

    @property
    def url(self) -> str:
        """The address to ask."""
        return str(getattr(self, self.method))

    @model_validator(mode="after")
    def _is_one_request(self) -> Options:
        given = [name for name in METHODS if getattr(self, name)]
        if len(given) != 1:
            raise ValueError("needs exactly one of get, head, post, put, with the address")
        if "{{" not in self.url:
            check_address(self.url)
        if self.body and self.json_ is not None:
            raise ValueError("body and json stand together; keep one")
        if given[0] in ("get", "head") and (self.body or self.json_ is not None):
            raise ValueError(f"{given[0]} sends no body; use post or put")
        return self


@dataclass(frozen=True, kw_only=True)
class Request:
    """One request as it goes out, secrets resolved; `secret_headers` names the headers that hold one."""

    method: str
    url: str
    headers: Mapping[str, str]
    secret_headers: frozenset[str]
    content: str
    json: Any

    @property
    def origin(self) -> tuple[str, str | None, int | None]:
        parts = urlsplit(self.url)
        return parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme)


def first_request(options: Options, vault: Vault) -> Request:
    """Return the request that the options ask for. Raises SecretUnavailable."""
    secret = {name.lower() for name, value in options.headers.items() if isinstance(value, SecretRef)}
    headers = {
        name: vault.resolve(value) if isinstance(value, SecretRef) else value for name, value in options.headers.items()
    }
    return Request(
        method=options.method,
        url=options.url,
        headers=headers,
        secret_headers=frozenset(secret),
        content=options.body,
        json=options.json_,
    )


def redirected(request: Request, answer: Answer) -> Request:
    """Return what to ask next: RFC 9110, 15.4. Nothing private goes to another origin."""
    try:
        url = urljoin(request.url, answer.location)
        check_address(url)
        following = replace(request, url=url)
        is_elsewhere = following.origin != request.origin
    except ValueError as exc:
        raise StepFailed(f"{shown_url(request.url)}: redirects to an address that cannot be asked") from exc
    if answer.status == 303 or (answer.status in (301, 302) and request.method == "post"):
        method = "head" if request.method == "head" else "get"
        following = replace(following, method=method, content="", json=None)
    if not is_elsewhere:
        return following
    if following.method in ("post", "put"):
        raise StepFailed(f"{shown_url(request.url)}: redirects what was sent to another host")
    private = _PRIVATE_HEADERS | request.secret_headers
    kept = {name: value for name, value in request.headers.items() if name.lower() not in private}
    return replace(following, headers=kept)


def check_address(url: str) -> None:
    """Raise ValueError unless `url` is an http or https address without name and password."""
    if _ADDRESS.fullmatch(url) is None:
        hint = "; name and password go into headers" if "@" in url.partition("//")[2].partition("/")[0] else ""
        raise ValueError(f"{shown_url(url)!r} is not an http or https address{hint}")


def shown_url(url: str) -> str:
    """Return an address for people: without the name and password that may stand in it."""
    return cut(re.sub(r"//[^/?#]*@", "//", printable(url)))
