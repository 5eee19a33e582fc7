"""What other tools back up: gaps named, gone when they are mended, and backups proven by a command or by a person."""

from __future__ import annotations

import os
import subprocess
import tarfile
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from opsrunner.errors import NotFound, Refused
from opsrunner.fleet.host_keys import trust
from opsrunner.model.foreign import ForeignState
from opsrunner.model.outcome import Outcome
from opsrunner.model.run import Run, RunStatus
from opsrunner.steps import drill_bench

SITE = """\
site: Example Hosting
timezone: Europe/Oslo
people:
  boss: {{name: The owner, email: owner@example.com, roles: [owner], login: boss}}
  ops1: {{name: First technician, email: ops1@example.com, roles: [sysadmin, support], login: ops1}}
mail: {{from: ops@example.com}}
stores:
  panel: {{local: {{path: {backups}}}}}
sources:
  accounts: {{csv: accounts.csv, columns: {{username: text, created_at: "moment?", plan: text}}}}
{more}"""
ACCOUNTS = """\
username,created_at,plan
alice,2025-01-01T00:00:00Z,big
bob,2025-01-01T00:00:00Z,big
carol,2026-11-20T09:00:00Z,big
dave,2025-01-01T00:00:00Z,trial
"""
CHECK = """\
expect: {source: accounts, column: username, since: created_at, where: {plan: big}}
store: panel
name: "*/{key}.tar.gz"
"""
House = Any
Open = Callable[..., House]
Others = Callable[..., House]


@pytest.fixture
def backups(tmp_path: Path) -> Path:
    """Where the other tool puts its backups."""
    folder = tmp_path / "backups"
    folder.mkdir()
    return folder


@pytest.fixture
def others(house: Open, backups: Path) -> Others:
    """Open a house whose routine checks what another tool makes; `check` are its options as they stand in YAML."""

    def build(check: str = CHECK, *, then: str = "", beside: str = "", first: str = "", site: str = "") -> House:
        options = "".join(f"      {line}\n" for line in check.splitlines())
        steps = f"{first}  - id: all\n    backup_check:\n{options}    on_failure: continue\n{beside}{then}"
        text = SITE.format(backups=backups, more=site)
        own = house({"others": f"name: Others\naccountable: ops1\nsteps:\n{steps}"}, site=text)
        own.write("accounts.csv", ACCOUNTS)
        return own

    return build


def put(folder: Path, name: str, *, at: datetime, size: int = 4_000) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(os.urandom(size))
    os.utime(path, (at.timestamp(), at.timestamp()))
    return path


def run(own: House, routine: str = "others") -> Run:
    own.clock.move(minutes=1)
    own.app.routine_acts.ask_for_run(routine, actor="boss", at=own.clock.now())
    own.work()
    return own.runs(routine)[-1]  # type: ignore[no-any-return]


def outcome(own: House, step: str = "all", routine: str = "others") -> Outcome:
    records = own.app.books.steps.of_run(own.runs(routine)[-1].id)
    found: Outcome = next(record.outcome for record in records if record.id == step)
    return found


def damaged(own: House) -> list[str]:
    needs_you = own.app.digests.preview("daily", own.clock.now()).digest.needs_you
    return [item.title for item in needs_you if item.word == "Damaged"]


def states(own: House) -> dict[str, str]:
    return {one.key: one.state.value for one in own.app.books.foreign.of("others", "all")}


