"""Addresses of databases: `mysql://user@host:3306/name`, `postgresql://…`, `sqlite:///path`."""

from __future__ import annotations

from urllib.parse import SplitResult, unquote, urlsplit

from opsrunner.model.database import PORTS, Database, Engine

FORMS = "mysql://user@host/database, postgresql://user@host/database or sqlite:///path"
_ENGINES: dict[str, Engine] = {
    "mysql": "mysql",
    "mariadb": "mysql",
    "postgresql": "postgresql",
    "postgres": "postgresql",
}


def parse_database_url(text: str) -> Database:
    """Return the server that an address names. Raises ValueError, which never shows what was written."""
    parts = _split(text)
    engine = _ENGINES.get(parts.scheme)
    if engine is None:
        raise ValueError(f"is no address of a database\nwrite {FORMS}")
    if parts.query or parts.fragment:
        raise ValueError(
            "ends with options\nleave what follows the database's name out; ca and verify stand beside url"
        )
    name = unquote(parts.path.lstrip("/"))
    if not parts.hostname or not name:
        raise ValueError(f"names no {'database' if parts.hostname else 'host'}\nwrite {FORMS}")
    return Database(
        engine=engine,
        host=parts.hostname,
        port=_port(parts) or PORTS[engine],
        name=name,
        user=unquote(parts.username or ""),
        password=unquote(parts.password) if parts.password else None,
    )


def sqlite_path(text: str) -> str | None:
    """Return the path that an address of a SQLite file names, as SQLAlchemy writes it; None for any other address.

    Three strokes lead to a path in the site, four to an absolute one.
    """
    if not text.startswith("sqlite:"):
        return None
    path = unquote(text.removeprefix("sqlite:///"))
    if path == text or not path:
        raise ValueError("names no file\nwrite sqlite:///data/billing.db, or sqlite:////srv/billing.db")
    return path


def _split(text: str) -> SplitResult:
    try:
        return urlsplit(text)
    except ValueError as exc:
        raise ValueError(f"is no address of a database\nwrite {FORMS}") from exc


def _port(parts: SplitResult) -> int | None:
    try:
        return parts.port
    except ValueError as exc:
        raise ValueError("names no port that there is\na port is a number up to 65535") from exc
