"""What is made of a host's answer about how it stands open."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as any_of

from opsrunner.audits.hardening import CAUSES, Baseline, environment_of, read_report, script
from opsrunner.model.finding import Finding, HostReport, Severity

NOW = datetime(2026, 11, 22, 6, tzinfo=UTC)
DATA = Path(__file__).parents[2] / "data/audits"
ALMA = (DATA / "hardening-alma9.txt").read_bytes()
CENTOS = (DATA / "hardening-centos7.txt").read_bytes()
ALPINE = (DATA / "hardening-alpine.txt").read_bytes()
ALL = frozenset(CAUSES)
CRITICAL, HIGH, MEDIUM, LOW = Severity


def report(output: bytes, baseline: Baseline | None = None) -> HostReport:
    return read_report("web3", output, now=NOW, baseline=baseline)


def found(output: bytes, cause: str, baseline: Baseline | None = None) -> dict[str, Finding]:
    return {finding.subject: finding for finding in report(output, baseline).findings if finding.cause == cause}


def severities(output: bytes, cause: str, baseline: Baseline | None = None) -> dict[str, Severity]:
    return {subject: finding.severity for subject, finding in found(output, cause, baseline).items()}


def test_ports_are_judged_by_who_can_have_a_way_to_them() -> None:
    """Loopback is no finding, neither is a question's own socket; the same service on both families is one."""
    assert severities(ALMA, "port") == {
        "tcp 0.0.0.0:22": MEDIUM,
        "tcp 0.0.0.0:443": MEDIUM,
        "tcp 0.0.0.0:3306": HIGH,
        "tcp 10.0.0.5:6379": MEDIUM,
        "tcp [2001:db8::5]:8443": MEDIUM,
        "udp 0.0.0.0:123": MEDIUM,
    }
    assert found(ALMA, "port")["tcp 0.0.0.0:3306"].detail == "MySQL: mysqld, on every address"
    assert found(ALMA, "port")["tcp 0.0.0.0:22"].detail == "sshd, on every address, IPv6 too"
    assert found(ALMA, "port")["tcp 10.0.0.5:6379"].mark == "redis-server"


def test_a_database_without_a_password_on_the_open_net_is_critical() -> None:
    assert severities(ALMA.replace(b"10.0.0.5:6379", b"0.0.0.0:6379"), "port")["tcp 0.0.0.0:6379"] is CRITICAL


def test_what_the_site_allows_is_no_finding() -> None:
    baseline = Baseline(allow_ports=("22", "443/tcp", "123/udp", "8000-8999"))

    assert set(severities(ALMA, "port", baseline)) == {"tcp 0.0.0.0:3306", "tcp 10.0.0.5:6379"}


def test_a_port_that_is_allowed_for_one_protocol_is_not_for_the_other() -> None:
    assert "udp 0.0.0.0:123" in severities(ALMA, "port", Baseline(allow_ports=("123/tcp",)))


def test_old_tools_and_the_kernels_own_tables_are_read_too() -> None:
    assert severities(CENTOS, "port") == {"tcp 0.0.0.0:22": MEDIUM, "udp 0.0.0.0:68": MEDIUM}
    assert severities(ALPINE, "port") == {"tcp 0.0.0.0:22": MEDIUM, "udp 10.0.0.5:161": LOW}


def test_the_effective_settings_count_and_matches_are_seen_beside_them() -> None:
    assert severities(ALMA, "ssh-setting") == {
        "PermitRootLogin yes": HIGH,
        "KbdInteractiveAuthentication yes": MEDIUM,
        "PasswordAuthentication yes (Match User deploy;backup)": MEDIUM,
        "X11Forwarding yes": LOW,
    }


def test_of_the_files_the_first_word_counts_at_the_place_of_the_include() -> None:
    """sshd_config(5): for each keyword the first value is used; a Match in an included file ends with it."""
    assert severities(ALPINE, "ssh-setting") == {
        "PermitRootLogin yes": MEDIUM,
        "PermitEmptyPasswords yes (Match Address 10.0.0.0/8)": CRITICAL,
    }


