"""What restic, borg and find write, and what is none of it."""

from __future__ import annotations

import json
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from opsrunner.errors import StepFailed
from opsrunner.sources.backup_lists import find_form, read_borg, read_find, read_restic

ROOT = Path(__file__).parent
AT = datetime(2026, 11, 22, 1, 0, 3, 123456, tzinfo=UTC)
SNAPSHOT = {
    "time": "2026-11-22T02:00:03.123456789+01:00",
    "hostname": "web1",
    "paths": ["/home", "/etc"],
    "tags": ["daily"],
    "id": "0f" * 32,
    "short_id": "0f0f0f0f",
    "summary": {"total_bytes_processed": 4_000},
}


def listed(**changes: object) -> bytes:
    return json.dumps([{**SNAPSHOT, **changes}]).encode()


def test_a_snapshot_of_restic_has_its_time_its_size_and_who_it_is_of() -> None:
    (one,) = read_restic(listed(), "host")
    assert (one.name, one.texts, one.made_at, one.size_bytes) == ("0f" * 32, ("web1",), AT, 4_000)
    assert next(read_restic(listed(), "path")).texts == ("/home", "/etc")
    assert next(read_restic(listed(), "tag")).texts == ("daily",)


def test_an_older_restic_tells_no_size_and_a_snapshot_may_have_no_tags() -> None:
    assert next(read_restic(listed(summary=None), "host")).size_bytes is None
    assert next(read_restic(listed(tags=None), "tag")).texts == ()
    assert list(read_restic(b"[]", "host")) == list(read_restic(b"null", "host")) == []


@pytest.mark.parametrize("id_", [None, "", "--password-command=id", "0f0f", "0F0F0F0F", "0f0f0f0f\n"])
def test_an_id_that_restic_gives_none_is_no_list_of_it(id_: str | None) -> None:
    with pytest.raises(StepFailed, match="not what restic"):
        list(read_restic(listed(id=id_), "host"))


def test_a_size_that_cannot_be_is_said() -> None:
    with pytest.raises(StepFailed, match="which cannot be"):
        list(read_restic(listed(summary={"total_bytes_processed": 1 << 70}), "host"))


def test_borg_1_writes_times_of_its_own_clock_and_info_knows_sizes() -> None:
    archive = {"name": "web1-2026-11-22", "time": "2026-11-22T02:00:03.123456", "start": "2026-11-22T02:00:03.123456"}
    data = json.dumps({"archives": [archive, {**archive, "stats": {"original_size": 77}}]}).encode()
    first, second = read_borg(data, ZoneInfo("Europe/Oslo"))
    assert (first.name, first.texts, first.made_at, first.size_bytes) == (
        "web1-2026-11-22",
        ("web1-2026-11-22",),
        AT,
        None,
    )
    assert second.size_bytes == 77
    later = json.dumps({"archives": [{"name": "x", "time": "2026-11-22T02:00:03.123456+01:00"}]}).encode()
    assert next(read_borg(later, UTC)).made_at == AT


def test_find_begins_where_every_name_begins() -> None:
    told = subprocess.run(
        ["find", str(ROOT), "-maxdepth", "0", "-printf", find_form("100% \\n")], capture_output=True, check=True
    )
    (one,) = read_find(told.stdout)
    assert one.name == "100% \\n/"


def test_find_tells_of_odd_names() -> None:
    data = b"12 1795312803.5000000000 a b\nc \xff.tar\x000 1795312803 x\x00"
    first, second = read_find(data)
    assert (first.name, first.size_bytes) == ("a b\nc \ufffd.tar", 12)
    assert (second.made_at.microsecond, second.size_bytes) == (0, 0)
    assert list(read_find(b"")) == []


@pytest.mark.parametrize(
    "data",
    [b"", b"no json", b"{}", b"[1]", b'[{"id": 1}]', b"[" * 10_000, b'[{"time": "yesterday"}]', b"\xff"],
)
def test_what_is_no_list_of_restic_is_said(data: bytes) -> None:
    with pytest.raises(StepFailed, match=r"not what restic snapshots --json writes|is no moment"):
        list(read_restic(data, "host"))


@pytest.mark.parametrize("data", [b"[]", b'{"archives": 1}', b'{"archives": [{}]}', b'{"archives": [{"name": "x"}]}'])
def test_what_is_no_list_of_borg_is_said(data: bytes) -> None:
    with pytest.raises(StepFailed, match=r"not what borg list --json writes|is no moment"):
        list(read_borg(data, UTC))


@pytest.mark.parametrize("data", [b"12 1 x", b"x 1 y\x00", b"1 nan y\x00", b"1 1e99 y\x00", b"alone\x00"])
def test_what_is_no_list_of_find_is_said(data: bytes) -> None:
    with pytest.raises(StepFailed, match="the list of files is"):
        list(read_find(data))
