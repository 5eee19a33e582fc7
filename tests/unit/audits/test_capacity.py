"""What is made of a host's answer about its capacity: systems as they are, and answers as they should not be."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as any_of

from opsrunner.audits.capacity import CAUSES, Limits, environment_of, read_report, script
from opsrunner.audits.limits import Lines
from opsrunner.model.finding import Finding, HostReport, Severity

NOW = datetime(2026, 11, 22, 6, tzinfo=UTC)
DATA = Path(__file__).parents[2] / "data/audits"
ALMA = (DATA / "capacity-alma9.txt").read_bytes()
CENTOS = (DATA / "capacity-centos6.txt").read_bytes()
ALL = frozenset(CAUSES)


def report(output: bytes, limits: Limits | None = None) -> HostReport:
    return read_report("web3", output, now=NOW, limits=limits)


def found(output: bytes, limits: Limits | None = None) -> dict[str, Finding]:
    return {finding.name: finding for finding in report(output, limits).findings}


def test_it_finds_what_a_full_and_busy_host_has() -> None:
    findings = found(ALMA)

    assert {name: (finding.severity, finding.detail) for name, finding in findings.items()} == {
        "disk:/": (Severity.MEDIUM, "92 % of 49 GB"),
        "disk:/home": (Severity.MEDIUM, "93.8 % of 956 GB"),
        "inodes:/home": (Severity.CRITICAL, "96.1 % are used"),
        "load": (Severity.HIGH, "4.6 per core over 15 minutes, 8 cores"),
        "memory": (Severity.MEDIUM, "7.5 % of 15.3 GB is available"),
        "mail-queue:exim": (Severity.HIGH, "12345 mails wait"),
        "certificate:/var/cpanel/ssl/apache_tls/a.example/combined": (
            Severity.MEDIUM,
            "ends 2026-11-30, 8 days left",
        ),
        "certificate:/var/cpanel/ssl/cpanel/cpanel.pem": (Severity.CRITICAL, "ended 2026-11-20"),
    }
    assert report(ALMA).examined == ALL
    assert report(ALMA).problems == ()


def test_the_facts_are_one_row_and_the_samples_are_what_the_trend_needs() -> None:
    facts = dict(report(ALMA).facts)
    samples = facts.pop("samples")

    assert facts == {
        "disk_percent": 93.8,
        "disk_mount": "/home",
        "inodes_percent": 96.1,
        "days_until_full": None,
        "load_per_core": 4.6,
        "cores": 8,
        "memory_available_percent": 7.5,
        "swap_percent": 25.0,
        "mail_queue": 12345,
        "certificates": 3,
        "certificate_days": -2,
    }
    assert [sample["mount"] for sample in samples] == ["/", "/boot", "/boot/efi", "/home", "/mnt/old backups"]
    assert samples[0] == {"mount": "/", "used_bytes": 47080004 * 1024, "size_bytes": (47080004 + 4095000) * 1024}


def test_an_old_system_without_the_newer_figures_is_read_too() -> None:
    answer = report(CENTOS)

    assert answer.findings == ()
    assert answer.facts["memory_available_percent"] == 50
    assert answer.facts["mail_queue"] == 3


def test_certificates_that_the_account_may_not_read_leave_the_cause_open() -> None:
    answer = report(CENTOS)

    assert answer.examined == ALL - {"certificate"}
    assert answer.problems == ("certificates: this account may not read /etc/letsencrypt/live",)


def test_a_disk_that_will_be_full_in_days_is_found_before_it_is_full() -> None:
    size = (5242880 + 15728640) * 1024
    past = {"/": [(NOW - timedelta(days=day), 5242880 * 1024 - day * 3 * 1024**3 // 4, size) for day in range(1, 7)]}

    grown = read_report("old1", CENTOS, now=NOW, past=past)

    assert [(finding.name, finding.severity, finding.detail) for finding in grown.findings] == [
        ("disk:/", Severity.MEDIUM, "25 % of 20 GB, full in about 20 days")
    ]
    assert grown.facts["days_until_full"] == 20


def test_the_limits_are_the_sites_own() -> None:
    strict = Limits(disk_percent=Lines(look=30, act=50), certificate_days=Lines(look=100, act=3))
    findings = found(ALMA, strict)

    assert findings["disk:/boot"].severity is Severity.MEDIUM
    assert findings["disk:/"].severity is Severity.CRITICAL
    assert findings["certificate:/var/cpanel/ssl/apache_tls/b.example/combined"].severity is Severity.MEDIUM


def test_what_the_site_leaves_out_is_neither_found_nor_examined_nor_missed() -> None:
    without = Limits(without=frozenset({"certificate", "inodes"}))
    answer = report(CENTOS, without)

    assert answer.examined == ALL - {"certificate", "inodes"}
    assert answer.problems == ()
    assert not [name for name in found(ALMA, without) if name.startswith(("certificate", "inodes"))]


def test_a_measure_that_gets_worse_comes_up_anew_though_it_was_accepted() -> None:
    worse = ALMA.replace(b" 4095000 ", b" 95000 ")

    assert found(ALMA)["disk:/"].mark == "medium"
    assert found(worse)["disk:/"].mark == "critical"


def test_a_renewed_certificate_is_another_one() -> None:
    assert found(ALMA)["certificate:/var/cpanel/ssl/cpanel/cpanel.pem"].mark == "2026-11-20T12:00:00Z"


@pytest.mark.parametrize(
    ("old", "new", "cause", "problem"),
    [
        (b"|cores 8", b"|cores 0", "load", "load: the host does not tell it"),
        (b"|load 40.10 38.00 36.80", b"|load nan nan nan", "load", "load: the host does not tell it"),
        (b"|MemTotal: 16000000", b"|MemTotal: lots", "memory", "memory: the host does not tell it"),
        (b"|exim 12345", b"|exim ?", "mail-queue", "mail queue: this account may not read the one of exim"),
        (
            b"|exim 12345",
            b"|postfix postqueue: fatal: open /etc/postfix/main.cf",
            "mail-queue",
            "mail queue: this account may not read the one of postfix",
        ),
        (b"|kilobytes /dev/sda3 ", b"|killed /dev/sda3 ", "disk", "disks: / did not answer"),
        (b"|inodes /dev/sda3 ", b"|killed /dev/sda3 ", "inodes", "inodes: / does not tell them"),
        (b"|notAfter=Feb  1", b"|bad\n|x=", "certificate", "certificates: openssl does not understand"),
        (b"|exim 12345\n", b"|exim 12345\n~\n", "mail-queue", "more of it than an audit reads"),
    ],
)
def test_what_a_host_does_not_tell_is_a_problem_and_not_fine(old: bytes, new: bytes, cause: str, problem: str) -> None:
    answer = report(ALMA.replace(old, new))

    assert ALMA.count(old) == 1
    assert cause not in answer.examined
    assert problem in "\n".join(answer.problems)


def test_nothing_at_all_is_one_problem() -> None:
    for silence in (b"", b"bash: sh: command not found\n", b"\xff" * 1000):
        answer = report(silence)
        assert answer.problems == ("the host's answer holds nothing of the audit",)
        assert (answer.examined, answer.findings) == (frozenset(), ())


def test_a_cut_answer_proves_nothing_of_what_is_missing() -> None:
    cut = report(ALMA[: ALMA.index(b"|MemFree")])

    assert cut.examined == {"disk", "inodes", "load"}
    assert any("was cut" in problem for problem in cut.problems)


def test_two_mounts_whose_names_look_alike_are_one_finding_the_worse() -> None:
    row = "|mount ext4 /{name}\n|kilobytes /dev/x 100 {used} {free} 1% /x\n|inodes /dev/x 9 1 8 1% /x\n"
    body = row.format(name="a\\054b", used=90, free=10) + row.format(name="a;b", used=99, free=1)
    answer = report(f"=== opsrunner: file-systems\n{body}=== opsrunner end 0\n".encode())

    assert [finding.name for finding in answer.findings] == ["disk:/a;b"]


@given(any_of.binary(max_size=3000))
def test_no_bytes_break_it(output: bytes) -> None:
    check(report(b"=== opsrunner: file-systems\n|" + output))


@given(any_of.sampled_from([ALMA, CENTOS]), any_of.integers(0, 5000))
def test_no_cut_breaks_it_or_makes_anything_better(whole: bytes, length: int) -> None:
    """What a cut answer proves, the whole one proves, too."""
    cut = report(whole[:length])

    check(cut)
    assert cut.examined <= report(whole).examined
    assert {finding.key for finding in cut.findings} <= {finding.key for finding in report(whole).findings}
    if length < len(whole):
        assert cut.problems


@given(
    any_of.sampled_from([ALMA, CENTOS]), any_of.lists(any_of.tuples(any_of.integers(0, 5000), any_of.integers(0, 255)))
)
def test_no_garbled_bytes_break_it(whole: bytes, changes: list[tuple[int, int]]) -> None:
    garbled = bytearray(whole)
    for place, value in changes:
        garbled[place % len(garbled)] = value

    check(report(bytes(garbled)))


def check(answer: HostReport) -> None:
    """What holds for every report, whatever it was made of."""
    assert answer.examined <= ALL
    assert len({finding.key for finding in answer.findings}) == len(answer.findings)
    for finding in answer.findings:
        assert finding.cause in ALL
        assert "," not in finding.subject
        assert all(text.isprintable() for text in (finding.subject, finding.detail, finding.mark))
    assert all(problem.isprintable() and len(problem) < 400 for problem in answer.problems)


def test_parameters_are_variables_and_stand_in_no_script() -> None:
    limits = Limits(certificates=("/srv/a b/*.pem", "/etc/x.pem"), without=frozenset({"swap", "load"}))

    assert environment_of(limits)["OPS_CERTIFICATES"] == "/srv/a b/*.pem\n/etc/x.pem"
    assert environment_of(limits)["OPS_WITHOUT"] == "load swap"
    assert "/srv/a b" not in script()


@pytest.mark.parametrize(
    ("part", "without", "problem"),
    [
        (b"|inodes /dev/sda3 ", "disk", "inodes: / does not tell them"),
        (b"|inodes /dev/sda3 ", "inodes", ""),
        (b"|kilobytes /dev/sda3 ", "inodes", "disks: / did not answer"),
        (b"|kilobytes /dev/sda3 ", "disk", ""),
    ],
)
def test_what_the_site_leaves_out_of_the_file_systems_is_no_problem(part: bytes, without: str, problem: str) -> None:
    answer = report(ALMA.replace(part, b"|killed /dev/sda3 "), Limits(without=frozenset({without})))

    assert answer.problems == ((problem,) if problem else ())
