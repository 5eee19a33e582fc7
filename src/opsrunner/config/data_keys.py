"""What `opsrunner.yaml` may say about stores and sources."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, TypeAlias, cast

from pydantic import AfterValidator, Field, model_validator

from opsrunner.config.fields import Flag, HostName, Keys, PositiveSeconds, Text, Url, Zone
from opsrunner.config.inbox_keys import FeedsKeys, ImapKeys
from opsrunner.model.site import Column, Source
from opsrunner.model.store import LocalStore, S3Store, SftpStore, StoreSettings
from opsrunner.steps.fields import Secret, TextOrSecret

_COLUMN = re.compile(r"(text|number|moment|date|flag)(\??)\Z")


def _check_column(text: str) -> str:
    if not _COLUMN.match(text):
        raise ValueError(
            f"'{text[:30]}' is not a type of column; the types are text, number, moment, date and flag, "
            "each with ? where the value may be empty"
        )
    return text


ColumnTypeName: TypeAlias = Literal["text", "number", "moment", "date", "flag"]
ColumnType: TypeAlias = Annotated[str, AfterValidator(_check_column)]


class LocalStoreKeys(Keys):
    """A folder of this machine."""

    path: Text

    def to_settings(self) -> LocalStore:
        """Return the folder."""
        return LocalStore(path=self.path)


class S3StoreKeys(Keys):
    """A bucket."""

    bucket: Text
    endpoint: Url
    region: str = ""
    prefix: str = ""
    access_key: Secret
    secret_key: Secret
    verify: Flag = Field(default=True, description="Check the certificate. `false` is said in every digest.")

    def to_settings(self) -> S3Store:
        """Return the bucket; its secrets stay references."""
        return S3Store(**{name: getattr(self, name) for name in S3StoreKeys.model_fields})


class SftpStoreKeys(Keys):
    """A folder of a host in the inventory."""

    host: HostName
    path: Text

    def to_settings(self) -> SftpStore:
        """Return the folder of the host."""
        return SftpStore(host=self.host, path=self.path)


class StoreKeys(Keys):
    """Where copies go; one of the three."""

    local: LocalStoreKeys | None = None
    s3: S3StoreKeys | None = None
    sftp: SftpStoreKeys | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> StoreKeys:
        if len(self.model_fields_set) != 1:
            raise ValueError("must be one of: local, s3, sftp")
        return self

    def to_settings(self) -> StoreSettings:
        """Return the settings of the form that was chosen."""
        chosen = self.local or self.s3 or self.sftp
        assert chosen is not None  # noqa: S101  _exactly_one saw to it
        return chosen.to_settings()


SourceKind: TypeAlias = Literal["csv", "sqlite", "http_json", "feeds", "imap"]

SOURCE_KEYS: dict[SourceKind, frozenset[str]] = {
    "csv": frozenset({"delimiter", "encoding", "decimal"}),
    "sqlite": frozenset({"table", "sql"}),
    "http_json": frozenset({"items", "headers", "timeout"}),
    "feeds": frozenset(),
    "imap": frozenset(),
}


def _column(name: str, written: str) -> Column:
    type_ = cast("ColumnTypeName", written.removesuffix("?"))
    return Column(name=name, type=type_, optional=written.endswith("?"))


class SourceKeys(Keys):
    """Where rows come from; one of `csv`, `sqlite`, `http_json`, `feeds` and `imap`."""

    csv: Text | None = Field(default=None, description="Path of a file.")
    sqlite: Text | None = Field(default=None, description="Path of a database.")
    http_json: Url | None = Field(default=None, description="Address that answers with JSON.")
    feeds: FeedsKeys | None = Field(default=None, description="RSS and Atom feeds.")
    imap: ImapKeys | None = Field(default=None, description="A mailbox.")
    columns: dict[Text, ColumnType] = Field(default_factory=dict)
    timezone: Zone | None = Field(default=None, description="Of moments without one. Default: the site's.")
    expect_rows: Flag = Field(default=False, description="No rows at all is an error.")
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] | None = None
    encoding: Text | None = None
    decimal: Literal[".", ","] | None = Field(default=None, description="Sign of decimals. Default: a point.")
    table: Text | None = None
    sql: Text | None = None
    items: Text | None = Field(default=None, description="Where in the answer the rows lie: data.orders")
    headers: dict[Text, TextOrSecret] = Field(default_factory=dict)
    timeout: PositiveSeconds | None = None

    @model_validator(mode="after")
    def _fitting_keys(self) -> SourceKeys:
        kinds = self.model_fields_set & set(SOURCE_KEYS)
        if len(kinds) != 1:
            raise ValueError(f"must be one of: {', '.join(SOURCE_KEYS)}")
        (kind,) = cast("set[SourceKind]", kinds)
        for other, keys in SOURCE_KEYS.items():
            strange = self.model_fields_set & (keys - SOURCE_KEYS[kind])
            if other != kind and strange:
                raise ValueError(f"'{min(strange)}' does not go with {kind}")
        return self

    @model_validator(mode="after")
    def _own_shape(self) -> SourceKeys:
        if self.columns and (self.feeds or self.imap):
            raise ValueError("columns are not given for feeds and imap: they have columns of their own")
        return self

    def to_source(self, name: str, timezone: str) -> Source:
        """Return the source; `where` holds `path` or `url` and what else was given for its kind."""
        own = self.feeds or self.imap
        if own is not None:
            return own.to_source(name, timezone=self.timezone or timezone, expect_rows=self.expect_rows)
        kind: SourceKind = "csv" if self.csv else "sqlite" if self.sqlite else "http_json"
        where: dict[str, Any] = {"url" if kind == "http_json" else "path": getattr(self, kind)}
        given = self.model_fields_set & SOURCE_KEYS[kind]
        return Source(
            name=name,
            kind=kind,
            where=where | {key: getattr(self, key) for key in sorted(given)},
            columns=tuple(_column(column, type_) for column, type_ in self.columns.items()),
            timezone=self.timezone or timezone,
            expect_rows=self.expect_rows,
        )
