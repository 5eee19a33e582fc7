"""A backup, its proofs, a drill and a restore, into a real bucket and onto a real host: by two lines of the site."""

from __future__ import annotations

import os
import subprocess
import tarfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from opsrunner.app import App, open_app
from opsrunner.fleet.host_keys import trust
from opsrunner.model.backup import CopyState
from opsrunner.model.run import RunStatus

pytestmark = [pytest.mark.needs("sshd")]
SITE = """\
site: Example Hosting
timezone: UTC
people:
  boss: {{name: The owner, email: owner@example.com, roles: [owner, sysadmin]}}
hosts:
  web1: {{address: {address}, port: {port}, user: {user}, key_file: {key}}}
stores:
  bucket:
    s3:
      {{bucket: {bucket}, prefix: {prefix}, endpoint: "{endpoint}", access_key: {{env: KEY}},
       secret_key: {{file: secrets/s3}}}}
  shed: {{sftp: {{host: web1, path: {folder}}}}}
"""
NIGHTLY = """\
name: Nightly
accountable: sysadmin
steps:
  - id: here
    backup: {{paths: [{data}], to: bucket, also_to: [shed], verify: full, keep: {{last: 2}}}}
  - id: there
    backup: {{paths: [{data}], host: web1, to: shed, also_to: [bucket]}}
  - id: dump
    backup: {{from: "head -c 40000000 /dev/urandom; echo; echo Dump completed", as: billing.sql,
              expect_end: Dump completed, to: bucket, also_to: [shed]}}
  - restore_drill: {{of: here, store: bucket, sample: 3}}
  - restore_drill: {{of: here, store: shed, sample: all}}
  - restore_drill: {{of: there, sample: all}}
  - restore_drill: {{of: dump, store: bucket}}
"""
OTHERS = """\
name: Others
accountable: sysadmin
steps:
  - id: packed
    backup_check: {expect: [alice, bob], store: bucket, name: "panel/*/{key}.tar"}
    on_failure: continue
  - id: plain
    backup_check: {expect: [alice, bob], store: shed, name: "panel/{key}/**"}
    on_failure: continue
  - id: unpack
    restore_drill: {of: packed, with: 'tar -xf "$OPS_COPY" -C "$OPS_RESTORED"', must_include: [dump.sql]}
  - id: lay-out
    restore_drill: {of: plain, with: 'cp -r "$OPS_COPY/." "$OPS_RESTORED"', must_include: [home dir/dump.sql]}
"""


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    (folder / "deep" / "er").mkdir(parents=True)
    for number in range(40):
        (folder / "deep" / f"file {number}").write_bytes(os.urandom(number * 10_000))
    (folder / "link").symlink_to("deep")
    return folder


@pytest.fixture
def app(
    make_site: Callable[[Mapping[str, str]], Path],
    data: Path,
    tmp_path: Path,
    sshd_farm: Any,
    s3_server: Any,
    bucket: str,
    prefix: str,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[App]:
    """Open a site whose copies go into a bucket and onto a host."""
    host = sshd_farm.host(1)
    monkeypatch.setenv("KEY", "copies")
    site = SITE.format(
        address=host.address,
        port=host.port,
        user=host.user,
        key=host.key_file,
        bucket=bucket,
        prefix=prefix,
        endpoint=s3_server.endpoint,
        folder=tmp_path / "shed",
    )
    routines = {"routines/nightly.yaml": NIGHTLY.format(data=data), "routines/others.yaml": OTHERS}
    root = make_site({"opsrunner.yaml": site, **routines})
    (root / "secrets").mkdir(mode=0o700, exist_ok=True)
    (root / "secrets/s3").write_text("canary-s3cret-of-copies")
    (root / "secrets/s3").chmod(0o600)
    opened = open_app(root)
    trust(opened.known_hosts, host, sshd_farm.public_keys(host))
    yield opened
    opened.close()


def test_copies_go_away_and_come_back(app: App, data: Path, tmp_path: Path) -> None:
    run = app.run_by_hand("nightly", actor="boss")

    messages = {record.id: record.outcome.message for record in app.books.steps.of_run(run.id) if record.outcome}
    assert run.status is RunStatus.SUCCEEDED, messages
    copies = app.books.copies.lying()
    assert sorted((copy.step, copy.store) for copy in copies) == [
        (step, store) for step in ("dump", "here", "there") for store in ("bucket", "shed")
    ]
    assert {copy.state for copy in copies} == {CopyState.GOOD}
    assert {copy.step: copy.checked_by for copy in copies if copy.store == "bucket"} == {
        "dump": "CRC32 of 3 parts",  # the archive's, not that of its index
        "here": "CRC32",
        "there": "CRC32",
    }
    assert {copy.checked_by for copy in copies if copy.store == "shed"} == {"SHA-256 by web1"}
    assert all(copy.reread_at for copy in copies if copy.step == "here")
    for copy in copies:
        if copy.step != "dump":
            to = tmp_path / copy.store / copy.step
            app.backups.restore(
                copy, to, only=(), own=False, replace=False, tell=lambda _: None, actor="boss", at=app.clock.now()
            )
            back = to / str(data).lstrip("/")
            assert subprocess.run(["diff", "-r", "--no-dereference", data, back], check=False).returncode == 0


def test_old_copies_go_from_bucket_and_host(app: App) -> None:
    for _ in range(3):
        app.run_by_hand("nightly", actor="boss")

    assert len(app.books.copies.lying(step="here", store="bucket")) == 2
    for name in ("bucket", "shed"):
        with app.open_store(name) as store:
            assert len(list(store.list("nightly/here/"))) == 2 * 3


def test_what_another_tool_puts_there_is_found_and_proven(
    app: App, tmp_path: Path, s3_server: Any, bucket: str, prefix: str
) -> None:
    dump = tmp_path / "dump.sql"
    dump.write_text("the dump of alice\n" * 50)
    with tarfile.open(tmp_path / "alice.tar", "w") as archive:
        archive.add(dump, "dump.sql")
    key = f"{prefix}/panel/2026 nightly/alice.tar"
    s3_server.client.put_object(Bucket=bucket, Key=key, Body=(tmp_path / "alice.tar").read_bytes())
    for name in ("alice/home dir/dump.sql", "alice/mail"):
        path = tmp_path / "shed/panel" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(dump.read_bytes())

    run = app.run_by_hand("others", actor="boss")

    outcomes = {record.id: record.outcome for record in app.books.steps.of_run(run.id) if record.outcome}
    assert [(outcomes[step].message, outcomes[step].rows[0]["key"]) for step in ("packed", "plain")] == [
        ("1 of 2 have a fresh backup in bucket; missing: bob", "bob"),
        ("1 of 2 have a fresh backup in shed; missing: bob", "bob"),
    ]
    newest = [app.books.foreign.of("others", step)[0].newest for step in ("packed", "plain")]
    assert [(one.name, one.size_bytes) for one in newest if one is not None] == [
        ("panel/2026 nightly/alice.tar", (tmp_path / "alice.tar").stat().st_size),
        ("panel/alice", 2 * dump.stat().st_size),
    ]
    files = {step: (outcomes[step].status.value, outcomes[step].facts.get("files")) for step in ("unpack", "lay-out")}
    assert files == {"unpack": ("succeeded", 1), "lay-out": ("succeeded", 2)}, outcomes
