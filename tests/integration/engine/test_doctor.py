"""What the doctor finds, over a real ledger and real files."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from opsrunner.engine.doctor import examine
from opsrunner.engine.doctor_house import check_looks
from opsrunner.engine.doctor_patient import Finding, Patient
from opsrunner.engine.state import StateLock, prepare_state
from opsrunner.errors import MailFailed
from opsrunner.ledger.books import Books
from opsrunner.model.mail import NewMail
from opsrunner.model.person import Person
from opsrunner.model.routine import Routine, StepPlan
from opsrunner.model.rows import LookStanding, OnRows
from opsrunner.model.site import Host, MailSettings, Problem, Site, SmtpSettings
from opsrunner.model.store import LocalStore
from opsrunner.secrets import SecretRef

NOW = datetime(2026, 11, 20, 6, tzinfo=UTC)
Change = Callable[[Patient], Patient]


@pytest.fixture
def patient(tmp_path: Path) -> Iterator[Patient]:
    """Make a house in which all is well: a daemon that has just planned, private folders, mail that leaves."""
    root, state = tmp_path / "site", tmp_path / "state"
    (root / "routines").mkdir(parents=True, mode=0o700)
    (root / "opsrunner.yaml").write_text("site: x\n", encoding="utf-8")
    (root / "routines/hello.yaml").write_text("name: Hello\n", encoding="utf-8")
    prepare_state(state)
    daemon = StateLock(state)
    daemon.take()
    books = Books.open(state / "ledger.db")
    books.service.note_planned(NOW - timedelta(seconds=30))
    boss = Person(id="boss", name="The owner", email="owner@example.com", roles=("owner",))
    yield Patient(
        site=Site(
            root=root, name="x", timezone="UTC", people={"boss": boss}, mail=MailSettings(from_="ops@example.com")
        ),
        problems=(),
        warnings=(),
        state=state,
        books=books,
        lock=StateLock(state),
        now=NOW,
        pinned=lambda _host: True,
        try_mail=lambda: "mail.example.com:587",
    )
    books.ledger.close()
    daemon.release()


def wrong(patient: Patient) -> list[Finding]:
    return [finding for finding in examine(patient) if finding.level != "fine"]


def refuse_mail() -> str:
    raise MailFailed("mail.example.com:587: the sign-in was refused")


def test_a_house_in_order_gets_only_fine_findings(patient: Patient) -> None:
    assert wrong(patient) == []
    assert len(examine(patient)) >= 9


def test_it_says_where_any_certificate_will_do(patient: Patient) -> None:
    ask = StepPlan(id="login", kind="http", options={"get": "https://panel.example.com/", "verify": False})
    routine = Routine(id="panel", name="Panel", accountable="owner", steps=(ask, replace(ask, id="ok", options={})))
    mail = MailSettings(from_="ops@example.com", smtp=SmtpSettings(host="mail.example.com", verify=False))
    found = wrong(replace(patient, site=replace(patient.site, mail=mail, routines={"panel": routine})))
    assert [(finding.level, finding.what) for finding in found] == [
        ("look", "Mails leave without checking the certificate of mail.example.com (mail.smtp.verify: false)"),
        ("look", "Panel asks without checking the certificate (login: verify: false)"),
    ]
    assert all("remove `verify: false`" in finding.advice for finding in found)


@pytest.mark.parametrize(
    ("change", "level", "what"),
    [
        (lambda p: replace(p, now=datetime(1980, 1, 1, tzinfo=UTC)), "failed", "the clock says 1980-01-01"),
        (lambda p: replace(p, now=NOW - timedelta(days=2)), "failed", "the clock was set back"),
        (lambda p: replace(p, now=NOW + timedelta(hours=1)), "failed", "holds the state but last planned"),
        (lambda p: replace(p, try_mail=refuse_mail), "failed", "mail cannot leave: mail.example.com:587: the sign-in"),
    ],
    ids=["clock before us", "clock set back", "daemon stuck", "mail refused"],
)
def test_it_finds_what_is_wrong(patient: Patient, change: Change, level: str, what: str) -> None:
    found = wrong(change(patient))

    assert [(finding.level, what in finding.what) for finding in found] == [(level, True)]
    assert found[0].advice


def test_it_says_what_holds_for_a_file_until_it_is_mended(patient: Patient) -> None:
    kept = Problem(file="routines/hello.yaml", line=1, column=1, path="", message="wrong")
    never = Problem(file="routines/new.yaml", line=1, column=1, path="", message="wrong")
    site = replace(
        patient.site,
        routines={"hello": Routine(id="hello", name="Hello", accountable="boss")},
        broken={"hello": (kept,), "new": (never,)},
    )
    found = wrong(replace(patient, site=site, problems=(kept, never)))
    assert [finding.advice for finding in found] == [
        "correct it; its last good version stays in force",
        "correct it; it does not run until that is mended",
    ]


@pytest.mark.parametrize(
    ("known", "thawed", "advice"),
    [
        (("hello", "other"), 2, "the last good version of 2 routines stays in force"),
        (("hello", "other"), 1, "the last good version of 1 routine stays in force, 1 other not"),
        ((), 0, "no routine runs until that is mended"),
    ],
    ids=["all kept", "one is of another version", "nothing is known"],
)
def test_it_says_what_holds_while_the_folder_of_routines_is_missing(
    patient: Patient, known: tuple[str, ...], thawed: int, advice: str
) -> None:
    missing = Problem(file="routines", line=1, column=1, path="", message="the folder is missing")
    kept = {name: Routine(id=name, name=name, accountable="boss") for name in known[:thawed]}
    site = replace(patient.site, routines=kept, broken=dict.fromkeys(known, (missing,)))

    (found,) = wrong(replace(patient, site=site, problems=(missing,)))

    assert (found.level, found.what) == ("failed", "routines:1:1: the folder is missing")
    assert found.advice == f"correct it; {advice}"


def test_a_folder_that_cannot_be_listed_stops_nothing_that_is_in_force(patient: Patient) -> None:
    closed = Problem(file="routines", line=1, column=1, path="", message="cannot be listed (Input/output error)")
    site = replace(patient.site, routines={"hello": Routine(id="hello", name="Hello", accountable="boss")})

    (found,) = wrong(replace(patient, site=site, problems=(closed,)))

    assert found.advice == "correct it; its last good version stays in force"


def test_it_says_that_nobody_keeps_the_routines(patient: Patient, tmp_path: Path) -> None:
    found = wrong(replace(patient, lock=StateLock(tmp_path / "nowhere")))

    assert [finding.what for finding in found] == [
        "no daemon works here; nothing was planned since 2026-11-20 05:59 UTC"
    ]


def test_it_finds_what_others_may_change_or_read(patient: Patient) -> None:
    routine = patient.site.root / "routines/hello.yaml"
    routine.chmod(0o660)
    secrets = patient.site.root / "secrets"
    secrets.mkdir(mode=0o700)
    (secrets / "smtp").write_text("x", encoding="utf-8")
    (secrets / "smtp").chmod(0o640)
    (secrets / "ssh_key.pub").write_text("x", encoding="utf-8")
    (secrets / "ssh_key.pub").chmod(0o644)  # a public key may be read
    (patient.state / "ledger.db").chmod(0o644)

    found = {finding.where: finding for finding in wrong(patient)}

    assert found[str(routine)].advice == f"chmod go-w {routine}"
    assert found[str(secrets / "smtp")].level == "failed"
    assert found[str(patient.state / "ledger.db")].what == "others may look into the state"
    assert len(found) == 3


@pytest.mark.needs("root")
def test_it_finds_files_of_somebody_else_that_decide_what_runs(patient: Patient) -> None:
    routine, nobodys = patient.site.root / "routines/hello.yaml", patient.site.root / "opsrunner.yaml"
    os.chown(routine, 65534, -1)
    os.chown(nobodys, 54321, -1)

    found = {finding.where: finding for finding in wrong(patient)}

    assert found[str(routine)].what == "it belongs to nobody, who decides by it what runs here as another user"
    assert found[str(routine)].advice == f"if it is not meant so: chown root {routine}"
    assert found[str(nobodys)].what.startswith("it belongs to user 54321, ")
    assert len(found) == 2


def test_it_finds_a_folder_of_secrets_in_which_others_may_put_theirs(patient: Patient) -> None:
    secrets = patient.site.root / "secrets"
    secrets.mkdir()
    (secrets / "smtp").write_text("x", encoding="utf-8")
    (secrets / "smtp").chmod(0o600)
    secrets.chmod(0o730)

    (found,) = wrong(patient)

    assert (found.level, found.where, found.advice) == ("failed", str(secrets), f"chmod go-w {secrets}")


def test_it_finds_a_secret_outside_the_folder_of_secrets_that_others_may_read(patient: Patient, tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("x", encoding="utf-8")
    key.chmod(0o604)
    asks = StepPlan(id="ask", kind="http", options={"headers": {"Authorization": SecretRef(file=str(key))}})
    routine = Routine(id="ask", name="Ask", accountable="boss", steps=(asks,))
    (found,) = wrong(replace(patient, site=replace(patient.site, routines={"ask": routine})))
    assert (found.level, found.what, found.where) == ("failed", "others may read a secret", str(key))


@pytest.mark.needs("root")
def test_it_finds_a_secret_and_a_note_of_the_ledger_that_belong_to_a_stranger(patient: Patient) -> None:
    secret, note = patient.site.root / "secrets/smtp", patient.site.root / ".opsrunner-state"
    secret.parent.mkdir(mode=0o700)
    for path in (secret, note):
        path.write_text("", encoding="utf-8")
        path.chmod(0o600)
        os.chown(path, 65534, -1)

    found = {finding.where: finding for finding in wrong(patient)}

    assert found[str(secret)].what == "a secret belongs to nobody, who may read and replace it"
    assert found[str(secret)].advice.endswith(f"chown root {secret}")
    assert found[str(note)].what.startswith("it belongs to nobody, who may have opsrunner refuse its ledger")
    assert {finding.level for finding in found.values()} == {"failed"}
    assert len(found) == 2


def test_it_finds_a_note_of_the_ledger_that_others_may_write(patient: Patient) -> None:
    note = patient.site.root / ".opsrunner-state"
    note.write_text("", encoding="utf-8")
    note.chmod(0o620)
    (found,) = wrong(patient)
    assert (found.level, found.where, found.advice) == ("failed", str(note), f"chmod go-w {note}")
    note.chmod(0o644)  # it says no secret
    assert wrong(patient) == []


@pytest.mark.parametrize(
    "command",
    [
        ["scripts/dump"],
        ["bash", "scripts/dump"],
        "exec scripts/dump --all | gzip >dump.gz",
        'nice "$OPS_SITE/scripts/dump"; true',
        "cd /; ${OPS_SITE}/scripts/dump&&true",
        "it's not quoted scripts/dump",
    ],
    ids=lambda command: command if isinstance(command, str) else " ".join(command),
)
def test_it_finds_a_script_of_a_routine_that_others_may_change(patient: Patient, command: Any) -> None:
    script = patient.site.root / "scripts/dump"
    script.parent.mkdir(mode=0o700)
    script.write_text("#!/bin/sh\n", encoding="utf-8")
    script.chmod(0o770)
    routine = Routine(
        id="dump", name="Dump", accountable="boss", steps=(StepPlan(id="dump", kind="run", options={"run": command}),)
    )
    house = replace(patient, site=replace(patient.site, routines={"dump": routine}))

    (found,) = wrong(house)

    assert (found.level, found.where, found.advice) == ("failed", str(script), f"chmod go-w {script}")
    assert found.what == "others may change a script that runs here (Dump, step dump)"
    script.chmod(0o750)
    assert wrong(house) == []
    script.parent.chmod(0o777)
    (found,) = wrong(house)
    assert found.what == f"others may put a script of theirs in the place of {script} (Dump, step dump)"
    assert found.advice == f"chmod o-w {script.parent}"


def test_a_file_that_a_command_only_reads_is_no_script(patient: Patient, tmp_path: Path) -> None:
    data = tmp_path / "data.csv"
    data.write_text("", encoding="utf-8")
    data.chmod(0o666)
    step = StepPlan(id="load", kind="run", options={"run": f"sort {data}"})
    routine = Routine(id="load", name="Load", accountable="boss", steps=(step,))
    assert wrong(replace(patient, site=replace(patient.site, routines={"load": routine}))) == []


@pytest.mark.needs("root")
@pytest.mark.parametrize(("user", "is_fine"), [("nobody", True), ("", False)])
def test_a_script_may_belong_to_the_user_whom_its_step_runs_as(patient: Patient, user: str, is_fine: bool) -> None:
    script = patient.site.root / "clean.sh"
    script.write_text("", encoding="utf-8")
    script.chmod(0o600)
    os.chown(script, 65534, -1)
    step = StepPlan(id="clean", kind="run", options={"run": ["sh", "clean.sh"], "user": user})
    routine = Routine(id="clean", name="Clean", accountable="boss", steps=(step,))
    found = wrong(replace(patient, site=replace(patient.site, routines={"clean": routine})))
    told = [] if is_fine else ["a script that runs here belongs to nobody (Clean, step clean)"]
    assert [finding.what for finding in found] == told


@pytest.mark.parametrize("name", ["opsrunner.yaml", "maintenance.yaml", "routines/hello.yaml"])
def test_it_finds_a_file_of_the_site_that_a_group_may_change(name: str, patient: Patient) -> None:
    path = patient.site.root / name
    path.touch()
    path.chmod(0o660)

    (found,) = wrong(patient)

    assert (found.what, found.where) == ("others may change what runs here", str(path))
    assert found.advice == f"chmod go-w {path}"


def test_it_says_that_copies_lie_with_what_they_are_copies_of(patient: Patient) -> None:
    beside, inside = LocalStore(path="$STATE/copies"), LocalStore(path=str(patient.state / "more"))
    (found,) = wrong(replace(patient, site=replace(patient.site, stores={"copies": beside, "more": inside})))
    assert found.level == "look"
    assert found.what.endswith("what takes that takes the copies along (copies, more)")

    elsewhere = {"copies": beside, "disk": LocalStore(path="/mnt/backup")}
    assert wrong(replace(patient, site=replace(patient.site, stores=elsewhere))) == []
    assert wrong(replace(patient, site=replace(patient.site, stores={"copies": beside}, sample_seed=1))) == []


def test_it_finds_the_script_of_a_secret_that_others_may_change(patient: Patient) -> None:
    script = patient.site.root / "password"
    script.write_text("#!/bin/sh\n", encoding="utf-8")
    script.chmod(0o722)
    smtp = SmtpSettings(host="mail.example.com", password=SecretRef(command=("./password", "smtp")))
    site = replace(patient.site, mail=MailSettings(from_="ops@example.com", smtp=smtp))
    (found,) = wrong(replace(patient, site=site))
    assert found.what == "others may change a script that runs here (the secret {command: ./password …})"


def test_it_finds_mail_that_does_not_get_away(patient: Patient) -> None:
    late, new = NOW - timedelta(hours=2), NOW - timedelta(minutes=5)
    in_quiet_hours = NOW + timedelta(hours=1)
    outbox = patient.books.outbox
    outbox.put([NewMail(to="a@example.com", subject="s", text="t")], at=late)
    outbox.put([NewMail(to="b@example.com", subject="s", text="t")], at=new)
    outbox.put([NewMail(to="c@example.com", subject="s", text="t", not_before=in_quiet_hours)], at=late)
    (lost,) = outbox.put([NewMail(to="gone@example.com", subject="s", text="t")], at=late)
    outbox.failed(lost, NOW, "550 no such user")

    found = [finding.what for finding in wrong(patient)]

    assert found == [
        "1 mail waits for more than an hour: not tried yet",
        "a mail to gone@example.com was given up: 550 no such user",
    ]


def test_it_finds_hosts_that_cannot_be_reached_safely(patient: Patient) -> None:
    hosts = {
        "local": Host(name="local", address="localhost"),
        "web1": Host(name="web1", address="192.0.2.10"),
        "web2": Host(name="web2", address="192.0.2.11", key_file="secrets/other"),
    }
    (patient.site.root / "secrets").mkdir(mode=0o700)
    (patient.site.root / "secrets/other").write_text("x", encoding="utf-8")
    (patient.site.root / "secrets/other").chmod(0o600)
    site = replace(patient.site, hosts=hosts)

    found = wrong(replace(patient, site=site, pinned=lambda host: host.name == "web2"))

    assert [(finding.level, finding.what) for finding in found] == [
        ("failed", "a private SSH key is missing"),
        ("look", "the key of web1 is not trusted yet"),
    ]


def test_a_check_that_cannot_be_made_is_not_green(patient: Patient) -> None:
    (patient.site.root / "routines/gone.yaml").symlink_to("nowhere")
    (patient.site.root / "secrets").mkdir(mode=0o700)
    state = patient.state / "not-there"

    found = [finding for finding in wrong(replace(patient, state=state)) if "could not be made" in finding.what]

    assert {finding.level for finding in found} == {"failed"}
    assert any("disk" in finding.what for finding in found)


def test_it_finds_a_full_disk(patient: Patient, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.statvfs(patient.state)
    full = os.statvfs_result((*real[:3], 10, 10, *real[5:]))
    monkeypatch.setattr(os, "statvfs", lambda _path: full)

    (found,) = wrong(patient)

    assert found.level == "failed"
    assert found.advice == "make room: nothing can be recorded"


def test_a_long_ledger_is_read_from_end_to_end_only_when_asked(
    patient: Patient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reading gigabytes holds up whoever writes; the daemon reads them once, when it starts."""
    for number in range(50):
        patient.books.notes.add(f"{number}" * 2_000, author="boss", at=NOW)
    path = patient.books.ledger.path
    with path.open("r+b") as file:
        file.seek(path.stat().st_size - 6 * 4096)
        file.write(b"\xff" * 4096)
    reopened = replace(patient, books=Books.open(path))
    assert "the ledger is damaged" in [finding.what for finding in examine(reopened)]
    monkeypatch.setattr("opsrunner.engine.doctor_house.SOON_READ_BYTES", 1000)
    (found,) = [finding for finding in examine(reopened) if finding.where == str(path)]
    assert found.level == "fine"
    assert found.what.startswith("the ledger can be read; all of its ")
    asked = [finding.what for finding in examine(replace(reopened, every_page=True))]
    assert "the ledger is damaged" in asked
    reopened.books.ledger.close()


