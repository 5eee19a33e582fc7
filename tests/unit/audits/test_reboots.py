"""Whether a host has to be rebooted: a table of kernels, live patches and what asks for it."""

from __future__ import annotations

import pytest

from opsrunner.audits.reboots import kind_of, order_of
from opsrunner.model.finding import Severity

from .answers import SYSTEM, of_cause, report

LIVE = "live kpatch_6_1_0_18 1"


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        ("6.1.0-9-amd64", "6.1.0-18-amd64"),
        ("5.15.0-105-generic", "5.15.0-107-generic"),
        ("5.14.0-362.el9.x86_64", "5.14.0-362.8.1.el9_3.x86_64"),
        ("4.18.0-513.18.1.lve.2.el8.x86_64", "4.18.0-553.5.1.lve.1.el8.x86_64"),
        ("3.10.0-957.el7.x86_64", "3.10.0-1160.el7.x86_64"),
        ("5.15.0-200.131.27.el8uek.x86_64", "5.15.0-206.153.7.el8uek.x86_64"),
    ],
)
def test_kernels_are_ordered_by_their_numbers(older: str, newer: str) -> None:
    assert order_of(older) < order_of(newer)
    assert kind_of(older) == kind_of(newer)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("6.1.0-18-amd64", "6.1.0-18-cloud-amd64"),
        ("5.14.0-362.el9.x86_64", "5.15.0-200.el9uek.x86_64"),
        ("5.14.0-362.el9.x86_64", "5.14.0-427.el9.x86_64+debug"),
    ],
)
def test_kernels_of_two_kinds_do_not_replace_one_another(one: str, other: str) -> None:
    assert kind_of(one) != kind_of(other)


@pytest.mark.parametrize(
    ("part", "severity", "detail"),
    [
        pytest.param("kernel 6.1.0-18-amd64", None, "", id="the newest runs"),
        pytest.param("kernel 6.1.0-20-cloud-amd64", None, "", id="a newer one of another kind"),
        pytest.param("kernel 6.1.0-9-amd64\nkernel 6.1.0-18-amd64", None, "", id="an older one lies beside"),
        pytest.param(
            "kernel 6.1.0-18-amd64\nkernel 6.1.0-20-amd64",
            Severity.MEDIUM,
            "runs 6.1.0-18-amd64, newest installed is 6.1.0-20-amd64",
            id="a newer one waits",
        ),
        pytest.param(
            "kernel 6.1.0-20-amd64\nurgent 6.1.0-20-amd64",
            Severity.HIGH,
            "runs 6.1.0-18-amd64, newest installed is 6.1.0-20-amd64; it was a security update",
            id="a newer one that was a security update",
        ),
        pytest.param("kernel 6.1.0-18-amd64\nimage 6.1.76-1", None, "", id="as it was built"),
        pytest.param(
            "kernel 6.1.0-18-amd64\nimage 6.1.85-1",
            Severity.MEDIUM,
            "6.1.0-18-amd64 runs as it was before 6.1.85-1 was installed",
            id="replaced under the same name",
        ),
        pytest.param("required", Severity.MEDIUM, "asked for by the system", id="nobody says who asks"),
        pytest.param(
            "required\nasked libc6\nasked dbus", Severity.MEDIUM, "asked for by dbus, libc6", id="libraries ask"
        ),
        pytest.param(
            f"required\nasked linux-image-6.1.0-20-amd64\n{LIVE}",
            Severity.LOW,
            "asked for by linux-image-6.1.0-20-amd64; live patched (kpatch_6_1_0_18), so that it can wait for a window",
            id="a live-patched kernel",
        ),
        pytest.param(
            f"kernel 6.1.0-20-amd64\nrequired\nasked libc6\n{LIVE}",
            Severity.MEDIUM,
            "runs 6.1.0-18-amd64, newest installed is 6.1.0-20-amd64; asked for by libc6",
            id="live patches do not cover libraries",
        ),
        pytest.param(
            "kernel 6.1.0-20-amd64\nlive kpatch_6_1_0_18 0",
            Severity.MEDIUM,
            "runs 6.1.0-18-amd64, newest installed is 6.1.0-20-amd64",
            id="a live patch that is switched off",
        ),
        pytest.param(
            "kernel 6.1.0-20-amd64\nkernelcare 6.1.0-18-amd64",
            Severity.MEDIUM,
            "runs 6.1.0-18-amd64, newest installed is 6.1.0-20-amd64",
            id="KernelCare that patches nothing",
        ),
        pytest.param("needs-restarting 0", None, "", id="needs-restarting has nothing"),
    ],
)
def test_reasons_for_a_reboot(part: str, severity: Severity | None, detail: str) -> None:
    told = report(reboot=part)
    assert "reboot" in told.examined
    found = of_cause(told, "reboot")
    assert bool(told.facts["reboot"]) is (severity is not None)
    if severity is None:
        assert not found
    else:
        assert (found[""].severity, found[""].detail) == (severity, detail)


def test_the_kernel_of_a_container_is_another_systems() -> None:
    told = report(system=f"{SYSTEM}\ncontainer", reboot="kernel 6.1.0-20-amd64")
    assert not told.findings
    assert told.facts["newest_kernel"] == ""


def test_a_needs_restarting_that_does_not_work_is_a_problem() -> None:
    told = report(reboot="needs-restarting 124")
    assert told.problems == ("needs-restarting -r ended with exit status 124",)
    assert "reboot" not in told.examined


def test_an_unreadable_boot_folder_is_a_problem() -> None:
    told = report(reboot="boot unreadable")
    assert told.problems == ("which kernels are installed is not known: this account may not read /boot",)
    assert "reboot" not in told.examined
