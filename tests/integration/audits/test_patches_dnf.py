"""The patch audit against the real dnf and rpm, with packages, advisories and an installation root of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from opsrunner.audits.patches import read_report
from opsrunner.model.finding import Finding, HostReport, Severity

from .conftest import Audit

pytestmark = pytest.mark.needs("root", "dnf", "rpm", "rpmbuild", "createrepo_c", "modifyrepo_c", "dash")

LONG = "a-package-with-a-name-that-is-too-long-for-the-columns-that-check-update-makes"
PACKAGES = (
    ("openssl-libs", "3.0.7", "24.el9", 1),
    ("openssl-libs", "3.0.7", "25.el9_3", 1),
    ("openssl-libs", "3.0.7", "27.el9", 1),
    ("bash", "5.1.8", "6.el9", 0),
    ("bash", "5.1.8", "9.el9", 0),
    (LONG, "1.0", "1.el9", 0),
    (LONG, "1.1.20240101gitabcdef0123456789", "1.el9", 0),
    ("curl", "7.76.1", "26.el9", 0),
    ("kernel-core", "5.14.0", "427.el9", 0),
)
INSTALLED = ("openssl-libs-3.0.7-24", "bash-5.1.8-6", f"{LONG}-1.0", "curl-7.76.1")
SPEC = """\
Name: {name}
Version: {version}
Release: {release}
Epoch: {epoch}
Summary: x
License: MIT
BuildArch: noarch
%description
x
%files
"""
ADVISORY = """\
<update from="x@example.com" status="final" type="{kind}" version="1"><id>{id}</id><title>x</title>
<severity>{severity}</severity><issued date="2026-11-01 00:00:00"/><updated date="2026-11-01 00:00:00"/><references/>
<description>x</description><pkglist><collection short="x"><name>x</name><package name="{name}" epoch="{epoch}"
version="{version}" release="{release}" arch="noarch" src="x.src.rpm"><filename>x.rpm</filename></package></collection>
</pkglist></update>
"""
SECURITY = ADVISORY.format(
    kind="security",
    id="RHSA-2026:1001",
    severity="Important",
    name="openssl-libs",
    epoch=1,
    version="3.0.7",
    release="25.el9_3",
)
BUGFIX = ADVISORY.format(
    kind="bugfix", id="RHBA-2026:1002", severity="None", name="bash", epoch=0, version="5.1.8", release="9.el9"
)
KERNEL_FIX = ADVISORY.format(
    kind="security",
    id="RHSA-2026:1003",
    severity="Moderate",
    name="kernel-core",
    epoch=0,
    version="5.14.0",
    release="427.el9",
)


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the packages once; each test lays them out as it needs them."""
    top = tmp_path_factory.mktemp("rpms")
    specs = []
    for number, (name, version, release, epoch) in enumerate(PACKAGES):
        specs.append(top / f"{number}.spec")
        specs[-1].write_text(SPEC.format(name=name, version=version, release=release, epoch=epoch))
    define = ["--define", f"_topdir {top}", "--define", f"_rpmdir {top}", "--define", "_build_name_fmt %%{NVRA}.rpm"]
    subprocess.run(["rpmbuild", "-bb", "--quiet", *define, *map(str, specs)], check=True, capture_output=True)
    return top


@dataclass
class DnfHost:
    """A host that dnf itself believes to be one."""

    root: Path
    packages: Path
    audit: Audit
    programs: Path

    def dnf(self, *words: str) -> None:
        subprocess.run([self.programs / "dnf", *words], check=True, capture_output=True)

    def repository(self, name: str, *, updateinfo: str | None, skip: bool = False) -> None:
        archive = self.root.parent / f"archive-{name}"
        archive.mkdir()
        for package in self.packages.glob("*.rpm"):
            shutil.copy(package, archive)
        subprocess.run(["createrepo_c", "-q", archive], check=True, capture_output=True)
        if updateinfo is not None:
            (archive / "updateinfo.xml").write_text(f'<?xml version="1.0"?><updates>{updateinfo}</updates>')
            subprocess.run(
                ["modifyrepo_c", archive / "updateinfo.xml", archive / "repodata"], check=True, capture_output=True
            )
        lines = [f"[{name}]", f"name={name}", f"baseurl=file://{archive}", "gpgcheck=0", f"skip_if_unavailable={skip}"]
        (self.root / f"etc/yum.repos.d/{name}.repo").write_text("\n".join(lines) + "\n")

    def report(self) -> HostReport:
        path = f"{self.programs}:{os.environ['PATH']}"
        return read_report("web9", self.audit({"PATH": path}), now=datetime.now(UTC))


