"""Nothing is looked up, reported or fetched: opsrunner speaks to the hosts that its site names and to nobody else.

Every call runs in a network of its own that has only a loopback, and under strace, which sees the attempt as well.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = [pytest.mark.needs("strace"), pytest.mark.needs("unshare"), pytest.mark.needs("ip", "root")]

ROOT = Path(__file__).parents[2]
SCRIPT = Path(sys.executable).with_name("opsrunner")
ALONE = 'ip link set lo up && exec strace -f -qq -e trace=connect,sendto,sendmsg,sendmmsg -o "$0" -- "$@"'
HARMLESS = re.compile(r"AF_UNIX|AF_NETLINK|AF_UNSPEC|sin_addr=inet_addr\(\"(127\.|0\.0\.0\.0\")|\"::1?\"")
"""No address at all is this machine, too: `sshd -T`, which the hardening audit asks, sorts what it would listen on."""
NAME_SERVER = "htons(53)"
EVERY_MODULE = """
import importlib, pkgutil, opsrunner
for module in pkgutil.walk_packages(opsrunner.__path__, "opsrunner."):
    importlib.import_module(module.name)
"""
SERVED_SECONDS = 6.0


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample site in a folder of its own."""
    folder = tmp_path_factory.mktemp("site")
    for name in ("routines", "checklists", "reports"):
        shutil.copytree(ROOT / name, folder / name)
    shutil.copy(ROOT / "opsrunner.yaml", folder)
    shutil.copy(ROOT / "maintenance.yaml", folder)
    return folder


@pytest.fixture
def alone(site: Path, tmp_path: Path) -> Callable[..., subprocess.Popen[str]]:
    """Start a program in the site, in a network without a way out, traced into `trace`."""

    def start(*command: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            ["unshare", "--net", "sh", "-c", ALONE, str(tmp_path / "trace"), *command],
            cwd=site,
            env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "LANG": "C.UTF-8"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    return start


def calls_out(trace: Path) -> list[str]:
    """Return what went to another address than this machine's own, and whatever asked a name server."""
    lines = trace.read_text(errors="replace").splitlines()
    addressed = [line for line in lines if "sa_family=" in line]
    return [line for line in addressed if NAME_SERVER in line or not HARMLESS.search(line)]


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["check"], ["next", "certificates"], ["next", "--cron", "@daily"], ["runs"], ["digest"], ["try"]],
    ids=" ".join,
)
def test_a_verb_calls_nobody(alone: Callable[..., subprocess.Popen[str]], tmp_path: Path, arguments: list[str]) -> None:
    done = alone(str(SCRIPT), *arguments)
    said, _ = done.communicate(timeout=100)
    assert done.returncode == 0, said
    assert calls_out(tmp_path / "trace") == []


def test_no_module_calls_anybody_when_it_is_imported(
    alone: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    done = alone(sys.executable, "-c", EVERY_MODULE)
    said, _ = done.communicate(timeout=60)
    assert done.returncode == 0, said
    assert calls_out(tmp_path / "trace") == []


def test_the_daemon_calls_nobody_that_its_site_does_not_name(
    alone: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    daemon = alone(str(SCRIPT), "serve")
    assert daemon.stdout is not None
    lines = iter(daemon.stdout.readline, "")
    try:
        assert any("in force" in line for line in lines)
        time.sleep(SERVED_SECONDS)  # mails, heartbeat, digests, planner and files have each been looked after
    finally:
        os.killpg(daemon.pid, signal.SIGTERM)
        daemon.communicate(timeout=60)
    assert daemon.returncode == 0
    assert calls_out(tmp_path / "trace") == []


@pytest.mark.parametrize(
    "code",
    [
        "import socket; socket.socket().connect_ex(('192.0.2.1', 443))",
        "import socket; socket.socket(type=socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.53', 53))",
        "import socket; socket.socket(socket.AF_INET6).connect_ex(('2001:db8::1', 443))",
    ],
    ids=["IPv4", "name server", "IPv6"],
)
def test_a_call_out_would_be_seen(alone: Callable[..., subprocess.Popen[str]], tmp_path: Path, code: str) -> None:
    alone(sys.executable, "-c", code).communicate(timeout=60)
    assert len(calls_out(tmp_path / "trace")) == 1
