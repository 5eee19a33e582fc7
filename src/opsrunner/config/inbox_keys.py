"""What `opsrunner.yaml` may say about feeds and mailboxes as sources."""

from __future__ import annotations

import re
from typing import Annotated, Literal, TypeAlias

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, field_validator, model_validator

from opsrunner.config.fields import Flag, Keys, PositiveSeconds, SourceName, Text, Texts
from opsrunner.model.site import Source
from opsrunner.secrets import SecretRef
from opsrunner.sources.shapes import OWN_SHAPES
from opsrunner.steps.fields import Bytes, Secret, TextOrSecret, one_or_many

_WEB = re.compile(r"https?://[^\s/]+\S*\Z", re.IGNORECASE)
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:/?/?")
_OWN_ADDRESS = re.compile(r"[^\s@,<>]*@[^\s@,<>]+\Z")
MOST_FEEDS = 5_000


def _check_feed(feed: str | SecretRef) -> str | SecretRef:
    if isinstance(feed, str) and _SCHEME.match(feed) and not _WEB.match(feed):
        raise ValueError(f"'{feed[:60]}' is no web address\nof a file write its path alone")
    return feed


def _check_own(address: str) -> str:
    if not _OWN_ADDRESS.match(address):
        raise ValueError(f"'{address[:60]}' is neither a mail address nor a domain such as '@example.com'")
    return address


def _check_plain(text: str) -> str:
    if not text.isprintable():
        raise ValueError("has a control character in it")
    return text


Feed: TypeAlias = Annotated[TextOrSecret, AfterValidator(_check_feed)]
Plain: TypeAlias = Annotated[Text, AfterValidator(_check_plain)]
_TEXTS = WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]})
Folders: TypeAlias = Annotated[tuple[Plain, ...], BeforeValidator(one_or_many), _TEXTS]
Count: TypeAlias = Annotated[int, Field(ge=1, le=20, strict=True)]
MailCount: TypeAlias = Annotated[int, Field(ge=1, le=200_000, strict=True)]
Port: TypeAlias = Annotated[int, Field(ge=1, le=65535, strict=True)]


Feeds: TypeAlias = Annotated[
    tuple[Feed, ...],
    BeforeValidator(one_or_many, json_schema_input_type=Feed | tuple[Feed, ...]),
    Field(min_length=1, max_length=MOST_FEEDS),
]


class FeedsKeys(Keys):
    """RSS and Atom feeds, a row an entry."""

    urls: Feeds = Field(description="Addresses, and paths of files.")
    per_host: Count = Field(default=2, description="How many feeds of one host are asked at once.")
    timeout: PositiveSeconds = Field(default=10, description="For any one feed.")
    limit: Bytes = Field(default=2_000_000, description="How long a feed may be.")

    @field_validator("limit")
    @classmethod
    def _bounded(cls, limit: int) -> int:
        if not 1_000 <= limit <= 20_000_000:
            raise ValueError("must be between 1kB and 20MB")
        return limit

    def to_source(self, name: str, *, timezone: str, expect_rows: bool) -> Source:
        """Return the source, whose columns are its own."""
        where = {key: getattr(self, key) for key in FeedsKeys.model_fields}
        columns = OWN_SHAPES["entries"]
        return Source(name=name, kind="feeds", where=where, columns=columns, timezone=timezone, expect_rows=expect_rows)


class ImapKeys(Keys):
    """A mailbox, a row a thread; or the abuse reports in it."""

    host: Plain
    port: Port | None = Field(default=None, description="Default: 993 with tls, else 143.")
    security: Literal["tls", "starttls", "none"] = Field(default="tls", description="`none` is for this machine only.")
    username: Plain
    password: Secret | None = None
    token: Secret | None = Field(default=None, description="Signs in by XOAUTH2 instead of a password.")
    folder: Folders = Field(default=("INBOX",), description="Folder or folders: [INBOX, Sent] tells of our answers.")
    ours: Texts = Field(default=(), description="Our own addresses; `@example.com` is a whole domain.")
    gives: Literal["threads", "reports"] = Field(default="threads", description="What a row is.")
    match: SourceName | None = Field(default=None, description="Source that tells whose a domain or address is.")
    since: PositiveSeconds | None = Field(default=None, description="How far back. Default: all that is there.")
    limit: MailCount = Field(default=20_000, description="More mails than that are an error.")
    timeout: PositiveSeconds = Field(default=30, description="For any one answer.")
    verify: Flag = Field(default=True, description="Check the certificate. `false` is said in every digest.")

    @field_validator("ours")
    @classmethod
    def _own_addresses(cls, ours: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(_check_own(address) for address in ours)

    @model_validator(mode="after")
    def _one_way_in(self) -> ImapKeys:
        if (self.password is None) == (self.token is None):
            raise ValueError("needs a password or a token, one of them")
        if self.match is not None and self.gives != "reports":
            raise ValueError("match goes with gives: reports")
        if not self.folder:
            raise ValueError("folder names none")
        if not self.ours and "@" not in self.username:
            raise ValueError("does not say which addresses are ours\nadd ours: [support@example.com]")
        return self

    def to_source(self, name: str, *, timezone: str, expect_rows: bool) -> Source:
        """Return the source, whose columns are its own; its secrets stay references."""
        where = {key: getattr(self, key) for key in ImapKeys.model_fields}
        columns = OWN_SHAPES[self.gives]
        return Source(name=name, kind="imap", where=where, columns=columns, timezone=timezone, expect_rows=expect_rows)