class TestGaps:
    def test_each_gap_is_named_and_gone_once_it_is_mended(self, others: Others, backups: Path) -> None:
        own = others()
        now = own.clock.now()
        put(backups, "today/alice.tar.gz", at=now - timedelta(days=3))
        put(backups, "today/dave.tar.gz", at=now)

        assert run(own).status is RunStatus.FAILED
        first = outcome(own)
        assert first.message == (
            "0 of 3 have a fresh backup in panel, 1 are too new to have one; missing: bob; stale: alice (3 days old)"
        )
        assert {name: first.facts[name] for name in ("expected", "gaps", "missing", "stale", "new", "unexpected")} == {
            "expected": 3, "gaps": 2, "missing": 1, "stale": 1, "new": 1, "unexpected": 1,
        }  # fmt: skip
        assert [(row["key"], row["state"]) for row in first.rows] == [("alice", "stale"), ("bob", "missing")]
        since = {one.key: one.since for one in own.app.books.foreign.of("others", "all")}
        own.clock.move(hours=5)
        run(own)
        assert {one.key: one.since for one in own.app.books.foreign.of("others", "all")} == since, (
            "since the first time"
        )

        for name in ("alice", "bob", "carol"):
            put(backups, f"today/{name}.tar.gz", at=own.clock.now())
        assert run(own).status is RunStatus.SUCCEEDED
        assert outcome(own).message == "3 of 3 have a fresh backup in panel"
        assert outcome(own).rows == ()
        assert states(own) == {"alice": "fine", "bob": "fine", "carol": "fine"}

    def test_what_shrank_since_the_last_night_is_suspicious(self, others: Others, backups: Path) -> None:
        own = others()
        for _ in range(3):
            for name in ("alice", "bob", "carol"):
                put(backups, f"daily/{name}.tar.gz", at=own.clock.now(), size=40_000)
            assert run(own).status is RunStatus.SUCCEEDED
            own.clock.move(days=1)
        put(backups, "daily/alice.tar.gz", at=own.clock.now(), size=40_000)
        put(backups, "daily/bob.tar.gz", at=own.clock.now(), size=400)
        put(backups, "daily/carol.tar.gz", at=own.clock.now(), size=0)

        assert run(own).status is RunStatus.FAILED
        assert outcome(own).message.endswith("empty: carol; small: bob (400 B, before 40 kB)")

    def test_gaps_may_warn_and_become_one_task(self, others: Others, backups: Path) -> None:
        task = (
            '  - {task: "{{ steps.all.gaps }} gaps: {{ row.key }}", for_each: "steps.all.rows[:1]", key: "\'gaps\'",'
            " closes_when_gone: true}\n"
        )
        own = others(CHECK + "gaps: {missing: warn, stale: warn}\n", then=task)
        run(own)
        assert outcome(own).status.value == "warning"
        assert [task.title for task in own.app.books.tasks.opened()] == ["2 gaps: alice"]
        for name in ("alice", "bob"):
            put(backups, f"x/{name}.tar.gz", at=own.clock.now())
        run(own)
        assert outcome(own).status.value == "succeeded"
        assert own.app.books.tasks.opened() == []

    def test_what_is_expected_no_more_is_forgotten_and_its_proof_kept(self, others: Others, backups: Path) -> None:
        own = others()
        put(backups, "x/bob.tar.gz", at=own.clock.now())
        run(own)
        own.app.backups.prove_foreign("others/all", "bob", note="", actor="boss", at=own.clock.now())
        own.write("accounts.csv", ACCOUNTS.replace("bob", "erin"))
        run(own)
        assert states(own) == {"alice": "missing", "erin": "missing", "carol": "new"}
        own.write("accounts.csv", ACCOUNTS)
        run(own)
        (bob,) = [one for one in own.app.books.foreign.of("others", "all") if one.key == "bob"]
        assert (bob.state, bob.restored_at is not None) == (ForeignState.FINE, True)

    def test_a_renamed_routine_knows_what_it_knew(self, others: Others, backups: Path) -> None:
        own = others()
        put(backups, "x/bob.tar.gz", at=own.clock.now())
        run(own)
        text = (own.root / "routines/others.yaml").read_text()
        (own.root / "routines/others.yaml").unlink()
        own.write("routines/panel.yaml", "renamed_from: others\n" + text)
        own.clock.move(seconds=5)
        own.work()
        assert {one.key for one in own.app.books.foreign.of("panel", "all")} == {"alice", "bob", "carol"}
        assert own.app.books.foreign.of("others", "all") == []