def test_a_setting_can_be_allowed() -> None:
    baseline = Baseline(allow_ssh=("permitrootlogin  yes", "X11Forwarding yes"))

    assert set(severities(ALMA, "ssh-setting", baseline)) == {
        "KbdInteractiveAuthentication yes",
        "PasswordAuthentication yes (Match User deploy;backup)",
    }


def test_passwords_are_taken_where_nothing_is_said() -> None:
    bare = b"=== opsrunner: ssh-settings\n|file /etc/ssh/sshd_config\n|says UsePAM no\n=== opsrunner end 0\n"

    assert "its default" in found(bare, "ssh-setting")["PasswordAuthentication yes"].detail


def test_a_host_without_an_ssh_server_has_no_settings_to_judge() -> None:
    bare = b"=== opsrunner: ssh-settings\n=== opsrunner end 3\n"

    assert "ssh-setting" in report(bare).examined
    assert found(bare, "ssh-setting") == {}


def test_second_roots_and_empty_passwords_are_found() -> None:
    assert severities(ALMA, "root-account") == {"toor": HIGH}
    assert severities(ALMA, "root-account", Baseline(allow_root_accounts=("toor",))) == {}
    assert severities(ALMA, "empty-password") == {"guest": CRITICAL}


def test_roots_logins_are_one_finding_a_source() -> None:
    """Not those by key from where the audit comes in, nor those of long ago."""
    logins = found(ALMA, "root-login")

    assert {source: (login.severity, login.detail) for source, login in logins.items()} == {
        "203.0.113.9": (HIGH, "1 by password, 1 by key, the last on 2026-11-21 07:00 UTC"),
        "198.51.100.7": (LOW, "3 by key, the last on 2026-11-21 23:00 UTC"),
        "console": (LOW, "1 in a terminal, the last on 2026-11-21 03:00 UTC"),
    }


def test_a_login_by_password_is_told_wherever_it_comes_from() -> None:
    baseline = Baseline(allow_root_from=("203.0.113.0/24", "198.51.100.7"))
    own = ALMA.replace(b"own 192.0.2.200", b"own 203.0.113.9")

    assert set(severities(ALMA, "root-login", baseline)) == {"203.0.113.9", "console"}
    assert found(ALMA, "root-login", baseline)["203.0.113.9"].detail == (
        "1 by password, the last on 2026-11-20 08:00 UTC"
    )
    assert "203.0.113.9" in severities(own, "root-login")


def test_a_line_of_an_old_log_without_a_year_is_of_the_last_months() -> None:
    assert severities(ALPINE, "root-login") == {"198.51.100.7": LOW}
    assert not [problem for problem in report(ALPINE).problems if "root's logins" in problem]


def test_web_roots_tell_how_many_and_the_first_names() -> None:
    roots = found(ALMA, "world-writable")

    assert {root: (finding.severity, finding.detail, finding.mark) for root, finding in roots.items()} == {
        "/home/bert/public_html": (
            HIGH,
            "12 that anyone may write: /home/bert/public_html, /home/bert/public_html/a, b.php and 10 more",
            "fewer than 100",
        ),
        "/var/www": (MEDIUM, "1 that anyone may write: /var/www/html/upload", "fewer than 10"),
    }


def test_without_root_the_report_says_what_it_could_not_look_at() -> None:
    answer = report(CENTOS)

    assert answer.examined == {"port", "root-account"}
    assert answer.problems == (
        "SSH settings: this account may not read /etc/ssh/sshd_config",
        "empty passwords: not looked at, this account may not read it",
        "root's logins: not looked at, this account may not read it; only sessions with a terminal were seen",
        "web roots: not looked through to the end: /home and 1 more",
    )
    assert "198.51.100.7" in severities(CENTOS, "root-login")


def test_what_the_site_leaves_out_is_no_problem() -> None:
    without = frozenset({"ssh-setting", "empty-password", "root-login", "world-writable"})
    answer = report(CENTOS, Baseline(without=without))

    assert (answer.examined, answer.problems) == (frozenset({"port", "root-account"}), ())


def test_a_log_that_is_not_there_is_no_proof_that_nobody_came() -> None:
    answer = report(ALMA.replace(b"|own 192.0.2.200\n", b"").replace(b"|journal", b"#"))
    none = b"=== opsrunner: accepted-logins\n=== opsrunner end 3\n"

    assert not [problem for problem in answer.problems if "root's logins" in problem]
    assert "root's logins: there is no log of the SSH server" in report(none).problems


