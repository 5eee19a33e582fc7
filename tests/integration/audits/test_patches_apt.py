"""The patch audit against the real apt, with repositories, packages and lists of its own."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest

from opsrunner.audits.patches import environment_of, read_report, script
from opsrunner.model.finding import Finding, HostReport, Severity

from .conftest import Audit

pytestmark = pytest.mark.needs("apt-get", "apt-ftparchive", "dpkg-query", "dash")

CONFIG = """\
Dir "{root}";
Dir::State::status "{root}/var/lib/dpkg/status";
Dir::Etc::main "-"; Dir::Etc::parts "-"; Dir::Etc::preferencesparts "-"; Dir::Etc::preferences "-";
Dir::Etc::sourcelist "{root}/etc/sources.list"; Dir::Etc::sourceparts "-"; Dir::Etc::trustedparts "-";
Dir::Bin::dpkg "/usr/bin/dpkg";
APT::Sandbox::User "root";
APT::Architecture "amd64"; APT::Architectures {{ "amd64"; }};
Acquire::Languages "none";
"""


def paragraph(name: str, version: str, *more: str) -> str:
    lines = [f"Package: {name}", f"Version: {version}", "Architecture: all", "Maintainer: x <x@example.com>"]
    return "\n".join([*lines, "Description: x", *more]) + "\n\n"


@dataclass
class AptHost:
    """A host that apt itself believes to be one."""

    root: Path
    audit: Audit
    installed: list[str] = field(default_factory=list)
    archives: dict[str, list[str]] = field(default_factory=lambda: {"stable": [], "stable-security": []})

    @property
    def environment(self) -> dict[str, str]:
        return {"APT_CONFIG": str(self.root / "apt.conf"), "DPKG_ADMINDIR": str(self.root / "var/lib/dpkg")}

    def has(self, name: str, version: str, status: str = "install ok installed") -> None:
        self.installed.append(paragraph(name, version, f"Status: {status}"))

    def offers(self, suite: str, name: str, version: str, *more: str) -> None:
        entry = (f"Filename: {name}.deb", "Size: 1", "SHA256: " + "0" * 64)
        self.archives[suite].append(paragraph(name, version, *more, *entry))

    def refresh(self, valid_until: str = "", folder: str = "archive") -> None:
        """Write the packages and the archives down, and let apt fetch its lists."""
        (self.root / "var/lib/dpkg/status").write_text("".join(self.installed))
        (self.root / "apt.conf").write_text(CONFIG.format(root=self.root))
        sources = []
        for suite, entries in self.archives.items():
            top = self.root / folder / suite.replace("/", "-")
            index = top / "dists" / suite / "main/binary-amd64"
            index.mkdir(parents=True, exist_ok=True)
            (index / "Packages").write_text("".join(entries))
            release = release_of(index.parents[1], suite, valid_until)
            (index.parents[1] / "Release").write_text(release)
            sources.append(f"deb [trusted=yes check-valid-until=no] copy:{top} {suite} main\n")
        (self.root / "etc/sources.list").write_text("".join(sources))
        told = subprocess.run(
            ["apt-get", "-qq", "update"], env=os.environ | self.environment, capture_output=True, text=True, check=False
        )
        assert told.returncode == 0, told.stderr

    def report(self, **options: tuple[str, ...]) -> HostReport:
        return read_report("web1", self.audit(self.environment, **options), now=datetime.now(UTC))


def release_of(folder: Path, suite: str, valid_until: str) -> str:
    label = "Debian-Security" if "security" in suite else "Debian"
    said = {"Suite": suite, "Codename": suite, "Origin": "Debian", "Label": label, "Architectures": "amd64"}
    options = [word for key, value in said.items() for word in ("-o", f"APT::FTPArchive::Release::{key}={value}")]
    told = subprocess.run(
        ["apt-ftparchive", *options, "release", str(folder)], capture_output=True, text=True, check=True
    ).stdout
    return (f"Valid-Until: {valid_until}\n" if valid_until else "") + told


@pytest.fixture
def host(host_root: Path, audit: Audit, is_system: Callable[..., None]) -> AptHost:
    is_system("debian", "12")
    (host_root / "etc/debian_version").write_text("12.5\n")
    return AptHost(root=host_root, audit=audit)


def of_cause(report: HostReport, cause: str) -> dict[str, Finding]:
    return {finding.subject: finding for finding in report.findings if finding.cause == cause}


def test_it_tells_security_updates_from_others_as_apt_knows_them(host: AptHost) -> None:
    host.has("openssl", "3.0.11-1")
    host.offers("stable", "openssl", "3.0.11-1")
    host.offers("stable-security", "openssl", "3.0.17-1")
    host.has("bash", "5.2-1")
    host.offers("stable", "bash", "5.2-2", "Depends: a-new-one")
    host.offers("stable", "a-new-one", "1")
    host.has("libapache2-mod-security2", "2.9-1")
    host.offers("stable", "libapache2-mod-security2", "2.9-2")
    host.has("curl", "7-1")
    host.offers("stable", "curl", "7-1")
    host.refresh()
    report = host.report()
    assert report.problems == ()
    assert {"security", "updates", "held", "kept-back", "broken", "lists", "end-of-life"} <= report.examined
    security = of_cause(report, "security")
    assert set(security) == {"openssl"}
    assert security["openssl"].detail == "3.0.11-1 → 3.0.17-1"
    assert security["openssl"].mark == "3.0.17-1"
    assert security["openssl"].severity is Severity.HIGH
    assert set(of_cause(report, "updates")) == {"bash", "libapache2-mod-security2"}  # what comes along is no update
    assert report.facts["system"] == "Debian 12.5"
    assert (report.facts["updates"], report.facts["security"]) == (3, 1)


def test_a_security_release_that_a_later_one_passed_over_still_counts_as_security(host: AptHost) -> None:
    host.has("krb5", "1-1")
    host.offers("stable-security", "krb5", "1-2")
    host.offers("stable", "krb5", "1-3")
    host.refresh()
    assert of_cause(host.report(), "security")["krb5"].mark == "1-3"


def test_held_packages_are_told_and_weigh_more_when_a_security_update_waits(host: AptHost) -> None:
    host.has("nginx", "1-1", "hold ok installed")
    host.offers("stable", "nginx", "1-2")
    host.has("exim4", "4-1", "hold ok installed")
    host.offers("stable-security", "exim4", "4-2")
    host.has("php", "8-1", "hold ok installed")
    host.refresh()
    report = host.report()
    held = of_cause(report, "held")
    assert held["nginx"].severity is Severity.LOW
    assert held["nginx"].detail == "held at 1-1; an update waits: 1-2"
    assert held["exim4"].severity is Severity.HIGH
    assert held["exim4"].detail == "held at 4-1; a security update waits: 4-2"
    assert held["php"].detail == "held at 8-1; nothing waits"
    assert not of_cause(report, "kept-back")
    assert not of_cause(report, "security")


def test_what_apt_keeps_back_is_told_apart_with_its_versions(host: AptHost) -> None:
    host.has("roundcube", "1-1")
    host.offers("stable-security", "roundcube", "1-2", "Depends: not-to-be-had")
    host.refresh()
    back = of_cause(host.report(), "kept-back")
    assert back["roundcube"].detail == "1-1 → 1-2, a security update"
    assert back["roundcube"].severity is Severity.HIGH


def test_a_half_installed_package_is_a_finding(host: AptHost) -> None:
    host.has("mariadb", "11-1", "install ok half-configured")
    host.refresh()
    assert of_cause(host.report(), "broken")["mariadb"].detail == "its state is half-configured"


def test_a_host_that_has_all_updates_has_no_finding(host: AptHost) -> None:
    host.has("bash", "5.2-1")
    host.offers("stable", "bash", "5.2-1")
    host.refresh()
    report = host.report()
    assert not {"security", "updates", "held", "lists", "kept-back"} & {finding.cause for finding in report.findings}
    assert report.facts["updates"] == 0


def test_a_host_does_no_more_than_it_is_asked_for(host: AptHost) -> None:
    host.refresh()
    output = host.audit({**host.environment, **environment_of(("security", "lists"))})
    parts = {line[1:].split()[0] for line in output.decode().splitlines() if line.startswith("@")}
    assert parts == {"begin", "system", "panel", "apt", "apt_lists", "end"}
    report = read_report("web1", output, now=datetime.now(UTC), wanted=("security", "lists"))
    assert {"security", "lists"} <= report.examined


def test_with_old_lists_nothing_counts_as_looked_for(host: AptHost) -> None:
    host.has("bash", "5.2-1")
    host.offers("stable", "bash", "5.2-1")
    host.refresh()
    week_ago = time.time() - 7 * 86400
    for path in (host.root / "var/lib/apt/lists/partial", host.root / "var/lib/apt/lists"):
        os.utime(path, (week_ago, week_ago))
    report = host.report()
    assert "7 days ago" in of_cause(report, "lists")[""].detail
    assert not {"security", "updates", "kept-back"} & report.examined
    assert {"lists", "held"} <= report.examined


def test_with_no_lists_at_all_nothing_counts_as_looked_for(host: AptHost) -> None:
    host.has("bash", "5.2-1")
    host.archives = {}
    host.refresh()
    report = host.report()
    assert of_cause(report, "lists")[""].severity is Severity.HIGH
    assert "security" not in report.examined


def test_lists_that_say_they_no_longer_hold_are_old_however_often_apt_tries(host: AptHost) -> None:
    host.has("bash", "5.2-1")
    host.offers("stable", "bash", "5.2-1")
    host.refresh(valid_until="Sat, 01 Aug 2026 00:00:00 UTC")
    report = host.report()
    assert of_cause(report, "lists")[""].detail.startswith("refreshing fails: no longer valid is stable")
    assert "security" not in report.examined


def test_when_apt_gives_no_plan_its_reason_is_the_problem(host: AptHost) -> None:
    host.has("bash", "5.2-1")
    host.refresh()
    (host.root / "var/lib/dpkg/status").write_text("this is no status file\n")
    report = host.report()
    assert any(problem.startswith("the pending updates are not known: apt-get:") for problem in report.problems)
    assert not {"security", "updates", "held", "broken", "kept-back"} & report.examined


def test_when_apt_cannot_say_where_updates_come_from_nothing_counts_as_looked_for(host: AptHost) -> None:
    host.has("bash", "5.2-1")
    host.offers("stable", "bash", "5.2-2")
    host.refresh()
    programs = host.root.parent / "programs"
    programs.mkdir()
    (programs / "apt-cache").write_text("#!/bin/sh\nexit 124\n")
    (programs / "apt-cache").chmod(0o755)
    output = host.audit(host.environment | {"PATH": f"{programs}:{os.environ['PATH']}"})
    report = read_report("web1", output, now=datetime.now(UTC))
    assert any("apt-cache policy failed" in problem for problem in report.problems)
    assert not {"security", "updates", "held", "kept-back"} & report.examined
    assert "bash" in of_cause(report, "updates")


def test_an_archive_of_older_releases_is_known_for_security_by_its_address(host: AptHost) -> None:
    host.archives["buster/updates"] = []
    host.has("krb5", "1-1")
    host.offers("buster/updates", "krb5", "1-2")
    host.offers("stable", "krb5", "1-3")
    host.refresh(folder="debian-security")
    assert "krb5" in of_cause(host.report(), "security")


def test_what_waits_beside_configuration_files_and_a_reboot_that_is_asked_for_are_found(host: AptHost) -> None:
    host.has("bash", "5.2-1")
    host.offers("stable", "bash", "5.2-1")
    host.refresh()
    (host.root / "etc/ssh").mkdir()
    (host.root / "etc/ssh/sshd_config.ucf-dist").write_text("")
    (host.root / "etc/a,file.conf.dpkg-dist").write_text("")
    (host.root / "run/reboot-required").write_text("")
    (host.root / "run/reboot-required.pkgs").write_text("libc6\ndbus\nlibc6\n")
    report = host.report()
    assert "asked for by dbus, libc6" in of_cause(report, "reboot")[""].detail
    assert report.facts["reboot"] is True
    files = of_cause(report, "conffiles")
    assert files["/etc/ssh/sshd_config"].severity is Severity.MEDIUM
    assert files["/etc/a_file.conf"].severity is Severity.LOW


@pytest.mark.needs("busybox", "bash")
@pytest.mark.parametrize("shell", [("busybox", "sh"), ("bash",), ("bash", "--posix")], ids=" ".join)
def test_every_shell_says_the_same_as_dash(host: AptHost, shell: tuple[str, ...]) -> None:
    host.has("openssl", "3.0.11-1")
    host.offers("stable-security", "openssl", "3.0.17-1")
    host.has("nginx", "1-1", "hold ok installed")
    host.refresh()
    told = host.report(shell=shell)
    by_dash = host.report()
    assert told.findings == by_dash.findings
    assert told.examined == by_dash.examined
    of_time = {"seconds", "clock_off_seconds"}
    assert {name: told.facts[name] for name in told.facts if name not in of_time} == {
        name: by_dash.facts[name] for name in by_dash.facts if name not in of_time
    }


def test_the_audit_writes_nothing_on_the_host(host: AptHost) -> None:
    host.has("openssl", "3.0.11-1")
    host.offers("stable-security", "openssl", "3.0.17-1")
    host.refresh()
    before = {path: path.stat().st_mtime_ns for path in host.root.rglob("*")}
    host.report()
    assert {path: path.stat().st_mtime_ns for path in host.root.rglob("*")} == before


@pytest.mark.needs("shellcheck")
def test_the_script_is_plain_posix_shell() -> None:
    told = subprocess.run(["shellcheck", "-s", "sh", "-"], input=script(), capture_output=True, text=True, check=False)
    assert told.stdout == ""
    subprocess.run(["dash", "-n"], input=script(), text=True, check=True)