class TestItCouldNotLook:
    """Where nobody knows, nothing is green, and nothing is said to be missing."""

    @pytest.mark.parametrize(
        ("check", "said"),
        [
            (CHECK.replace("plan: big", "plan: none"), "nothing is expected: accounts has no rows"),
            (
                CHECK.replace("column: username", "column: user"),
                "accounts has no column 'user', did you mean 'username'?",
            ),
            (
                "expect: {rows: '[{\"n\": \"a/b\"}]', column: n}\nstore: panel\nname: '{key}.tar'\n",
                "row 1: 'a/b' holds a sign that no name of a backup has",
            ),
            (CHECK.replace("since: created_at", "since: plan"), "the column 'plan' of accounts is no moment: 'big'"),
            ('expect: [a]\nfolder: /nonexistent\nname: "{key}"', "/nonexistent: exit code 1: find: "),
            ("expect: [a]\nrestic: echo no", "what the command wrote is not what restic snapshots --json writes"),
            ("expect: [a]\nrestic: 'echo locked >&2; exit 1'", "exit code 1: locked"),
            ("expect: {rows: run.id, column: x}\nrestic: x", "expect.rows: run.id gives no rows"),
        ],
    )
    def test_it_says_why(self, others: Others, check: str, said: str) -> None:
        own = others(check, beside="    timeout: 1s\n")
        assert run(own).status is RunStatus.FAILED
        assert said in outcome(own).message
        assert own.app.books.foreign.of("others", "all") == []

    def test_all_that_a_tool_said_of_it_is_kept(self, others: Others) -> None:
        own = others("expect: [a]\nrestic: 'echo why >&2; echo and where >&2; exit 1'")
        run(own)
        assert "exit code 1: and where" in outcome(own).message
        assert "why\nand where" in next((own.root / "var/runs").rglob("all*")).read_text()

    def test_a_folder_that_is_not_mounted_is_no_gap(self, others: Others, backups: Path) -> None:
        own = others()
        backups.rmdir()
        run(own)
        assert "is not there; is its disk mounted?" in outcome(own).message

    def test_names_that_do_not_fit_are_told(self, others: Others, backups: Path) -> None:
        own = others()
        put(backups, "today/backup-alice.tgz", at=own.clock.now())
        run(own)
        said = "nothing is called */{key}.tar.gz; what lies there is called otherwise, such as today/backup-alice.tgz"
        assert outcome(own).message.endswith(said)


class TestOddNames:
    def test_a_name_that_is_no_text_hurts_nobody(self, others: Others, backups: Path) -> None:
        own = others()
        folder = os.fsencode(backups) + b"/\xff"
        os.mkdir(folder)  # noqa: PTH102 - a path that is no text
        for name in (b"alice.tar.gz", b"x\nfine    bob"):
            with open(folder + b"/" + name, "wb") as file:  # noqa: PTH123
                file.write(b"x" * 500)
            os.utime(folder + b"/" + name, (own.clock.now().timestamp(),) * 2)
        run(own)
        assert states(own)["alice"] == "fine"
        log = next((own.root / "var/runs").rglob("all*")).read_text()
        assert sum("bob" in line for line in log.splitlines()) == 2, "one line for each, whatever its name"

    def test_what_is_linked_counts_for_nothing(self, others: Others, backups: Path) -> None:
        own = others('expect: [alice]\nstore: panel\nname: "latest/{key}.tar"\n')
        put(backups, "2026-11-20/alice.tar", at=own.clock.now())
        (backups / "latest").symlink_to("2026-11-20")
        run(own)
        assert "is a symbolic link" in outcome(own).message


