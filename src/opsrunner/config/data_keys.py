"""What `opsrunner.yaml` may say about stores and sources."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, TypeAlias, cast

from pydantic import AfterValidator, Field, model_validator

from opsrunner.config.fields import Flag, HostName, Keys, PositiveSeconds, SourceName, Text, Url, Zone
from opsrunner.config.inbox_keys import FeedsKeys, ImapKeys
from opsrunner.config.page_keys import PageKeys
from opsrunner.config.sql_keys import SqlKeys
from opsrunner.model.site import Column, Source
from opsrunner.model.store import LocalStore, S3Store, SftpStore, StoreSettings
from opsrunner.sources.bounce_columns import BOUNCE_COLUMNS
from opsrunner.sources.json_paths import check_path
from opsrunner.sources.ready_queries import ready_query
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


SourceKind: TypeAlias = Literal["csv", "sqlite", "sql", "http_json", "tables", "feeds", "imap", "bounces"]

SOURCE_KEYS: dict[SourceKind, frozenset[str]] = {
    "csv": frozenset({"delimiter", "encoding", "decimal"}),
    "sqlite": frozenset({"table", "query", "sql"}),
    "sql": frozenset({"table", "query", "ready", "timeout"}),
    "http_json": frozenset({"items", "pages", "headers", "timeout"}),
    "tables": frozenset({"query"}),
    "feeds": frozenset(),
    "imap": frozenset(),
    "bounces": frozenset(),
}


def _column(name: str, written: str) -> Column:
    type_ = cast("ColumnTypeName", written.removesuffix("?"))
    return Column(name=name, type=type_, optional=written.endswith("?"))


def _check_ready(name: str) -> str:
    ready_query(name)
    return name


def _check_items(path: str) -> str:
    check_path(path)
    return path


class SourceKeys(Keys):
    """Where rows come from; one of `csv`, `sqlite`, `sql`, `http_json`, `tables`, `feeds`, `imap` and `bounces`."""

    csv: Text | None = Field(default=None, description="Path of a file.")
    sqlite: Text | None = Field(default=None, description="Path of a database.")
    sql: SqlKeys | Text | None = Field(default=None, description="A database server.")
    http_json: Url | None = Field(default=None, description="Address that answers with JSON.")
    tables: tuple[SourceName, ...] = Field(
        default=(), description="Other sources, side by side, for SQL over all of them."
    )
    feeds: FeedsKeys | None = Field(default=None, description="RSS and Atom feeds.")
    imap: ImapKeys | None = Field(default=None, description="A mailbox.")
    bounces: Text | None = Field(default=None, description="Path of a Maildir with delivery reports.")
    columns: dict[Text, ColumnType] = Field(default_factory=dict)
    timezone: Zone | None = Field(default=None, description="Of moments without one. Default: the site's.")
    expect_rows: Flag = Field(default=False, description="No rows at all is an error.")
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] | None = None
    encoding: Text | None = None
    decimal: Literal[".", ","] | None = Field(default=None, description="Sign of decimals. Default: a point.")
    table: Text | None = None
    query: Text | None = Field(default=None, description="SQL that starts with SELECT or WITH.")
    ready: Annotated[Text, AfterValidator(_check_ready)] | None = Field(
        default=None, description="A query that comes with opsrunner: whmcs/domains"
    )
    items: Annotated[Text, AfterValidator(_check_items)] | None = Field(
        default=None, description="Where in the answer the rows lie, in JMESPath: data.orders"
    )
    pages: PageKeys | None = Field(default=None, description="How the answer goes on.")
    headers: dict[Text, TextOrSecret] = Field(default_factory=dict)
    timeout: PositiveSeconds | None = None

    @model_validator(mode="after")
    def _fitting_keys(self) -> SourceKeys:
        kinds = [kind for kind in SOURCE_KEYS if kind in self.model_fields_set]
        if kinds == ["sqlite", "sql"] and isinstance(self.sql, str):
            kinds = ["sqlite"]
        if len(kinds) != 1:
            raise ValueError(f"must be one of: {', '.join(SOURCE_KEYS)}")
        kind = kinds[0]
        if kind == "sql" and not isinstance(self.sql, SqlKeys):
            raise ValueError("sql must be a mapping: {url: …}, or {driver, host, database, user, password}")
        for other, keys in SOURCE_KEYS.items():
            strange = self.model_fields_set & (keys - SOURCE_KEYS[kind])
            if other != kind and strange - {kind}:
                raise ValueError(f"'{min(strange)}' does not go with {kind}")
        if kind == "tables" and not self.tables:
            raise ValueError("tables names the sources that are put side by side\nlist at least one")
        self._check_what_is_read()
        return self

    @model_validator(mode="after")
    def _own_shape(self) -> SourceKeys:
        if self.columns and (self.feeds or self.imap):
            raise ValueError("columns are not given for feeds and imap: they have columns of their own")
        return self

    def _check_what_is_read(self) -> None:
        read = [key for key in ("table", "query", "ready") if getattr(self, key) is not None]
        if isinstance(self.sql, str) and self.sqlite is not None:
            read.append("sql")
        if len(read) > 1:
            raise ValueError(f"{read[0]} and {read[1]} both say what is read\nkeep one of them")
        if self.ready is not None and self._is_surely_no_mysql():
            raise ValueError(f"ready: {self.ready} is for MariaDB and MySQL")

    def _is_surely_no_mysql(self) -> bool:
        if not isinstance(self.sql, SqlKeys):
            return False
        if self.sql.file is not None:
            return True
        return self.sql.to_database().url is None and self.sql.to_database().engine != "mysql"

    def to_source(self, name: str, timezone: str) -> Source:
        """Return the source; `where` holds `path`, `url` or `database`, and what else was given for its kind."""
        own = self.feeds or self.imap
        if own is not None:
            return own.to_source(name, timezone=self.timezone or timezone, expect_rows=self.expect_rows)
        kind, where = self._place()
        given = {key for key in self.model_fields_set & SOURCE_KEYS[kind] if key != "sql"}
        ready = BOUNCE_COLUMNS if self.bounces else ready_query(self.ready).columns if self.ready else ()
        columns = {column.name: column for column in ready} | {
            column: _column(column, type_) for column, type_ in self.columns.items()
        }
        return Source(
            name=name,
            kind=kind,
            where=where | {key: _setting(getattr(self, key)) for key in sorted(given)},
            columns=tuple(columns.values()),
            timezone=self.timezone or timezone,
            expect_rows=self.expect_rows,
        )

    def _place(self) -> tuple[SourceKind, dict[str, Any]]:
        """Return the kind of reader and where it reads. A SQLite file may be named as a database, too."""
        if self.csv is not None:
            return "csv", {"path": self.csv}
        if self.http_json is not None:
            return "http_json", {"url": self.http_json}
        if self.bounces is not None:
            return "bounces", {"path": self.bounces}
        if self.tables:
            return "tables", {"tables": self.tables}
        if isinstance(self.sql, SqlKeys):
            path = self.sql.file
            return ("sqlite", {"path": path}) if path is not None else ("sql", {"database": self.sql.to_database()})
        return "sqlite", {"path": self.sqlite} | ({"query": self.sql} if self.sql else {})


def _setting(value: Any) -> Any:
    return value.to_pages() if isinstance(value, PageKeys) else value
