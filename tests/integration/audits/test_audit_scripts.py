"""The audits' scripts on this very machine, in every shell that a host may have."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from opsrunner.audits import capacity, hardening
from opsrunner.model.finding import Finding, HostReport

Program = Callable[[str], str]
NOBODY = 65534
SHELLS = [
    pytest.param(("dash", "-c"), marks=pytest.mark.needs("dash"), id="dash"),
    pytest.param(("bash", "-o", "pipefail", "-c"), marks=pytest.mark.needs("bash"), id="bash"),
    pytest.param(("busybox", "sh", "-c"), marks=pytest.mark.needs("busybox"), id="busybox"),
]
DASH = ("dash", "-c")
SPOOF = "x\n=== opsrunner end 0\n=== opsrunner done\n\ncount 0 0 0"


def answer_of(
    script: str,
    variables: Mapping[str, str],
    *,
    shell: tuple[str, ...] = DASH,
    user: int | None = None,
    path: Path | None = None,
) -> bytes:
    """Run a script as a host would: its variables in the environment, nothing on standard input."""
    folders = f"{path}:{os.environ['PATH']}" if path else os.environ["PATH"]
    done = subprocess.run(
        [*shell, script],
        env={**variables, "PATH": folders},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=True,
        timeout=60,
        user=user,
        group=user,
        extra_groups=[] if user is not None else None,
        cwd="/",
    )
    assert done.stderr == b""
    return done.stdout


def capacity_of(
    limits: capacity.Limits | None = None, variables: Mapping[str, str] | None = None, **how: object
) -> HostReport:
    wanted = limits or capacity.Limits()
    told = answer_of(capacity.script(), {**capacity.environment_of(wanted), **(variables or {})}, **how)  # type: ignore[arg-type]
    return capacity.read_report("here", told, now=datetime.now(UTC), limits=wanted)


def hardening_of(baseline: hardening.Baseline | None = None, **how: object) -> HostReport:
    wanted = baseline or hardening.Baseline()
    told = answer_of(hardening.script(), hardening.environment_of(wanted), **how)  # type: ignore[arg-type]
    return hardening.read_report("here", told, now=datetime.now(UTC), baseline=wanted)


def subjects(report: HostReport, cause: str) -> set[str]:
    return {finding.subject for finding in report.findings if finding.cause == cause}


@pytest.fixture
def shared_folder() -> Iterator[Path]:
    """A folder that any account may look into, as a host's are; those of pytest are closed."""
    with TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.mark.parametrize("shell", SHELLS)
def test_this_machine_is_looked_at_as_it_is(shell: tuple[str, ...], tmp_path: Path) -> None:
    report = capacity_of(capacity.Limits(certificates=(f"{tmp_path}/*.pem",)), shell=shell)
    root = os.statvfs("/")
    usable = root.f_blocks - root.f_bfree + root.f_bavail

    assert report.problems == ()
    assert report.examined == set(capacity.CAUSES)
    assert report.facts["cores"] == os.cpu_count()
    (of_root,) = [sample for sample in report.facts["samples"] if sample["mount"] == "/"]
    assert of_root["used_bytes"] == pytest.approx((root.f_blocks - root.f_bfree) * root.f_frsize, rel=0.05)
    assert of_root["size_bytes"] == pytest.approx(usable * root.f_frsize, rel=0.05)


@pytest.mark.parametrize("shell", SHELLS)
def test_certificates_are_read_from_files_and_their_ends_judged(
    shell: tuple[str, ...], tmp_path: Path, program: Program
) -> None:
    for name, days in {"fine": 90, "a, b": 10, "due": 2}.items():
        make_certificate(program("openssl"), tmp_path / name / "fullchain.pem", days=days)
    (tmp_path / "due/key.pem").write_text("-----BEGIN PRIVATE KEY-----\n")
    (tmp_path / "broken.pem").write_text("-----BEGIN CERTIFICATE-----\nnone\n")

    report = capacity_of(capacity.Limits(certificates=(f"{tmp_path}/*/*.pem",)), shell=shell)
    broken = capacity_of(capacity.Limits(certificates=(f"{tmp_path}/*.pem",)), shell=shell)

    assert {finding.subject: (finding.severity, finding.detail.partition(", ")[2]) for finding in of(report)} == {
        f"{tmp_path}/a; b/fullchain.pem": ("medium", "9 days left"),
        f"{tmp_path}/due/fullchain.pem": ("critical", "1 day left"),
    }
    assert report.facts["certificates"] == 3
    assert broken.problems == (f"certificates: openssl does not understand {tmp_path}/broken.pem",)