class TestOtherTools:
    @pytest.mark.needs("restic")
    def test_restic_tells_by_host_by_path_and_by_tag(self, others: Others, tmp_path: Path) -> None:
        repository, env = tmp_path / "restic", {**os.environ, "RESTIC_PASSWORD": "canary-5", "HOME": str(tmp_path)}
        (tmp_path / "home").mkdir()
        (tmp_path / "home" / "file").write_text("x" * 1000)

        def restic(*words: str) -> None:
            subprocess.run(["restic", "-q", "-r", str(repository), *words], env=env, check=True, cwd=tmp_path)

        restic("init")
        restic("backup", "--time", "2026-11-20 10:00:00", "--host", "web1", "--tag", "shop", str(tmp_path / "home"))
        restic("backup", "--time", "2026-11-18 10:00:00", "--host", "web2", "--tag", "blog", str(tmp_path / "home"))
        command = f"restic: restic -r {repository} --no-cache snapshots --json\n"
        beside = "    env: {RESTIC_PASSWORD: canary-5, TZ: UTC}\n"

        own = others(f"expect: [web1, web2, web3]\n{command}", beside=beside)
        run(own)
        assert "1 of 3 have a fresh backup" in outcome(own).message
        assert states(own) == {"web1": "fine", "web2": "stale", "web3": "missing"}
        own = others(f"expect: [shop, blog]\n{command}by: tag\n", beside=beside)
        run(own)
        assert states(own) == {"shop": "fine", "blog": "stale"}
        own = others(f'expect: [home, mail]\n{command}by: path\nname: "{tmp_path}/{{key}}"\n', beside=beside)
        run(own)
        assert states(own) == {"home": "fine", "mail": "missing"}
        own = others(f"expect: [{tmp_path}/home]\n{command}by: path\n", beside=beside)
        run(own)
        assert states(own) == {f"{tmp_path}/home": "fine"}

    @pytest.mark.needs("borg")
    def test_borg_tells_by_the_names_of_its_archives(self, others: Others, tmp_path: Path) -> None:
        env = {
            **os.environ,
            "HOME": str(tmp_path),
            "TZ": "Europe/Oslo",
            "BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK": "yes",
        }
        repository = tmp_path / "borg"
        (tmp_path / "home").mkdir()
        (tmp_path / "home" / "file").write_text("x" * 1000)

        def borg(*words: str) -> None:
            subprocess.run(["borg", *words], env=env, check=True, cwd=tmp_path, capture_output=True)

        borg("init", "--encryption", "none", str(repository))
        for name, at in (("web-1-2026-11-20", "2026-11-20T10:00:00"), ("web-2026-11-18", "2026-11-18T10:00:00")):
            borg("create", "--timestamp", at, f"{repository}::{name}", str(tmp_path / "home"))
        beside = f"    env: {{BORG_BASE_DIR: {tmp_path}, BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK: 'yes'}}\n"

        own = others(f'expect: [web, web-1]\nborg: borg list --json {repository}\nname: "{{key}}-*"\n', beside=beside)
        run(own)
        assert states(own) == {"web": "stale", "web-1": "fine"}
        assert outcome(own).message.endswith("the list tells no sizes")
        command = f"borg info --json --glob-archives '*' {repository}"
        own = others(f'expect: [web, web-1]\nborg: {command}\nname: "{{key}}-*"\nat_least: 5kB\n', beside=beside)
        run(own)
        assert states(own) == {"web": "stale", "web-1": "small"}

    @pytest.mark.needs("sshd")
    def test_a_folder_of_a_host_is_looked_through_over_ssh(self, others: Others, backups: Path, sshd_farm: Any) -> None:
        host = sshd_farm.host(1)
        machine = f"{{address: {host.address}, port: {host.port}, user: {host.user}, key_file: {host.key_file}}}"
        check = f'expect: [al i, bob]\nfolder: {backups}\nhost: web1\nname: "*/{{key}}/**"\nat_least: 5kB\n'
        own = others(check, site=f"hosts:\n  web1: {machine}\n")
        trust(own.app.known_hosts, host, sshd_farm.public_keys(host))
        for name in ("home/a\nb", "mail/x"):
            put(backups, f"daily/al i/{name}", at=own.clock.now())
        put(backups, "daily/bob/home", at=own.clock.now())
        run(own)
        assert outcome(own).message == (
            f"1 of 2 have a fresh backup in web1:{backups}; small: bob (4.0 kB, at least 5.0 kB wanted)"
        )
        (ali, _) = own.app.books.foreign.of("others", "all")
        assert (ali.newest.name, ali.newest.size_bytes) == ("daily/al i", 8_000), "a folder's files are one backup"

    def test_rows_of_an_earlier_step_say_what_is_expected(self, others: Others, backups: Path) -> None:
        check = 'expect: {rows: steps.list.rows, column: name}\nstore: panel\nname: "{key}.tar"\n'
        own = others(check, first="  - {id: list, run: 'echo name; echo alice; echo bob', rows: csv}\n")
        put(backups, "alice.tar", at=own.clock.now())
        run(own)
        assert states(own) == {"alice": "fine", "bob": "missing"}


