"""Real MariaDB and PostgreSQL servers on loopback, each in a folder of its own; what is in them is lost with it."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pymysql

from opsrunner.model.database import Database, Engine

from .seaweed import is_free

START_SECONDS = 60
USER, PASSWORD = "opsrunner", "canary-database-5ecret"
"""An account that may do everything: what holds it back in a test is the session, not its rights."""
MARIADB_PLACES = ("mariadbd", "mysqld")
POSTGRES_PLACES = "/usr/lib/postgresql/*/bin"


@dataclass(frozen=True, kw_only=True)
class DatabaseServer:
    """A running server. `certificate` is its own, made by itself, for 127.0.0.1."""

    engine: Engine
    port: int
    folder: Path
    process: subprocess.Popen[bytes]

    @property
    def certificate(self) -> Path:
        return self.folder / "server.crt"

    @property
    def socket(self) -> str:
        """What `socket` takes: MariaDB's file, PostgreSQL's folder."""
        return str(self.folder / "server.sock") if self.engine == "mysql" else str(self.folder)

    def database(self, name: str, **others: Any) -> Database:
        """Return how a source names a database of this server."""
        known: dict[str, Any] = {"port": self.port, "user": USER, "password": PASSWORD, **others}
        return Database(engine=self.engine, name=name, **known)

    def fresh(self, name: str, *statements: str) -> Database:
        """Make a database anew, say `statements` in it, and return how a source names it."""
        quote = "`" if self.engine == "mysql" else '"'
        self.say(f"drop database if exists {quote}{name}{quote}")
        more = " character set utf8mb4" if self.engine == "mysql" else ""
        self.say(f"create database {quote}{name}{quote}{more}")
        self.say(*statements, name=name)
        return self.database(name)

    def say(self, *statements: str, name: str = "") -> list[tuple[Any, ...]]:
        """Say SQL as who may do everything; return the rows of the last statement."""
        rows: list[tuple[Any, ...]] = []
        with self._connected(name) as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
                rows = list(cursor.fetchall()) if cursor.description else []
        return rows

    def fill(self, name: str, table: str, columns: Sequence[str], records: Iterable[Sequence[Any]]) -> None:
        """Put many rows into a table."""
        with self._connected(name) as connection, connection.cursor() as cursor:
            if self.engine == "mysql":
                named, places = ", ".join(f"`{column}`" for column in columns), ", ".join(["%s"] * len(columns))
                cursor.executemany(f"insert into `{table}` ({named}) values ({places})", records)
                return
            named = ", ".join(f'"{column}"' for column in columns)
            with cursor.copy(f'copy "{table}" ({named}) from stdin') as copy:
                for record in records:
                    copy.write_row(record)

    def _connected(self, name: str) -> Any:
        if self.engine == "mysql":
            return pymysql.connect(
                unix_socket=self.socket,
                user="root",
                database=name or None,
                charset="utf8mb4",
                autocommit=True,
                ssl_disabled=True,
            )
        return psycopg.connect(
            host=self.socket, port=self.port, dbname=name or "postgres", user="postgres", autocommit=True
        )


@contextmanager
def mariadb(folder: Path) -> Iterator[DatabaseServer]:
    """Run a MariaDB server whose files lie in an empty folder."""
    port = _free_port()
    _make_certificate(folder)
    own: dict[str, Any] = {"env": {"PATH": os.environ["PATH"], "HOME": str(folder)}, "stdin": subprocess.DEVNULL}
    common = ["--no-defaults", f"--datadir={folder}/data", *(["--user=root"] if os.geteuid() == 0 else [])]
    install = ["mariadb-install-db", *common, "--skip-test-db", "--auth-root-authentication-method=normal"]
    with (folder / "install.log").open("wb") as log:
        subprocess.run([*install, "--innodb-log-file-size=8M"], stdout=log, stderr=log, check=True, **own)
    command = [
        _program(*MARIADB_PLACES),
        *common,
        f"--socket={folder}/server.sock",
        f"--pid-file={folder}/server.pid",
        f"--port={port}",
        "--bind-address=127.0.0.1",
        "--skip-name-resolve",
        "--skip-log-bin",
        "--innodb-flush-log-at-trx-commit=0",
        "--innodb-buffer-pool-size=32M",
        "--innodb-log-file-size=8M",
        "--sql-mode=",
        f"--ssl-cert={folder}/server.crt",
        f"--ssl-key={folder}/server.key",
    ]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, **own)
    server = DatabaseServer(engine="mysql", port=port, folder=folder, process=process)
    with _ending(server):
        _wait_for(server)
        server.say(
            f"create user '{USER}'@'127.0.0.1' identified by '{PASSWORD}'",
            f"grant all on *.* to '{USER}'@'127.0.0.1'",
        )
        yield server


@contextmanager
def postgres() -> Iterator[DatabaseServer]:
    """Run a PostgreSQL server. It refuses to be root's, so its folder is one that another user can reach."""
    port = _free_port()
    owner = _other_user() if os.geteuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="opsrunner-postgres-"))
    try:
        _make_certificate(folder)
        (folder / "password").write_text(PASSWORD)
        if owner:
            for path in (folder, *folder.iterdir()):
                shutil.chown(path, owner, pwd.getpwnam(owner).pw_gid)
        with _running_postgres(folder, port=port, owner=owner) as server:
            yield server
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _running_postgres(folder: Path, *, port: int, owner: str | None) -> Iterator[DatabaseServer]:
    own: dict[str, Any] = {
        "env": {"PATH": os.environ["PATH"], "HOME": str(folder), "LC_ALL": "C.UTF-8"},
        "cwd": folder,
        "stdin": subprocess.DEVNULL,
        **({"user": owner, "group": pwd.getpwnam(owner).pw_gid, "extra_groups": []} if owner else {}),
    }
    install = [_program("initdb"), "-D", f"{folder}/data", "-U", "postgres", "-E", "UTF8", "--no-sync"]
    access = ["--auth-local=trust", "--auth-host=scram-sha-256", f"--pwfile={folder}/password"]
    with (folder / "log").open("wb") as log:
        subprocess.run([*install, *access], stdout=log, stderr=log, check=True, **own)
        settings = {
            "port": port,
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": folder,
            "fsync": "off",
            "shared_buffers": "16MB",
            "timezone": "UTC",
            "ssl": "on",
            "ssl_cert_file": folder / "server.crt",
            "ssl_key_file": folder / "server.key",
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        command = [_program("postgres"), "-D", f"{folder}/data", *options]
        process = subprocess.Popen(command, stdout=log, stderr=log, **own)
    server = DatabaseServer(engine="postgresql", port=port, folder=folder, process=process)
    with _ending(server):
        _wait_for(server)
        server.say(f"create role {USER} superuser login password '{PASSWORD}'")
        yield server


@contextmanager
def _ending(server: DatabaseServer) -> Iterator[None]:
    try:
        yield
    finally:
        server.process.terminate()
        try:
            server.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            server.process.kill()
            server.process.wait()


def _wait_for(server: DatabaseServer) -> None:
    give_up_at = time.monotonic() + START_SECONDS
    while time.monotonic() < give_up_at and server.process.poll() is None:
        with suppress(OSError, pymysql.Error, psycopg.Error):
            if server.engine == "mysql":  # PyMySQL leaves the socket of a connection that is refused
                with socket.socket(socket.AF_UNIX) as probe:
                    probe.connect(server.socket)
            server.say("select 1")
            return
        time.sleep(0.05)
    raise AssertionError(f"{server.engine} did not start: {(server.folder / 'log').read_text()[-2000:]}")


def _make_certificate(folder: Path) -> None:
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", f"{folder}/server.key"]
    names = ["-subj", "/CN=A database", "-addext", "subjectAltName=IP:127.0.0.1"]
    command = ["openssl", "req", "-x509", *key, "-out", f"{folder}/server.crt", "-days", "2", *names]
    subprocess.run(command, check=True, capture_output=True)


def _other_user() -> str:
    return next(name for name in ("postgres", "nobody") if _is_user(name))


def _is_user(name: str) -> bool:
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True


def _program(*names: str) -> str:
    """Return the full path of a program; Debian keeps PostgreSQL's apart from the path."""
    folders = [*os.environ.get("PATH", "").split(os.pathsep), "/usr/sbin", "/usr/local/sbin"]
    folders += [str(path) for path in sorted(Path("/").glob(POSTGRES_PLACES.lstrip("/")), reverse=True)]
    found = (shutil.which(name, path=os.pathsep.join(folders)) for name in names)
    return next(path for path in found if path)


def _free_port() -> int:
    """Return a port below those that the system gives to connections, apart from those of SeaweedFS."""
    first = 22_500 + os.getpid() * 7 % 5_000
    return next(port for port in range(first, 32_000) if is_free(port))