@pytest.fixture
def host(
    host_root: Path, packages: Path, audit: Audit, is_system: Callable[..., None], tmp_path: Path
) -> Iterator[DnfHost]:
    is_system("almalinux", "9.4", '"rhel centos fedora"')
    for folder in ("etc/yum.repos.d", "etc/dnf/plugins", "var/lib/rpm", "var/tmp"):
        (host_root / folder).mkdir(parents=True)
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / ".rpmmacros").write_text("%_dbpath /var/lib/rpm\n")  # Debian's own rpm keeps it in the home folder
    options = f"--installroot={host_root} --releasever=9 --setopt=reposdir={host_root}/etc/yum.repos.d"
    for name, more in (("dnf", options), ("rpm", f"--root {host_root}")):
        (programs / name).write_text(f'#!/bin/sh\nHOME={programs} exec /usr/bin/{name} {more} "$@"\n')
        (programs / name).chmod(0o755)
    subprocess.run([programs / "rpm", "--initdb"], check=True, capture_output=True)
    first = [next(packages.glob(f"{start}*.rpm")) for start in INSTALLED]
    subprocess.run([programs / "rpm", "-i", "--nodeps", *first], check=True, capture_output=True)
    yield DnfHost(root=host_root, packages=packages, audit=audit, programs=programs)
    shutil.rmtree(host_root, ignore_errors=True)


def contents(root: Path) -> dict[str, bytes]:
    """Return every file of dnf's lists, and of rpm's database but for what sqlite keeps to share it."""
    return {
        str(path): path.read_bytes()
        for folder in ("var/cache", "var/lib/rpm")
        for path in (root / folder).rglob("*")
        if path.is_file() and not path.name.endswith(("-shm", "-wal", ".lock"))
    }


def of_cause(report: HostReport, cause: str) -> dict[str, Finding]:
    return {finding.subject: finding for finding in report.findings if finding.cause == cause}


def test_it_tells_security_updates_by_their_advisories_also_where_a_later_release_supersedes_them(
    host: DnfHost,
) -> None:
    host.repository("baseos", updateinfo=SECURITY + BUGFIX)
    host.dnf("makecache")
    report = host.report()
    assert report.problems == ()
    assert {"security", "updates", "held", "lists", "end-of-life"} <= report.examined
    security = of_cause(report, "security")
    assert set(security) == {"openssl-libs"}
    assert security["openssl-libs"].detail == "1:3.0.7-24.el9 → 1:3.0.7-27.el9 (RHSA-2026:1001, Important)"
    assert security["openssl-libs"].mark == "1:3.0.7-27.el9"
    assert security["openssl-libs"].severity is Severity.HIGH
    updates = of_cause(report, "updates")
    assert set(updates) == {"bash", LONG}
    assert updates["bash"].detail == "5.1.8-6.el9 → 5.1.8-9.el9"
    assert report.facts["lists_at"]
    assert report.facts["updated_at"]


def test_where_no_repository_says_what_is_for_security_nothing_counts_as_looked_for(host: DnfHost) -> None:
    host.repository("base", updateinfo=None)
    host.dnf("makecache")
    report = host.report()
    assert any("no repository of this host says which updates are for security" in line for line in report.problems)
    assert not {"security", "updates"} & report.examined
    assert "openssl-libs" in of_cause(report, "updates")


def test_a_repository_without_lists_is_a_problem_though_dnf_ends_well(host: DnfHost) -> None:
    host.repository("baseos", updateinfo=SECURITY)
    host.dnf("makecache")
    host.repository("epel", updateinfo=SECURITY, skip=True)
    report = host.report()
    assert any("epel" in problem for problem in report.problems)
    assert not {"security", "updates"} & report.examined


def test_with_no_lists_at_all_nothing_counts_as_looked_for(host: DnfHost) -> None:
    host.repository("baseos", updateinfo=SECURITY)
    report = host.report()
    assert of_cause(report, "lists")[""].severity is Severity.HIGH
    assert any("baseos" in problem for problem in report.problems)
    assert not {"security", "updates"} & report.examined


