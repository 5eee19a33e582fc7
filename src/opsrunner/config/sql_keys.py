"""What `opsrunner.yaml` may say about a database that rows come from."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from pydantic import Field, field_validator, model_validator

from opsrunner.config.fields import Flag, Keys, Text
from opsrunner.config.site_keys import Address, Port
from opsrunner.model.database import PORTS, Database, Engine
from opsrunner.secrets import SecretRef
from opsrunner.sources.database_url import FORMS, parse_database_url, sqlite_path
from opsrunner.steps.fields import Secret, TextOrSecret

DRIVERS: dict[str, Engine] = {"mariadb": "mysql", "mysql": "mysql", "postgresql": "postgresql"}
_PARTS = ("driver", "host", "port", "socket", "database", "user", "password")


class SqlKeys(Keys):
    """A database: by its `url`, or by its parts."""

    url: TextOrSecret | None = Field(default=None, description=f"{FORMS}, or a secret that holds it.")
    driver: Literal["mariadb", "mysql", "postgresql", "sqlite"] | None = None
    host: Address | None = Field(default=None, description="Default: this machine.")
    port: Port | None = None
    socket: Text | None = Field(default=None, description="Path of a socket instead of host and port.")
    database: Text | None = Field(default=None, description="Its name; of SQLite, the path of the file.")
    user: Text | None = None
    password: Secret | None = None
    ca: Text | None = Field(default=None, description="File of the authorities that sign the server's certificate.")
    verify: Flag = Field(default=True, description="Check the certificate. `false` is said in every digest.")

    @field_validator("url")
    @classmethod
    def _readable(cls, value: str | SecretRef | None) -> str | SecretRef | None:
        if isinstance(value, str) and sqlite_path(value) is None:
            parse_database_url(value)
        return value

    @model_validator(mode="after")
    def _url_or_parts(self) -> SqlKeys:
        given = [part for part in _PARTS if part in self.model_fields_set]
        if self.url is not None and given:
            raise ValueError(f"'{given[0]}' does not go with url\nkeep one of them")
        if self.url is None and (self.driver is None or self.database is None):
            raise ValueError("needs a url, or driver and database")
        if self.socket is not None and (self.host is not None or self.port is not None):
            raise ValueError("socket stands instead of host and port\nkeep one of them")
        others = sorted(self.model_fields_set - {"url", "driver", "database"})
        if self.file is not None and others:
            raise ValueError(f"'{others[0]}' does not go with a SQLite file")
        return self

    @property
    def file(self) -> str | None:
        """The path of a SQLite file; None for a server."""
        if isinstance(self.url, str):
            return sqlite_path(self.url)
        return self.database if self.driver == "sqlite" else None

    def to_database(self) -> Database:
        """Return the server; its secrets stay references."""
        if isinstance(self.url, str):
            return replace(parse_database_url(self.url), ca=self.ca or "", verify=self.verify)
        if self.url is not None:
            return Database(url=self.url, ca=self.ca or "", verify=self.verify)
        engine = DRIVERS[self.driver or "mysql"]
        return Database(
            engine=engine,
            host=self.host or "127.0.0.1",
            port=self.port or PORTS[engine],
            socket=self.socket or "",
            name=self.database or "",
            user=self.user or "",
            password=self.password,
            ca=self.ca or "",
            verify=self.verify,
        )
