"""What a host's answer means: captured and composed answers, and hostile ones."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as any_of

from opsrunner.audits.patches import CAUSES, read_report, script
from opsrunner.model.finding import HostReport, Severity

from ...patience import within
from .answers import AT, DATA, KNOWN, NOW, answer, of_cause, report, stored

STORED = sorted(path.stem for path in DATA.glob("*.txt"))
CAPTURED_AT = datetime(2026, 11, 23, tzinfo=UTC)


def test_a_host_with_nothing_to_do_has_every_cause_examined_and_nothing_found() -> None:
    told = report()
    assert told.examined == frozenset(CAUSES)
    assert told.findings == ()
    assert told.problems == ()
    assert told.facts["uptime_days"] == 10


def test_what_nobody_asked_for_is_neither_looked_for_nor_missed() -> None:
    narrow = "\n@reboot".join(answer().decode().split("\n@reboot")[:1]) + f"\n@end {AT}\n"
    asked = read_report("web1", narrow.encode(), now=NOW, wanted=("security", "updates", "lists"))
    assert asked.problems == ()
    assert {"security", "updates", "lists"} <= asked.examined
    assert not asked.examined & {"reboot", "conffiles", "restart", "end-of-life"}
    missed = read_report("web1", narrow.encode(), now=NOW)
    assert len(missed.problems) == 3
    assert not missed.examined & {"reboot", "conffiles", "restart"}


def test_a_captured_debian_is_read_to_its_last_update() -> None:
    output = stored("debian-12")
    began = int(output.split()[2])
    told = report(output, now=datetime.fromtimestamp(began, UTC))
    assert told.problems[0].startswith("services to restart: without root and without systemd")
    assert told.examined == frozenset(CAUSES) - {"restart", "conffiles"}  # some folders are for root alone
    rows = re.findall(rb"\n Inst \S+ \[", output)
    assert told.facts["updates"] == len(rows) == len(of_cause(told, "security")) + len(of_cause(told, "updates")) > 100
    assert of_cause(told, "security")["openssl"].severity is Severity.HIGH
    assert told.facts["conffiles_unread"] > 0


def test_ubuntu_with_livepatch_phased_updates_and_plesk() -> None:
    told = report(stored("ubuntu-22.04"))
    assert told.problems == ()
    assert told.facts["panel"] == "Plesk 18.0.61"
    assert told.facts["automatic"] == "unattended-upgrades"
    assert set(of_cause(told, "security")) == {"libc-bin", "openssh-server", "linux-image-generic"}
    assert set(of_cause(told, "updates")) == {"tzdata"}
    assert set(of_cause(told, "kept-back")) == {"python3-software-properties"}  # the phased one comes by itself
    assert of_cause(told, "held")["mariadb-server"].severity is Severity.HIGH
    reboot = of_cause(told, "reboot")[""]
    assert reboot.severity is Severity.LOW
    assert "live patched (lkp_Ubuntu_5_15_0_105_115_generic_104)" in reboot.detail
    assert set(of_cause(told, "restart")) == {"nginx", "ssh"}  # cron names neither library
    assert told.facts["supported_until"] == "2027-06-01"


def test_almalinux_with_advisories_a_second_architecture_and_directadmin() -> None:
    told = report(stored("almalinux-9"))
    assert told.problems == ()
    assert told.facts["panel"] == "DirectAdmin 1.663"
    assert set(of_cause(told, "security")) == {"kernel", "kernel-core", "libxml2", "libxml2.i686", "openssl"}
    assert set(of_cause(told, "updates")) == {"tzdata"}  # what obsoletes another is no update
    assert of_cause(told, "reboot")[""].severity is Severity.HIGH
    assert set(of_cause(told, "restart")) == {"bash", "nginx"}  # the one in a container is that one's own
    assert of_cause(told, "restart")["nginx"].detail == "still runs the old libc.so.6, libssl.so.3.0.7"


def test_centos_7_is_past_its_end_and_nobody_says_what_is_for_security() -> None:
    told = report(stored("centos-7"))
    end = of_cause(told, "end-of-life")[""]
    assert end.severity is Severity.CRITICAL
    assert end.detail == "CentOS 7: security updates ended on 2024-06-30"
    assert not {"security", "updates"} & told.examined
    assert any("which updates are for security" in problem for problem in told.problems)
    assert "a-package-with-a-name-that-fills-its-column" in of_cause(told, "updates")  # its row was broken
    assert of_cause(told, "lists")[""].detail == "last refreshed on 2026-10-13, 40 days ago"


def test_cloudlinux_with_cpanel_and_kernelcare_is_not_asked_to_reboot_at_once() -> None:
    told = report(stored("cloudlinux-8-cpanel"))
    assert told.facts["panel"] == "cPanel 11.118.0.14"
    assert told.facts["live_patching"] == "KernelCare 4.18.0-553.5.1.lve.1.el8.x86_64"
    assert of_cause(told, "reboot")[""].severity is Severity.LOW
    assert {"security", "updates"} <= told.examined
    assert "exim*" in of_cause(told, "held")


@pytest.mark.parametrize("name", ["alpine-3.19", "freebsd-14"])
def test_another_system_says_what_it_is_and_is_never_fine(name: str) -> None:
    told = report(stored(name))
    assert told.facts["system"]
    assert "is not audited" in told.problems[0]
    assert told.examined <= {"clock"}


def test_a_known_system_whose_package_manager_did_not_answer_is_a_problem() -> None:
    output = re.sub(rb"(?s)@apt\n.*@apt_lists 0 \d+\n", b"", answer())
    told = report(output)
    assert "neither apt nor dnf nor yum answered: no update is known" in told.problems
    assert not {"security", "updates", "lists"} & told.examined


@pytest.mark.parametrize("noise", [b"", b"Welcome!\n", b"no newline at its end", b"\xff\x00\n", b"@apt 0 0\n@end 5\n"])
def test_what_a_login_script_prints_before_is_passed_over(noise: bytes) -> None:
    assert report(noise + answer() + b"logout\n").examined == frozenset(CAUSES)


def test_an_answer_with_carriage_returns_is_read_all_the_same() -> None:
    assert report(answer().replace(b"\n", b"\r\n")).examined == frozenset(CAUSES)


@pytest.mark.parametrize("output", [b"", b"bash: syntax error\n", b"@begin opsrunner-patches 1 x\n", b"\xff" * 9])
def test_no_answer_is_a_problem_and_nothing_is_examined(output: bytes) -> None:
    told = report(output)
    assert told.problems == ("the audit's script gave no answer",)
    assert told.examined == frozenset()


def test_text_of_a_host_cannot_pass_for_a_mark() -> None:
    output = answer(panel="/etc/a\n@apt\n@apt 0 0\n@end 1", apt=f"{KNOWN}\nInst bash [1] (2 Debian:12/stable [amd64])")
    told = report(output)
    assert set(of_cause(told, "updates")) == {"bash"}
    assert told.examined == frozenset(CAUSES)


def test_control_characters_and_commas_of_a_host_reach_nobody() -> None:
    told = report(conffiles="/etc/a,\x1b[31mb\x07\u202e.dpkg-dist", apt="held \x1b]0;x\x07y 1")
    for finding in told.findings:
        assert finding.subject.isprintable()
        assert finding.detail.isprintable()
        assert "," not in finding.subject
    assert len(told.findings) == 2


@pytest.mark.parametrize(
    ("known", "missing"),
    [
        ("states known", {"security", "updates", "kept-back", "held"}),
        ("policies known", {"held", "broken", "kept-back"}),
        ("", {"security", "updates", "kept-back", "held", "broken"}),
    ],
)
def test_what_apt_or_dpkg_could_not_say_is_not_examined(known: str, missing: set[str]) -> None:
    told = report(apt=known)
    assert frozenset(CAUSES) - told.examined == missing
    assert told.problems


@pytest.mark.parametrize(
    "line",
    [
        "sh: 1: find: not found",
        "bash: line 1: find: command not found",
        "find: '/etc': Permission denied",
        "find: '/etc/x': Input/output error",
        "",
    ],
)
def test_a_look_for_configuration_files_that_went_wrong_is_a_problem(line: str) -> None:
    told = report(conffiles=f"{line}\n/etc/b.conf.dpkg-dist")
    assert "conffiles" not in told.examined
    assert told.problems == (f"the configuration files that wait are not known: {line}".strip(),)
    assert set(of_cause(told, "conffiles")) == {"/etc/b.conf"}


def test_a_look_for_configuration_files_that_ended_badly_is_a_problem() -> None:
    told = report(answer().replace(b"@conffiles 0 0", b"@conffiles 127 0"))
    assert "conffiles" not in told.examined
    assert told.problems == ("the configuration files that wait are not known: the look ended with exit status 127",)


@pytest.mark.parametrize("quoted", ["'/etc/ssl/private'", "`/etc/ssl/private'", "/etc/ssl/private"])
def test_a_folder_that_is_for_root_alone_is_no_problem_but_hides_what_waits_there(quoted: str) -> None:
    told = report(conffiles=f"find: {quoted}: Permission denied")
    assert frozenset(CAUSES) - told.examined == {"conffiles"}
    assert told.problems == ()
    assert told.facts["conffiles_unread"] == 1


@pytest.mark.parametrize("text", ["1" * 1_000_000, "-a" * 500_000, "." * 1_000_000, "a " * 500_000])
def test_endless_lines_take_no_time(text: str) -> None:
    def read_both() -> None:
        report(
            panel=f"directadmin {text}",
            reboot=f"kernel {text}",
            restart=f"user 1\nboot 1\nunit {text}",
            conffiles=text,
            apt=f"{KNOWN}\nInst {text}",
            apt_lists=f"list {text}:Valid-Until: {text}",
        )
        report(stored("almalinux-9").replace(b"update openssl", b"update " + text.encode()))

    within(2, read_both, clock=time.thread_time)


def test_more_findings_than_are_kept_leave_the_worst_and_say_so() -> None:
    rows = [f"Inst low{number} [1] (2 Debian:12/stable [amd64])" for number in range(3000)]
    told = report(apt="\n".join([KNOWN, *rows, "Inst bad [1] (2 Debian-Security:12/stable-security [amd64])"]))
    assert len(told.findings) == 2000
    assert set(of_cause(told, "security")) == {"bad"}
    assert "updates" not in told.examined
    assert "security" in told.examined
    assert told.problems == ("1001 findings more than the 2000 that are kept for a host",)


@pytest.mark.parametrize(
    ("off", "detail"),
    [(3600, "1 h 0 min ahead"), (-3600, "1 h 0 min behind"), (-400, "6 min behind"), (900_000, "10 days ahead")],
)
def test_a_clock_that_is_off_is_a_finding_and_does_not_make_lists_old(off: int, detail: str) -> None:
    lists = f"told {AT + off - 3600} /var/lib/apt/lists\nlist x_InRelease:Date: x"
    told = report(answer(began_at=AT + off, ended_at=AT + off, apt_lists=lists))
    assert told.facts["clock_off_seconds"] == off
    assert of_cause(told, "clock")[""].detail == detail
    assert not of_cause(told, "lists")


@pytest.mark.parametrize(
    ("ahead", "said"), [(900 * 86400, "2029-05-10"), (301, "2026-11-22"), (99_000_000_000, "5138-11-16")]
)
def test_lists_of_a_time_to_come_have_no_age(ahead: int, said: str) -> None:
    told = report(apt_lists=f"told {min(AT + ahead, 99_999_999_999)} /var/lib/apt/lists\nlist x_InRelease:Date: x")
    assert frozenset(CAUSES) - told.examined == {"lists", "security", "updates", "kept-back"}
    assert told.problems == (
        f"the age of the package lists is not known: by their date, {said}, they are of a time to come",
    )


def test_lists_that_are_ahead_by_as_little_as_clocks_are_off_are_fresh() -> None:
    told = report(apt_lists=f"told {AT + 300} /var/lib/apt/lists\nlist x_InRelease:Date: x")
    assert told.examined == frozenset(CAUSES)


def test_a_clock_that_is_off_by_little_is_a_fact_alone() -> None:
    told = report(answer(began_at=AT + 200, ended_at=AT + 200))
    assert told.facts["clock_off_seconds"] == 200
    assert not told.findings


def test_every_cause_that_is_found_has_its_words() -> None:
    for name in STORED:
        told = report(stored(name))
        assert {finding.cause for finding in told.findings} <= set(CAUSES)
        assert told.examined <= set(CAUSES)
    assert all(name == cause.name and cause.title and cause.how.strip() for name, cause in CAUSES.items())


def examined_in_whole(output: bytes) -> frozenset[str]:
    return report(output).examined


def is_hospitable(told: HostReport) -> bool:
    return all(len(finding.detail) <= 300 and "\n" not in finding.detail for finding in told.findings)


@given(output=any_of.binary(max_size=2000))
@example(output=b"@begin opsrunner-patches 1 99999999999\n@end 99999999999\n")
def test_no_bytes_make_reading_fail(output: bytes) -> None:
    assert is_hospitable(report(output))


@given(name=any_of.sampled_from(STORED), data=any_of.data())
def test_answers_with_garbled_lines_never_fail(name: str, data: any_of.DataObject) -> None:
    lines = stored(name).split(b"\n")
    for _ in range(data.draw(any_of.integers(1, 5))):
        at = data.draw(any_of.integers(0, len(lines) - 1))
        words = lines[at].split(b" ")
        words[data.draw(any_of.integers(0, len(words) - 1))] = data.draw(
            any_of.one_of(
                any_of.binary(max_size=30), any_of.sampled_from([b"", b"9" * 30, b"-1", b"(", b"\xc2\xb2", b"["])
            )
        )
        lines[at] = b" ".join(words)
    assert is_hospitable(report(b"\n".join(lines)))


PART_OF = {
    "security": {"apt", "apt_lists", "dnf", "dnf_security", "dnf_lists"},
    "updates": {"apt", "apt_lists", "dnf", "dnf_security", "dnf_lists"},
    "kept-back": {"apt", "apt_lists"},
    "held": {"apt", "dnf"},
    "broken": {"apt"},
    "lists": {"apt_lists", "dnf_lists"},
    "conffiles": {"conffiles"},
    "reboot": {"reboot"},
    "restart": {"restart"},
    "end-of-life": {"system"},
}
"""The parts that a cause is told by."""


@given(name=any_of.sampled_from(STORED), data=any_of.data())
def test_an_answer_cut_anywhere_examines_no_cause_whose_part_is_not_whole(name: str, data: any_of.DataObject) -> None:
    whole = stored(name)
    cut = whole[: data.draw(any_of.integers(0, len(whole) - 1))]
    told = report(cut)
    assert told.problems
    assert told.examined <= examined_in_whole(whole)
    has = set(re.findall(rb"(?m)^@(\w+) \d+ \d+$\n", cut))
    for cause in told.examined:
        needs = {part for part in PART_OF[cause] if f"\n@{part}\n".encode() in whole}
        assert {part.encode() for part in needs} <= has


@given(name=any_of.sampled_from(STORED), data=any_of.data())
def test_an_answer_with_its_middle_cut_out_examines_no_cause_whose_part_is_not_whole(
    name: str, data: any_of.DataObject
) -> None:
    whole = stored(name)
    start = data.draw(any_of.integers(whole.index(b"\n") + 1, len(whole) - 1))
    end = data.draw(any_of.integers(start + 1, len(whole)))
    note = data.draw(any_of.sampled_from([b"", b"\n[... 1234 bytes left out ...]\n"]))
    cut = whole[:start] + note + whole[end:]
    told = report(cut)
    for cause in told.examined - {"clock"}:
        for part in PART_OF[cause]:
            opening, closing = whole.find(f"\n@{part}\n".encode()), whole.find(f"\n@{part} ".encode())
            if opening < 0:
                continue
            lost = whole[max(opening + 1, start) : min(closing, end)]
            assert b"\n" not in lost, f"{cause}: {part} lost {lost!r}"
            assert not (lost and note), f"{cause}: {part} has a hole"


def test_old_data_about_releases_is_told() -> None:
    told = report(answer(), now=NOW + timedelta(days=370))
    assert any("was last looked up on 2026-11-22: renew opsrunner" in problem for problem in told.problems)


def test_the_script_is_one_command_that_reads_its_own_input_to_the_end() -> None:
    assert script().rstrip().endswith("audit </dev/null")
    assert len(script()) < 12_000
    assert read_report("x", script().encode(), now=NOW).examined == frozenset()