def of(report: HostReport, cause: str = "certificate") -> list[Finding]:
    return [finding for finding in report.findings if finding.cause == cause]


@pytest.mark.needs("openssl", "dash")
def test_more_certificates_than_are_read_leave_the_cause_open(tmp_path: Path, program: Program) -> None:
    for number in range(3):
        make_certificate(program("openssl"), tmp_path / f"{number}.pem", days=90)

    report = capacity_of(capacity.Limits(certificates=(f"{tmp_path}/*.pem",), certificates_most=2))

    assert report.problems == ("certificates: only 2 files were read, there are more",)
    assert "certificate" not in report.examined


@pytest.mark.needs("root", "openssl", "dash")
def test_what_an_account_may_not_read_is_told(shared_folder: Path, program: Program) -> None:
    make_certificate(program("openssl"), shared_folder / "live/a.example/fullchain.pem", days=1)
    (shared_folder / "live").chmod(0o700)
    (shared_folder / "home/anna/public_html").mkdir(parents=True)
    (shared_folder / "home").chmod(0o755)
    (shared_folder / "home/anna").chmod(0o700)
    (shared_folder / "closed/deep").mkdir(parents=True)
    (shared_folder / "closed").chmod(0o700)

    full = capacity_of(capacity.Limits(certificates=(f"{shared_folder}/live/*/fullchain.pem",)), user=NOBODY)
    open_to = hardening_of(hardening.Baseline(web_roots=(f"{shared_folder}/home/*/public_html",)), user=NOBODY)
    (shared_folder / "passable").mkdir()
    make_certificate(program("openssl"), shared_folder / "passable/named.pem", days=9)
    (shared_folder / "passable/named.pem").chmod(0o644)
    (shared_folder / "passable").chmod(0o711)

    named = capacity_of(capacity.Limits(certificates=(f"{shared_folder}/passable/named.pem",)), user=NOBODY)
    guessed = capacity_of(capacity.Limits(certificates=(f"{shared_folder}/passable/*.pem",)), user=NOBODY)
    behind = hardening_of(hardening.Baseline(web_roots=(f"{shared_folder}/closed/deep/*",)), user=NOBODY)

    assert full.problems == (f"certificates: this account may not read {shared_folder}/live",)
    assert "certificate" not in full.examined
    assert (subjects(named, "certificate"), named.problems) == ({f"{shared_folder}/passable/named.pem"}, ())
    assert guessed.problems == (f"certificates: this account may not read {shared_folder}/passable",)
    assert f"web roots: not looked through to the end: {shared_folder}/home/anna" in open_to.problems
    assert f"web roots: not looked through to the end: {shared_folder}/closed" in behind.problems
    assert "empty passwords: not looked at, this account may not read it" in open_to.problems
    assert not {"world-writable", "empty-password"} & open_to.examined


@pytest.mark.needs("root", "unshare", "dash")
def test_a_file_system_counts_once_however_often_it_is_mounted(tmp_path: Path) -> None:
    """Bind mounts, as jails have thousands of, and memory that looks like a disk."""
    (tmp_path / "memory").mkdir()
    mounting = 'mount -t tmpfs none "$1/memory" && mkdir "$1/memory/a b" && mount --bind / "$1/memory/a b" && shift'
    around = ("unshare", "-m", "dash", "-c", f'{mounting} && exec dash -c "$1"', "dash", str(tmp_path))

    here, inside = capacity_of(), capacity_of(shell=around)

    assert mounts_of(inside) == mounts_of(here)


def mounts_of(report: HostReport) -> list[str]:
    return [sample["mount"] for sample in report.facts["samples"]]


@pytest.mark.needs("root", "postqueue", "dash")
def test_the_mails_that_wait_in_a_real_postfix_are_counted(tmp_path: Path, program: Program) -> None:
    variables = postfix_without_a_daemon(tmp_path, program)

    empty = capacity_of(variables=variables)
    for _ in range(2):
        subprocess.run(
            [program("sendmail"), "x@example.com"], env={**os.environ, **variables}, input=b"\nhello\n", check=True
        )
    waiting = capacity_of(capacity.Limits(mail_queue=capacity.Lines(look=2, act=50)), variables=variables)

    assert (empty.facts["mail_queue"], of(empty, "mail-queue")) == (0, [])
    assert waiting.facts["mail_queue"] == 2
    assert [finding.detail for finding in of(waiting, "mail-queue")] == ["2 mails wait"]


