"""What every test stands on: loopback only, private files, named skips, and a small site to work with."""

from __future__ import annotations

import logging
import os
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from .databases import DatabaseServer
    from .farm import Farm, Quirks
    from .front_door import FrontDoor
    from .seaweed import S3Server

SYSTEM_FOLDERS = (
    *("/usr/sbin", "/sbin", "/usr/local/sbin", "/usr/lib/dovecot"),
    *(str(path) for path in Path("/usr/lib/postgresql").glob("*/bin")),
)
MINIMAL_SITE = """\
site: Example Hosting
timezone: Europe/Oslo
people:
  boss: {name: The owner, email: owner@example.com, roles: [owner]}
  ops1: {name: First technician, email: ops1@example.com, roles: [sysadmin, support]}
"""

# The gate must answer the same twice; people's own runs look further each time. No deadline: cores are shared.
settings.register_profile("person", deadline=None)
settings.register_profile("gate", deadline=None, derandomize=True)
settings.load_profile("gate" if os.environ.get("CI") == "true" else "person")

TOGETHER = {
    "tests/acceptance/test_clock.py": "clock",  # all its scenes are played at once
    "tests/acceptance/test_wheel.py": "wheel",
    "tests/integration/app/test_ask.py": "ask",
    **{f"tests/integration/mail/{name}.py": "mail" for name in ("test_postfix_dovecot", "test_notices_arrive")},
    **{f"tests/integration/stores/{name}.py": "s3" for name in ("test_s3", "test_s3_answers", "test_s3_certificates")},
    **{f"tests/integration/stores/{name}.py": "s3" for name in ("test_s3_lines", "test_whole_way")},
    **{f"tests/integration/sources/{name}.py": "sql" for name in ("test_reading", "test_sql_servers", "test_whmcs")},
    "tests/integration/app/test_real_databases.py": "sql",
}
"""Files whose tests one worker runs, by what they share."""
BY_FILE = ("tests/unit/", "tests/integration/")
"""Where a file's tests stay together, because they are short."""
WAITING = (
    "clock",
    *(f"tests/acceptance/{name}.py" for name in ("test_serve", "test_no_network", "test_runs_by_hand")),
    *("tests/browser/test_day.py::test_a_row_of_an_approval", "tests/browser/test_day.py::test_a_live_run"),
    *(f"tests/acceptance/{folder}/" for folder in ("kills", "disk/daemon")),
    *(f"tests/integration/{name}" for name in ("fleet/", "sources/test_imap", "sources/test_feeds", "mail/")),
    *(f"tests/integration/steps/{name}.py" for name in ("test_run_time", "test_escapes", "test_ssh")),
)
"""What one worker begins with, because it mostly waits: the others have the processors meanwhile."""
SiteMaker = Callable[[Mapping[str, str]], Path]
FarmMaker = Callable[..., "Farm"]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Give long tests one by one to whichever worker is free, short ones by their files, and those of TOGETHER to one.

    Long ones come first, so that at the end no worker is left alone with one; what is WAITING comes first for one.

    pytest-xdist's own groups have no effect with this pytest: it no longer sees the name that they give a test.
    """
    from xdist.scheduler import LoadScopeScheduling  # noqa: PLC0415 - only where tests run side by side

    config.option.loadscopereorder = False  # else those with most tests come first: not those that take longest

    class OneByOne(LoadScopeScheduling):  # type: ignore[misc]  # pytest-xdist ships no types
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.partition("::")[0]
            return TOGETHER.get(file, file if file.startswith(BY_FILE) else nodeid)

        def _assign_work_unit(self, node: Any) -> None:
            waits = node is self.nodes[0]
            fitting = (scope for scope in self.workqueue if scope.startswith(WAITING) is waits)
            self.workqueue.move_to_end(next(fitting, next(iter(self.workqueue))), last=False)
            super()._assign_work_unit(node)

    return OneByOne(config, log)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test whose programs (or root's rights) are missing, by name; in CI that is a failure."""
    for marker in item.iter_markers("needs"):
        missing = [need for need in marker.args if is_missing(need)]
        if not missing:
            continue
        sentence = f"not here: {', '.join(missing)}; .ci/packages says what brings a program"
        if os.environ.get("CI") == "true":
            pytest.fail(sentence, pytrace=False)
        pytest.skip(sentence)


def is_missing(need: str) -> bool:
    """Tell whether a program is not installed here; `root` asks who runs the tests."""
    return os.geteuid() != 0 if need == "root" else find_program(need) is None


def find_program(name: str) -> str | None:
    """Return the full path of a program, also of those that only root has on the path."""
    folders = [*os.environ.get("PATH", "").split(os.pathsep), *SYSTEM_FOLDERS]
    return shutil.which(name, path=os.pathsep.join(folders))