@pytest.mark.parametrize("output", [ALMA, CENTOS, ALPINE, ALMA.replace(b"|journal", b"#")])
def test_a_login_is_an_event_that_no_audit_can_call_gone(output: bytes) -> None:
    """Its days pass and its log is rotated without anybody having looked: only a person ends it."""
    assert "root-login" not in report(output).examined


@pytest.mark.parametrize(
    ("at", "is_told"),
    [
        ("2026-11-15T06:30:00+0000", True),
        ("2026-11-15T04:30:00+0000", False),
        ("2026-11-15T04:30:00", True),
        ("2026-11-13T05:30:00", False),
    ],
)
def test_what_is_older_than_the_days_looked_at_is_not_told_again(at: str, is_told: bool) -> None:
    """NOW is the 22nd at 6 o'clock. A log that names no zone may be a day off."""
    line = f"|journal 1 {at} web3 sshd[1]: Accepted password for root from 192.0.2.9 port 1 ssh2\n"
    output = f"=== opsrunner: accepted-logins\n{line}=== opsrunner end 0\n".encode()

    assert ("192.0.2.9" in severities(output, "root-login")) is is_told


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"allow_ports": ("http",)}, "'http' is no port"),
        ({"allow_ports": ("70000",)}, "'70000' is no port"),
        ({"allow_ports": ("90-80",)}, "'90-80' is no port"),
        ({"allow_ports": ("22/sctp",)}, "'22/sctp' is no port"),
        ({"allow_root_from": ("office",)}, "'office' is no address or network"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_one_line(wrong: dict[str, tuple[str, ...]], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Baseline(**wrong)  # type: ignore[arg-type]


@given(any_of.sampled_from(["ports", "ssh-settings", "accepted-logins", "root-sessions"]), any_of.binary(max_size=2000))
def test_no_bytes_break_it(section: str, output: bytes) -> None:
    check(report(f"=== opsrunner: {section}\n|".encode() + output))


@given(any_of.sampled_from([ALMA, CENTOS, ALPINE]), any_of.integers(0, 6000))
def test_no_cut_breaks_it_or_makes_anything_better(whole: bytes, length: int) -> None:
    cut = report(whole[:length])

    check(cut)
    assert cut.examined <= report(whole).examined
    if length < len(whole):
        assert cut.problems


@given(
    any_of.sampled_from([ALMA, CENTOS, ALPINE]),
    any_of.lists(any_of.tuples(any_of.integers(0, 6000), any_of.integers(0, 255))),
)
def test_no_garbled_bytes_break_it(whole: bytes, changes: list[tuple[int, int]]) -> None:
    garbled = bytearray(whole)
    for place, value in changes:
        garbled[place % len(garbled)] = value

    check(report(bytes(garbled)))


@given(
    any_of.sampled_from(["log", "journal", "says", "ss", "tcp", "root", "file", "effective", "unread"]), any_of.text()
)
def test_no_line_breaks_any_part(word: str, rest: str) -> None:
    for section in ("ports", "ssh-settings", "accepted-logins", "root-sessions", "world-writable", "accounts"):
        check(report(f"=== opsrunner: {section}\n|{word} {rest}\n=== opsrunner end 0\n".encode("utf-8", "replace")))


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
    baseline = Baseline(web_roots=("/srv/*/web", "/srv/a b"), without=frozenset({"port"}))

    assert environment_of(baseline)["OPS_WEB_ROOTS"] == "/srv/*/web\n/srv/a b"
    assert environment_of(baseline)["OPS_WITHOUT"] == "port"
    assert "/srv/a b" not in script()


def test_a_host_without_a_shadow_file_is_not_fine_and_tells_what_it_has() -> None:
    bare = b"=== opsrunner: empty-passwords\n|guest\n=== opsrunner end 3\n"

    assert "empty-password" not in report(bare).examined
    assert "empty passwords: there is no /etc/shadow to tell" in report(bare).problems
    assert severities(bare, "empty-password") == {"guest": CRITICAL}