def test_packages_that_cannot_be_read_are_a_problem_though_dnf_ends_well(host: DnfHost) -> None:
    host.repository("baseos", updateinfo=SECURITY)
    host.dnf("makecache")
    for path in (host.root / "var/lib/rpm").iterdir():
        path.write_bytes(b"this is no database")
    report = host.report()
    assert any(problem.startswith("the pending updates are not known: ") for problem in report.problems)
    assert not {"security", "updates"} & report.examined


def test_old_lists_are_a_finding(host: DnfHost) -> None:
    host.repository("baseos", updateinfo=SECURITY)
    host.dnf("makecache")
    old = time.time() - 40 * 86400
    for path in (host.root / "var/cache/dnf").rglob("*"):
        os.utime(path, (old, old))
    report = host.report()
    assert of_cause(report, "lists")[""].severity is Severity.HIGH
    assert "security" not in report.examined


def test_locks_and_exclusions_are_told_as_held(host: DnfHost) -> None:
    host.repository("baseos", updateinfo=SECURITY)
    host.dnf("makecache")
    (host.root / "etc/dnf/plugins/versionlock.list").write_text("# a note\nbash-0:5.1.8-6.el9.*\n")
    (host.root / "etc/dnf/dnf.conf").write_text("[main]\nexclude=courier* dovecot*\n")
    held = of_cause(host.report(), "held")
    assert held["bash-0:5.1.8-6.el9.*"].detail == "locked by versionlock"
    assert {"courier*", "dovecot*"} <= set(held)
    assert "a" not in held


@pytest.mark.parametrize(
    ("advisory", "severity"), [(KERNEL_FIX, Severity.HIGH), ("", Severity.MEDIUM)], ids=["security", "other"]
)
def test_a_kernel_that_waits_for_a_reboot_weighs_more_where_it_was_a_security_update(
    host: DnfHost, advisory: str, severity: Severity
) -> None:
    host.repository("baseos", updateinfo=SECURITY + advisory)
    host.dnf("makecache")
    kernel = next(host.packages.glob("kernel-core-*.rpm"))
    subprocess.run([host.programs / "rpm", "-i", "--nodeps", kernel], check=True, capture_output=True)
    running, newest = "5.14.0-362.8.1.el9.noarch", "5.14.0-427.el9.noarch"
    (host.programs / "uname").write_text(f'#!/bin/sh\n[ "$1" = -r ] && echo {running} || echo Linux\n')
    (host.programs / "uname").chmod(0o755)
    for name in (newest, running, "0-rescue-0123456789abcdef"):
        (host.root / f"boot/vmlinuz-{name}").write_text("")
    output = host.audit({"PATH": f"{host.programs}:{os.environ['PATH']}"})
    output = output.replace(
        b"\n container\n", b"\n elsewhere\n"
    )  # where the tests run in one, its kernel is not its own
    reboot = of_cause(read_report("web9", output, now=datetime.now(UTC)), "reboot")[""]
    assert reboot.detail.startswith(f"runs {running}, newest installed is {newest}")
    assert (reboot.severity, reboot.mark) == (severity, newest)


def test_the_audit_changes_no_list_and_no_package(host: DnfHost) -> None:
    host.repository("baseos", updateinfo=SECURITY)
    host.dnf("makecache")
    host.report()  # dnf writes its own log where it may
    before = contents(host.root)
    host.report()
    assert contents(host.root) == before


@pytest.mark.parametrize(
    "said",
    [
        "Core libraries or services have been updated:\n  * glibc\n  * systemd\n",
        "Core libraries:\n  glibc -> 2.17-326\n",
    ],
    ids=["release 8 and later", "release 7"],
)
def test_what_needs_restarting_asks_for_is_named(host: DnfHost, said: str) -> None:
    host.repository("baseos", updateinfo=SECURITY)
    host.dnf("makecache")
    (host.programs / "needs-restarting").write_text(f"#!/bin/sh\ncat <<EOF\n{said}EOF\nexit 1\n")
    (host.programs / "needs-restarting").chmod(0o755)
    report = host.report()
    assert "reboot" in report.examined
    assert of_cause(report, "reboot")[""].detail.startswith("asked for by glibc")
