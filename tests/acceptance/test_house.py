"""`init`, `doctor`, `hosts`, `digest`, and a state that cannot be used."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ..patience import within

Opsrunner = Callable[..., Any]
SCRIPT = Path(sys.executable).with_name("opsrunner")
HELLO = "name: Hello\naccountable: sysadmin\nsteps:\n  - run: echo hello\n"
BROKEN = "name: Broken\naccountable: sysadmin\nsteps:\n  - run: echo hello\n    timout: 5m\n"
WITH_HOST = """\
site: Example Hosting
timezone: Europe/Oslo
people:
  boss: {name: The owner, email: owner@example.com, roles: [owner]}
  ops1: {name: First technician, email: ops1@example.com, roles: [sysadmin, support]}
hosts:
  web1: {address: 192.0.2.10, user: opsrunner, groups: [shared]}
"""


def test_a_new_site_checks_and_is_private(opsrunner: Opsrunner, tmp_path: Path) -> None:
    written = opsrunner("init", "ops", "--company", 'A "quoted": company', "--timezone", "Europe/Oslo", site=tmp_path)
    checked = opsrunner("check", "--site", "ops", site=tmp_path)
    again = opsrunner("init", "ops", site=tmp_path)

    assert written.returncode == 0
    assert [line[:2] for line in written.stdout.splitlines()[-3:]] == ["1.", "2.", "3."]
    assert checked.returncode == 0, checked.stdout
    assert (tmp_path / "ops").stat().st_mode & 0o777 == 0o700
    assert again.returncode == 1
    assert "is there already" in again.stderr


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (("--timezone", "Europe/Olso"), "there is no time zone 'Europe/Olso', did you mean 'Europe/Oslo'?"),
        (("--email", "nobody"), "'nobody' is not a mail address"),
    ],
)
def test_a_new_site_refuses_what_it_could_not_use(
    opsrunner: Opsrunner, tmp_path: Path, options: tuple[str, ...], complaint: str
) -> None:
    answer = opsrunner("init", "ops", *options, site=tmp_path)

    assert (answer.returncode, complaint in answer.stderr) == (2, True)
    assert not (tmp_path / "ops").exists()


def test_the_doctor_names_what_is_not_fine_and_what_to_do(opsrunner: Opsrunner, make_site: Callable[..., Path]) -> None:
    site = make_site({"opsrunner.yaml": WITH_HOST, "routines/hello.yaml": HELLO, "routines/broken.yaml": BROKEN})
    (site / "secrets").mkdir(mode=0o700)
    (site / "secrets/smtp").write_text("x", encoding="utf-8")
    (site / "secrets/smtp").chmod(0o644)

    shown = opsrunner("doctor", site=site)
    found = json.loads(opsrunner("doctor", "--json", site=site).stdout)

    wrong = {finding["what"]: finding for finding in found["findings"] if finding["level"] != "fine"}
    assert shown.returncode == 1
    assert found["ok"] is False
    assert any("routines/broken.yaml:5:5: steps[0].timout" in what for what in wrong)
    assert wrong["others may read a secret"]["advice"] == f"chmod 600 {site / 'secrets/smtp'}"
    assert wrong["the key of web1 is not trusted yet"]["advice"] == "opsrunner hosts trust web1"
    assert wrong["a private SSH key is missing"]["where"] == str(site / "secrets/ssh_key")
    assert "no daemon works here" in wrong
    assert "✓ the ledger is intact" in shown.stdout


def test_the_doctor_is_content_while_a_daemon_works(opsrunner: Opsrunner, make_site: Callable[..., Path]) -> None:
    site = make_site({"routines/hello.yaml": HELLO})
    daemon = subprocess.Popen([str(SCRIPT), "serve", "--no-page"], cwd=site, stderr=subprocess.PIPE, text=True)
    try:
        deadline = time.monotonic() + 20
        answer = opsrunner("doctor", site=site)
        while answer.returncode and time.monotonic() < deadline:
            time.sleep(0.3)
            answer = opsrunner("doctor", site=site)
    finally:
        daemon.terminate()
        daemon.communicate(timeout=30)

    assert answer.returncode == 0, answer.stdout
    assert answer.stdout.startswith("All is in order.\n")
    assert f"the daemon works: process {daemon.pid}" in answer.stdout


def test_a_test_mail_arrives_and_says_where_it_comes_from(opsrunner: Opsrunner, make_site: Callable[..., Path]) -> None:
    site = make_site({})
    answer = opsrunner("doctor", "--send-test-mail", "--as", "ops1", site=site)

    mails = [path.read_text(encoding="utf-8") for path in (site / "var/maildir/new").iterdir()]
    assert "the test mail to ops1@example.com was handed over" in answer.stdout
    assert len(mails) == 1
    assert "To: ops1@example.com" in mails[0]


def test_a_mail_server_that_is_not_there_is_a_finding(opsrunner: Opsrunner, make_site: Callable[..., Path]) -> None:
    text = WITH_HOST.split("hosts:", maxsplit=1)[0]
    smtp = "mail: {from: ops@example.com, smtp: {host: 127.0.0.1, port: 9, security: none}}\n"
    site = make_site({"opsrunner.yaml": text + smtp})

    answer = opsrunner("doctor", "--send-test-mail", site=site)

    assert answer.returncode == 1
    assert "✕ mail cannot leave: 127.0.0.1:9: " in answer.stdout
    assert "✕ the test mail to owner@example.com did not leave" in answer.stdout


def test_hosts_are_listed_with_their_trust(opsrunner: Opsrunner, make_site: Callable[..., Path]) -> None:
    site = make_site({"opsrunner.yaml": WITH_HOST})

    shown = opsrunner("hosts", "list", site=site).stdout
    found = json.loads(opsrunner("hosts", "list", "--json", site=site).stdout)
    unknown = opsrunner("hosts", "trust", "web2", site=site)
    forgotten = opsrunner("hosts", "forget", "web1", site=site)

    web1 = next(host for host in found if host["host"] == "web1")
    assert "opsrunner@192.0.2.10" in shown
    assert "not trusted yet: opsrunner hosts trust web1" in shown
    assert (web1["trusted"], web1["keys"], web1["groups"]) == (False, [], ["shared"])
    assert unknown.stderr == "opsrunner: there is no host 'web2', did you mean 'web1'?\n"
    assert forgotten.stderr == "opsrunner: web1 has no trusted key\n"


@pytest.mark.needs("sshd", "ssh-keygen")
def test_a_hosts_key_is_shown_asked_for_and_pinned(
    opsrunner: Opsrunner, make_site: Callable[..., Path], program: Callable[[str], str], tmp_path: Path
) -> None:
    key = tmp_path / "host_key"
    subprocess.run([program("ssh-keygen"), "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    port = 40022 + os.getpid() % 20000
    server = subprocess.Popen(
        [program("sshd"), "-D", "-f", "/dev/null", "-h", str(key), "-p", str(port), "-o", "ListenAddress=127.0.0.3"],
        stderr=subprocess.PIPE,
    )
    site = make_site({"opsrunner.yaml": WITH_HOST.replace("192.0.2.10", f"127.0.0.3, port: {port}")})
    try:
        unasked = until_it_answers(lambda: opsrunner("hosts", "trust", "web1", site=site), "say --yes")
        trusted = opsrunner("hosts", "trust", "web1", "--yes", "--as", "ops1", site=site)
        again = opsrunner("hosts", "trust", "web1", site=site)
        forgotten = opsrunner("hosts", "forget", "web1", site=site)
    finally:
        server.terminate()
        server.communicate(timeout=10)

    listed = subprocess.run(
        [program("ssh-keygen"), "-lf", f"{key}.pub"], capture_output=True, text=True, check=True
    ).stdout
    fingerprint = listed.split()[1]
    assert unasked.returncode == 1
    assert fingerprint in unasked.stdout
    assert trusted.returncode == 0
    assert "web1 is trusted from now on." in trusted.stdout
    assert "web1 is trusted already." in again.stdout
    assert "The keys of web1 are forgotten." in forgotten.stdout


def until_it_answers(ask: Callable[[], Any], wanted: str) -> Any:
    """Ask until the server has come up."""
    deadline = time.monotonic() + 15
    answer = ask()
    while wanted not in answer.stderr and time.monotonic() < deadline:
        time.sleep(0.2)
        answer = ask()
    return answer


def test_a_digest_is_looked_at_kept_and_sent(opsrunner: Opsrunner, make_site: Callable[..., Path]) -> None:
    site = make_site({"routines/hello.yaml": HELLO})
    opsrunner("run", "hello", site=site)

    looked = opsrunner("digest", site=site)
    previewed = json.loads(opsrunner("digest", "--json", site=site).stdout)
    kept = opsrunner("digest", "--html", "out.html", site=site)
    sent = opsrunner("digest", "--send", site=site)
    of_today = json.loads(opsrunner("digest", "--date", "today", "--json", site=site).stdout)
    after = json.loads(opsrunner("digest", "--json", site=site).stdout)

    assert looked.stdout.startswith("Subject: ")
    assert "Hello" in looked.stdout
    assert (previewed["series"], previewed["sent_at"]) == ("daily", None)
    assert previewed["digest"]["runs"] == 1, "looking stamps nothing"
    assert kept.returncode == 0
    assert (site / "out.html").read_text(encoding="utf-8").lstrip().lower().startswith("<!doctype html")
    assert "Written and handed over." in sent.stdout
    assert len(list((site / "var/maildir/new").iterdir())) == 1
    assert of_today["sent_at"] is not None
    assert after["digest"]["runs"] == 0, "a run is in one digest of a series"
    assert opsrunner("digest", "--date", "tomorrow", site=site).returncode == 2


@pytest.mark.parametrize("as_json", [(), ("--json",)], ids=["text", "json"])
def test_a_day_on_which_no_digest_went_out_is_told_in_one_line(
    opsrunner: Opsrunner, make_site: Callable[..., Path], as_json: tuple[str, ...]
) -> None:
    site = make_site({"routines/hello.yaml": HELLO})
    opsrunner("digest", "--send", site=site)
    of_january = opsrunner("digest", "--date", "2026-01-05", *as_json, site=site)
    of_another_series = opsrunner("digest", "--date", "today", "--series", "weekly", *as_json, site=site)

    assert (of_january.returncode, of_january.stdout) == (1, "")
    assert of_january.stderr == "opsrunner: no daily digest went out on 2026-01-05\n"
    assert of_another_series.returncode == 1
    assert of_another_series.stderr.startswith("opsrunner: no weekly digest went out on ")


def spoiled(state: Path, how: str) -> None:
    """Make a state folder that cannot be used."""
    if how == "a file":
        state.write_text("", encoding="utf-8")
        return
    state.mkdir(mode=0o700)
    if how == "wrong owner":
        os.chown(state, 12345, 12345)
    elif how == "damaged":
        (state / "ledger.db").write_bytes(b"not a database, but long enough to be one" * 100)
    elif how == "read only":
        state.chmod(0o500)


HOW = ["a file", pytest.param("wrong owner", marks=pytest.mark.needs("root")), "damaged", "read only"]


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize(
    "arguments",
    [
        ("runs",),
        (
            "serve",
            "--no-page",
        ),
        ("run", "hello"),
    ],
    ids=lambda words: words[0],
)
def test_a_state_that_cannot_be_used_is_one_line(
    make_site: Callable[..., Path], how: str, arguments: tuple[str, ...]
) -> None:
    site = make_site({"routines/hello.yaml": HELLO})
    spoiled(site / "var", how)
    answer = within(2, lambda: without_privileges([str(SCRIPT), *arguments], cwd=site), tries=5)

    assert answer.returncode == 1
    assert answer.stderr.startswith("opsrunner: ")
    assert answer.stderr.count("\n") == 1
    assert answer.stdout == ""


def without_privileges(command: list[str], *, cwd: Path, env: dict[str, str] | None = None) -> Any:
    """Run a command that must obey file modes, also where the tests run as root."""
    if os.geteuid() == 0:
        command = ["setpriv", "--inh-caps=-all", "--bounding-set=-all", *command]
    return subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, timeout=30, check=False)


def test_it_works_without_a_home(make_site: Callable[..., Path]) -> None:
    site = make_site({"routines/hello.yaml": HELLO})
    for arguments in (("run", "hello"), ("runs",), ("check",)):
        answer = subprocess.run(
            [str(SCRIPT), *arguments], cwd=site, env={"PATH": os.defpath}, capture_output=True, timeout=30, check=False
        )
        assert answer.returncode == 0, answer.stderr


def test_a_reader_that_leaves_is_not_a_fault(make_site: Callable[..., Path]) -> None:
    site = make_site({"routines/hello.yaml": HELLO.replace("steps:", "schedule: {every: 15m}\nsteps:")})
    with subprocess.Popen(
        [str(SCRIPT), "next", "hello", "--count", "1000"],
        cwd=site,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        complaint = process.stderr.read()
    assert complaint == ""
    assert process.returncode == 141