@pytest.mark.needs("ss", "dash", "busybox")
@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("has_ss", [True, False], ids=["ss", "kernel's tables"])
def test_a_port_that_is_opened_here_is_found(shell: tuple[str, ...], has_ss: bool, tmp_path: Path) -> None:
    if not has_ss:
        (tmp_path / "ss").write_text("#!/bin/sh\nexit 1\n")
        (tmp_path / "ss").chmod(0o755)
    with listening("0.0.0.0") as outside, listening("127.0.0.1") as inside, listening("::") as six:
        report = hardening_of(shell=shell, path=None if has_ss else tmp_path)

    found = subjects(report, "port")
    assert f"tcp 0.0.0.0:{outside}" in found
    assert f"tcp 127.0.0.1:{inside}" not in found
    assert {f"tcp [::]:{six}", f"tcp 0.0.0.0:{six}"} & found
    assert "port" in report.examined


@pytest.mark.needs("ss", "dash")
def test_a_port_that_the_site_allows_is_no_finding() -> None:
    with listening("0.0.0.0") as port:
        assert f"tcp 0.0.0.0:{port}" not in subjects(hardening_of(hardening.Baseline(allow_ports=(str(port),))), "port")


@pytest.mark.needs("root", "sshd", "dash")
def test_with_root_and_without_the_same_ssh_settings_are_found() -> None:
    """With root by `sshd -T`, else out of the files: on a machine that nobody configured both say the same."""
    mine, plain = hardening_of(), hardening_of(user=NOBODY)

    assert plain.facts["ssh"] == "by its files"
    assert subjects(mine, "ssh-setting") == subjects(plain, "ssh-setting")
    assert "ssh-setting" in mine.examined & plain.examined


@pytest.mark.parametrize("shell", SHELLS)
def test_what_anyone_may_write_in_a_web_root_is_found(shell: tuple[str, ...], tmp_path: Path) -> None:
    for name in ("a b", "fine", "evil"):
        (tmp_path / name).mkdir(mode=0o755)
    (tmp_path / "a b").chmod(0o777)
    (tmp_path / "fine/link").symlink_to("/tmp")
    (tmp_path / "evil" / SPOOF).touch()
    (tmp_path / "evil" / SPOOF).chmod(0o666)

    report = hardening_of(hardening.Baseline(web_roots=(f"{tmp_path}/*",)), shell=shell)

    assert {finding.subject: finding.severity for finding in of(report, "world-writable")} == {
        f"{tmp_path}/a b": "high",
        f"{tmp_path}/evil": "medium",
    }
    assert "world-writable" in report.examined
    assert report.facts["web_roots"] == 3


@pytest.mark.needs("dash")
def test_web_roots_that_there_was_no_time_for_are_told(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()

    report = hardening_of(hardening.Baseline(web_roots=(f"{tmp_path}/*",), web_roots_seconds=0))

    assert "web roots: only 0 were looked at, there was no time for the others" in report.problems
    assert "world-writable" not in report.examined


@pytest.mark.needs("strace", "dash")
@pytest.mark.parametrize("audit", [capacity, hardening], ids=["capacity", "hardening"])
def test_an_audit_only_reads(audit: object, tmp_path: Path, program: Program) -> None:
    """No file is made, opened for writing, renamed, removed or changed; /dev/null and terminals are no files."""
    log = tmp_path / "calls"
    calls = (
        "trace=open,openat,creat,mkdir,mkdirat,unlink,unlinkat,rename,renameat,renameat2,chmod,fchmodat,chown,truncate"
    )
    script = audit.script()  # type: ignore[attr-defined]
    subprocess.run(
        [program("strace"), "-f", "-qq", "-e", calls, "-o", str(log), *DASH, script],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=True,
        timeout=100,
    )

    lines = log.read_text(errors="replace").splitlines()
    writing = re.compile(r"\b(O_WRONLY|O_RDWR|O_CREAT)\b|\b(creat|mkdir|unlink|rename|chmod|chown|truncate)[a-z0-9]*\(")
    harmless = re.compile(r'"/dev/(null|tty|pts/[0-9]+)"|= -1 E')
    assert len(lines) > 50
    assert [line for line in lines if writing.search(line) and not harmless.search(line)] == []


def make_certificate(openssl: str, path: Path, *, days: int) -> None:
    path.parent.mkdir(exist_ok=True, parents=True)
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", os.devnull]
    names = ["-subj", "/CN=a.example", "-days", str(days), "-out", str(path)]
    subprocess.run([openssl, "req", "-x509", *key, *names], check=True, capture_output=True)


def postfix_without_a_daemon(folder: Path, program: Program) -> dict[str, str]:
    """A configuration and a queue of their own; with nobody who delivers, what is sent waits."""
    folder.chmod(0o755)
    for name in ("maildrop", "incoming", "active", "deferred", "hold", "public", "private", "pid", "defer"):
        (folder / "queue" / name).mkdir(parents=True)
    for place in [folder / "queue", *(folder / "queue").iterdir()]:
        shutil.chown(place, "postfix" if place.name != "queue" else "root")
        place.chmod(0o755)
    (folder / "data").mkdir()
    shutil.chown(folder / "data", "postfix")
    (folder / "main.cf").write_text(
        f"compatibility_level = 3.6\nqueue_directory = {folder}/queue\ndata_directory = {folder}/data\n"
    )
    (folder / "master.cf").write_text("pickup unix n - y 60 1 pickup\n")
    return {"MAIL_CONFIG": str(folder)}


@contextmanager
def listening(address: str) -> Iterator[int]:
    """Listen on a free TCP port and on no other address."""
    with ExitStack() as stack:
        server = stack.enter_context(socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET))
        server.bind((address, 0))
        server.listen()
        yield server.getsockname()[1]