def test_damage_among_the_newest_is_seen_at_once(patient: Patient, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(1000):
        patient.books.audit.add("tick", f"task {number}", actor="boss", at=NOW, detail="x" * 1000)
    path = patient.books.ledger.path
    with path.open("r+b") as file:
        file.seek(path.stat().st_size * 2 // 3 // 4096 * 4096)
        file.write(b"\xff" * (path.stat().st_size // 3))
    monkeypatch.setattr("opsrunner.engine.doctor_house.SOON_READ_BYTES", 1000)
    reopened = replace(patient, books=Books.open(path))
    assert "the ledger is damaged" in [finding.what for finding in examine(reopened)]
    reopened.books.ledger.close()


def test_rows_that_nobody_looked_for_of_late_are_not_fine(patient: Patient) -> None:
    orders = OnRows(source="orders", key="number", every_seconds=300)
    routine = Routine(id="orders", name="Orders", accountable="owner", steps=(), on_rows=orders)
    watching = replace(patient, site=replace(patient.site, routines={"orders": routine}))

    def said() -> list[tuple[str, str]]:
        return [(one.level, one.what) for one in examine(watching, [check_looks])]

    assert said() == [("look", "the rows of orders have not been looked for yet")]
    known = patient.books.known_rows
    at = NOW - timedelta(days=2)
    known.note_look(LookStanding(routine="orders", meaning="x", tried_at=at, looked_at=at))
    assert said() == [("look", "the rows of orders have not been looked for since 2026-11-18 06:00 UTC")]
    known.note_look(LookStanding(routine="orders", meaning="x", tried_at=NOW, looked_at=NOW))
    assert said() == [("fine", "the rows of 1 of 1 routines were looked at")]