@pytest.fixture
def program() -> Callable[[str], str]:
    """Give the full path of a program that the test `needs`."""

    def locate(name: str) -> str:
        path = find_program(name)
        assert path is not None, f"{name}: mark the test with needs({name!r})"
        return path

    return locate


@pytest.fixture(autouse=True)
def _own_log() -> Iterator[None]:
    """Take back what a verb that is called in this process does to the log: the next test's would be cut short."""
    loggers = [logging.getLogger(), logging.getLogger("opsrunner")]
    before = [(logger, logger.level, logger.propagate, list(logger.handlers)) for logger in loggers]
    yield
    for logger, level, propagate, handlers in before:
        logger.setLevel(level)
        logger.propagate = propagate
        for handler in [one for one in logger.handlers if one not in handlers]:
            logger.removeHandler(handler)


@pytest.fixture(scope="session", autouse=True)
def _idle_at_the_end() -> Iterator[None]:
    """Refuse threads that tests leave behind at work: every later test would have to share its core with them."""
    yield
    before = time.process_time()
    time.sleep(0.3)
    busy_seconds = time.process_time() - before
    left = [f"{thread.name} ({getattr(thread, '_target', '')})" for thread in threading.enumerate()]
    assert busy_seconds < 0.15, f"something that a test began is still at work: {left}"


@pytest.fixture(scope="session", autouse=True)
def _private_files() -> Iterator[None]:
    before = os.umask(0o077)
    yield
    os.umask(before)


@pytest.fixture(scope="session", autouse=True)
def _loopback_only() -> Iterator[None]:
    """Refuse to connect to any other machine: a test that needs one is not a test."""
    plain_connect, plain_connect_ex = socket.socket.connect, socket.socket.connect_ex

    def connect(self: socket.socket, address: Any) -> None:
        refuse_elsewhere(self, address)
        plain_connect(self, address)

    def connect_ex(self: socket.socket, address: Any) -> int:
        refuse_elsewhere(self, address)
        return plain_connect_ex(self, address)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", connect)
        patch.setattr(socket.socket, "connect_ex", connect_ex)
        yield


def refuse_elsewhere(sock: socket.socket, address: Any) -> None:
    """Raise where `address` is not on this machine."""
    if sock.family not in (socket.AF_INET, socket.AF_INET6):
        return
    host = str(address[0])
    if host != "localhost" and not is_loopback(host):
        raise AssertionError(f"a test tried to connect to {host}; only loopback is allowed")


def is_loopback(host: str) -> bool:
    """Tell whether `host` is an address of this machine; a name that must be looked up is not."""
    try:
        return ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return False


@pytest.fixture(scope="session")
def front_door() -> Iterator[FrontDoor]:
    """The program, imported once for all that call it."""
    from .front_door import keeping  # noqa: PLC0415 - few tests call the program

    with keeping() as door:
        yield door


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """SeaweedFS; what uses it most stands in TOGETHER, so that one worker starts it. Several may, side by side."""
    from .seaweed import serving  # noqa: PLC0415 - few tests need boto3

    with serving(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture(scope="session")
def mariadb_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DatabaseServer]:
    """MariaDB. Mark tests with needs("mariadbd", "openssl"); what uses it most stands in TOGETHER."""
    from .databases import mariadb  # noqa: PLC0415 - few tests need a database

    with mariadb(tmp_path_factory.mktemp("db")) as server:
        yield server


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[DatabaseServer]:
    """PostgreSQL. Mark tests with needs("postgres", "openssl"); what uses it most stands in TOGETHER."""
    from .databases import postgres  # noqa: PLC0415 - few tests need a database

    with postgres() as server:
        yield server


@pytest.fixture
def make_farm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FarmMaker]:
    """Start hosts that end with the test: `make_farm(50, web7=Quirks(…))` gives `web1` to `web50`.

    Mark tests with needs("sshd").
    """
    from .farm import farming  # noqa: PLC0415 - few tests need hosts

    with ExitStack() as farms:

        def make(count: int, **quirks: Quirks) -> Farm:
            return farms.enter_context(farming(tmp_path_factory.mktemp("farm"), count, quirks=quirks))

        yield make


@pytest.fixture
def make_site(tmp_path: Path) -> SiteMaker:
    """Write a site into a folder of its own: `make_site({"routines/x.yaml": "..."})` returns its root.

    `opsrunner.yaml` is a minimal one unless given. Each call makes another site.
    """
    made: list[Path] = []

    def make(files: Mapping[str, str]) -> Path:
        root = tmp_path / f"site{len(made) or ''}"
        made.append(root)
        for name, text in {"opsrunner.yaml": MINIMAL_SITE, **files}.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            path.write_text(text, encoding="utf-8")
            path.chmod(0o600)
        for folder in ("routines", "checklists", "reports"):
            (root / folder).mkdir(exist_ok=True, mode=0o700)
        return root

    return make