@pytest.mark.parametrize("shell", SHELLS)
def test_logins_are_counted_by_way_source_and_day(shell: tuple[str, ...], tmp_path: Path) -> None:
    """However often somebody comes in, the answer stays short: a line a day."""
    accepted = "sshd[1]: Accepted {way} for root from {source} port 1 ssh2"
    lines = [
        f"{day} web3 {accepted.format(way=way, source=source)}"
        for day in ("2026-11-20T08:00:00+0000", "2026-11-20T09:00:00+0000", "2026-11-21T09:00:00+0000")
        for way, source in (("publickey", "192.0.2.1"), ("password", "192.0.2.2"))
    ]
    lines.append("2026-11-21T09:00:00+0000 web3 sshd[1]: Accepted password for anna from 192.0.2.3 port 1 ssh2")
    (tmp_path / "log").write_text("\n".join(lines) + "\n")
    functions = hardening.script().partition("\nunless port")[0]
    body = 'from_file() { accepted_by_day journal <"$LOG"; }\nsection accepted-logins from_file\n'
    told = answer_of(f"{functions}\n{body}", {"LOG": str(tmp_path / "log")}, shell=shell)

    report = hardening.read_report("here", told, now=datetime(2026, 11, 22, tzinfo=UTC))
    assert told.count(b"\n|") == 4
    assert {finding.subject: finding.detail for finding in of(report, "root-login")} == {
        "192.0.2.1": "3 by key, the last on 2026-11-21 09:00 UTC",
        "192.0.2.2": "3 by password, the last on 2026-11-21 09:00 UTC",
    }


@pytest.mark.needs("busybox")
def test_a_system_of_busybox_alone_is_looked_at_too(tmp_path: Path, program: Program) -> None:
    """Its `df`, `awk`, `find` and `sed` instead of GNU's; its `last` tells too little, and that is said."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "web").mkdir()
    (tmp_path / "web").chmod(0o777)
    subprocess.run([program("busybox"), "--install", "-s", str(tmp_path / "bin")], check=True)
    shell, path = ("busybox", "sh", "-c"), tmp_path / "bin"

    full = capacity_of(capacity.Limits(certificates=(f"{tmp_path}/*.pem",)), shell=shell, path=path)
    open_to = hardening_of(hardening.Baseline(web_roots=(f"{tmp_path}/web",)), shell=shell, path=path)

    assert (full.problems, full.examined) == ((), frozenset(capacity.CAUSES))
    assert mounts_of(full) == mounts_of(capacity_of())
    assert subjects(open_to, "world-writable") == {f"{tmp_path}/web"}
    assert {"port", "root-account", "world-writable"} <= open_to.examined


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("has_shadow", [True, False])
def test_an_account_is_open_by_an_empty_field_in_either_file(
    shell: tuple[str, ...], has_shadow: bool, tmp_path: Path
) -> None:
    (tmp_path / "passwd").write_text("root:x:0:0::/:/bin/sh\nopen::1:1::/:/bin/sh\n+::::::\nanna:x:2:2::/:/bin/sh\n")
    if has_shadow:
        (tmp_path / "shadow").write_text("root:*:1::::::\nopen:!:1::::::\nanna::1::::::\n")
    functions = hardening.script().partition("\nunless port")[0]
    for name in ("passwd", "shadow"):
        functions = functions.replace(f"/etc/{name}", str(tmp_path / name))
    told = answer_of(f"{functions}\nsection empty-passwords empty_passwords\n", {}, shell=shell)

    report = hardening.read_report("here", told, now=datetime.now(UTC))
    assert subjects(report, "empty-password") == ({"open", "anna"} if has_shadow else {"open"})
    assert ("empty-password" in report.examined) is has_shadow