class TestProofs:
    DRILL = """\
  - id: drill
    restore_drill:
      of: all
      with: tar -xzf "$OPS_COPY" -C "$OPS_RESTORED"
      must_include: ["*/dump.sql"]
      then: grep -q "of $OPS_KEY" "$OPS_RESTORED"/*/dump.sql
"""

    @staticmethod
    def pack(folder: Path, key: str, *, at: datetime) -> Path:
        path = put(folder, f"daily/{key}.tar.gz", at=at)
        dump = folder.parent / "dump.sql"
        dump.write_text(f"the dump of {key}\n" * 50)
        with tarfile.open(path, "w:gz") as archive:
            archive.add(dump, f"{key}/dump.sql")
        os.utime(path, (at.timestamp(), at.timestamp()))
        return path

    def test_each_has_its_turn_whoever_was_restored_longest_ago(self, others: Others, backups: Path) -> None:
        own = others(then=self.DRILL)
        for key in ("alice", "bob", "carol"):
            self.pack(backups, key, at=own.clock.now())
        drilled = []
        for _ in range(6):
            assert run(own).status is RunStatus.SUCCEEDED
            drilled.append(outcome(own, "drill").facts["key"])
            own.clock.move(hours=1)
        assert sorted(drilled[:3]) == ["alice", "bob", "carol"]
        assert drilled[3:] == drilled[:3]
        assert "restored 1 file" in outcome(own, "drill").message
        assert [drill.key for drill in own.app.books.foreign.drills("others", "all", most=9)] == drilled[::-1]
        assert list((own.root / "var").rglob("fetched-*")) == list((own.root / "var").rglob("restored-*")) == []

    def test_a_backup_that_does_not_unpack_is_no_proof(self, others: Others, backups: Path) -> None:
        own = others(
            CHECK.replace("{source: accounts, column: username, since: created_at, where: {plan: big}}", "[alice]"),
            then=self.DRILL,
        )
        path = self.pack(backups, "alice", at=own.clock.now())
        whole = path.read_bytes()
        path.write_bytes(whole[: len(whole) // 2])
        os.utime(path, (own.clock.now().timestamp(),) * 2)
        assert run(own).status is RunStatus.FAILED
        assert "alice: the command that restores: exit code 2" in outcome(own, "drill").message
        (drill,) = own.app.books.foreign.drills("others", "all", most=9)
        assert (drill.key, drill.problem[:25]) == ("alice", "the command that restores")
        assert own.app.books.foreign.of("others", "all")[0].restored_at is None

    @pytest.mark.parametrize(
        ("command", "said"),
        [
            ("'true'", "the command went well, and nothing was restored"),
            ("touch $OPS_RESTORED/x", "the command went well, and nothing was restored"),
            ("echo x > $OPS_RESTORED/x", "what was restored has nothing of */dump.sql"),
            ("mkdir $OPS_RESTORED/a; echo $OPS_KEY > $OPS_RESTORED/a/dump.sql", "does not pass the check: exit code 1"),
        ],
    )
    def test_a_command_that_restores_nothing_proves_nothing(
        self, others: Others, backups: Path, command: str, said: str
    ) -> None:
        own = others(then=self.DRILL.replace('tar -xzf "$OPS_COPY" -C "$OPS_RESTORED"', command))
        self.pack(backups, "alice", at=own.clock.now())
        run(own)
        assert said in outcome(own, "drill").message

    def test_one_that_cannot_be_restored_keeps_nobody_else_waiting_and_heads_the_digest(
        self, others: Others, backups: Path
    ) -> None:
        own = others(then=self.DRILL)
        for key in ("alice", "bob", "carol"):
            self.pack(backups, key, at=own.clock.now())
        put(backups, "daily/bob.tar.gz", at=own.clock.now())
        drilled = []
        for _ in range(6):
            run(own)
            drilled.append(outcome(own, "drill").facts["key"])
            own.clock.move(hours=1)
        assert sorted(drilled[:3]) == sorted(drilled[3:]) == ["alice", "bob", "carol"]
        damaged = [
            item
            for item in own.app.digests.preview("daily", own.clock.now()).digest.needs_you
            if item.word == "Damaged"
        ]
        assert [item.title for item in damaged] == ["A backup of bob, in Others"]

        self.pack(backups, "bob", at=own.clock.now())
        for _ in range(3):
            run(own)
            own.clock.move(hours=1)
        assert [one.problem for one in own.app.books.foreign.of("others", "all")] == ["", "", ""]
        assert [
            item
            for item in own.app.digests.preview("daily", own.clock.now()).digest.needs_you
            if item.word == "Damaged"
        ] == []

    def test_trouble_of_ours_speaks_against_no_backup(
        self, others: Others, backups: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        own = others(then=self.DRILL)
        self.pack(backups, "alice", at=own.clock.now())
        monkeypatch.setattr(drill_bench, "KEPT_BYTES", 1 << 62)
        monkeypatch.setattr(drill_bench, "KEPT_SHARE", 1)
        assert run(own).status is RunStatus.FAILED
        assert "alice: no room for the drill: less than" in outcome(own, "drill").message
        (drill,) = own.app.books.foreign.drills("others", "all", most=9)
        assert not drill.is_theirs
        assert [one.problem for one in own.app.books.foreign.of("others", "all")] == ["", "", ""]

    def test_a_store_that_the_site_has_no_more_keeps_nobody_else_waiting(self, others: Others, backups: Path) -> None:
        own = others()
        for key in ("alice", "bob"):
            self.pack(backups, key, at=own.clock.now())
        run(own)
        own.app.books.ledger.change("UPDATE foreign_backups SET store = 'old' WHERE \"key\" = 'alice'")
        own.write(
            "routines/drill.yaml",
            "name: Drill\naccountable: ops1\nsteps:\n" + self.DRILL.replace("of: all", "of: others/all"),
        )
        own.app.in_force.refresh()
        ends = {run(own, "drill").status: outcome(own, "drill", "drill") for _ in range(2)}

        assert ends[RunStatus.FAILED].message == "alice: there is no store 'old' in opsrunner.yaml"
        assert ends[RunStatus.SUCCEEDED].facts["key"] == "bob"

    def test_a_folder_with_odd_names_and_rights_is_fetched_looked_at_and_cleared_away(
        self, others: Others, backups: Path
    ) -> None:
        command = 'cp -a "$OPS_COPY/." "$OPS_RESTORED/"; chmod 555 "$OPS_RESTORED"/*'
        drill = f"  - restore_drill: {{of: all, with: '{command}'}}\n"
        own = others('expect: [alice]\nstore: panel\nname: "daily/{key}/**"\n', then=drill)
        for name in (".htaccess", "Sent Items/ü (1).eml"):
            put(backups, f"daily/alice/{name}", at=own.clock.now())
        assert run(own).status is RunStatus.SUCCEEDED, outcome(own, "restore_drill").message
        assert outcome(own, "restore_drill").facts["files"] == 2
        assert list((own.root / "var").rglob("fetched-*")) == list((own.root / "var").rglob("restored-*")) == []

    def test_each_row_may_have_a_drill(self, others: Others, backups: Path) -> None:
        step = '  - id: each\n    for_each: \'[{"key": "bob"}, {"key": "carol"}]\'\n'
        own = others(then=self.DRILL.replace("  - id: drill\n", step))
        for key in ("alice", "bob", "carol"):
            self.pack(backups, key, at=own.clock.now())
        assert run(own).status is RunStatus.SUCCEEDED
        assert [drill.key for drill in own.app.books.foreign.drills("others", "all", most=9)] == ["carol", "bob"]

    def test_without_a_backup_there_is_nothing_to_drill(self, others: Others) -> None:
        own = others(then=self.DRILL)
        run(own)
        assert "all has found no backup yet: nothing can be restored" in outcome(own, "drill").message

    def test_a_person_may_have_restored_it(self, others: Others, backups: Path) -> None:
        own = others(CHECK + "restored_within: 30d\n")
        for key in ("alice", "bob", "carol"):
            self.pack(backups, key, at=own.clock.now())
        for _ in range(32):
            for key in ("alice", "bob", "carol"):
                self.pack(backups, key, at=own.clock.now())
            run(own)
            own.clock.move(hours=23, minutes=59)
        (item,) = own.app.digests.preview("daily", own.clock.now()).digest.needs_you
        assert (item.word, item.title) == ("Unproven", "The copies of Others")

        own.app.backups.prove_foreign(
            "others/all", "bob", note="home, from the panel", actor="ops1", at=own.clock.now()
        )
        assert own.app.digests.preview("daily", own.clock.now()).digest.needs_you == ()
        with pytest.raises(NotFound, match="'mallory' is nothing that others/all expects"):
            own.app.backups.prove_foreign("others/all", "mallory", note="", actor="ops1", at=own.clock.now())
        for key in ("alice", "bob", "carol"):
            (backups / f"daily/{key}.tar.gz").unlink()
        run(own)
        with pytest.raises(Refused, match="has found no backup of 'alice'"):
            own.app.backups.prove_foreign("others/all", "alice", note="", actor="ops1", at=own.clock.now())
        with pytest.raises(NotFound, match="no backup_check step 'others/none'"):
            own.app.backups.prove_foreign("others/none", "bob", note="", actor="ops1", at=own.clock.now())
