"""Where a drill restores to: commands end before they fill the disk, and nothing stays."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from opsrunner.engine.automated import THIS_MACHINE
from opsrunner.errors import NotStored
from opsrunner.fleet.fleet import Fleet
from opsrunner.steps import drill_bench
from opsrunner.steps.base import Means, StepCall
from opsrunner.steps.drill_bench import DrillBench, NoRoom
from opsrunner.steps.step_time import StepTime
from opsrunner.stores.base import Store


class Anything:
    """A store that has something under every name, as a bucket may that others write to."""

    def fetch(self, name: str) -> Iterator[bytes]:
        yield name.encode()


ANYTHING = cast("Store", Anything())


@pytest.fixture
def bench(means: Means, make_call: Callable[..., StepCall], make_fleet: Callable[..., Fleet]) -> DrillBench:
    call = make_call(None)
    able: Any = replace(means, hosts={"local": THIS_MACHINE}, fleet=make_fleet())
    return DrillBench(call, able, StepTime(call, able))


def test_what_would_fill_the_disk_is_ended(bench: DrillBench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drill_bench, "KEPT_BYTES", shutil.disk_usage(tmp_path).free - 300_000_000)
    monkeypatch.setattr(drill_bench, "KEPT_SHARE", 1)
    began = time.monotonic()
    with bench, pytest.raises(NoRoom, match=r"the command was ended: less than .* are free where"):
        bench.run('head -c 600M /dev/zero > "$OPS_RESTORED/bomb"; sleep 25', env={}, called="the command", failed="it")
    assert time.monotonic() - began < 20
    assert not bench.folder.exists()


def test_what_a_killed_try_left_is_in_nobodys_way(bench: DrillBench) -> None:
    for folder in (bench.folder, bench.fetched):
        (folder / "left").mkdir(parents=True)
    with bench:
        assert list(bench.folder.iterdir()) == []
        assert not bench.fetched.exists()


def test_a_command_that_removes_its_folder_is_no_fault_of_ours(bench: DrillBench) -> None:
    with bench:
        bench.run('rm -r "$OPS_RESTORED"; sleep 0.6', env={}, called="the command", failed="it")
    assert not bench.folder.exists()


def test_what_is_fetched_lies_below_its_folder_under_its_own_name(bench: DrillBench) -> None:
    with bench:
        bench.fetch(ANYTHING, "accounts/alice/home dir/x")
        assert (bench.fetched / "accounts/alice/home dir/x").read_text() == "accounts/alice/home dir/x"


@pytest.mark.parametrize(
    "name", ["accounts/alice/../../../nologin", "../nologin", "{outside}/nologin", "accounts//nologin", "accounts/\0"]
)
def test_a_name_that_leads_out_of_its_folder_makes_nothing(bench: DrillBench, tmp_path: Path, name: str) -> None:
    with bench:
        before = set(tmp_path.rglob("*"))
        with pytest.raises(NotStored, match="is no name that can be fetched"):
            bench.fetch(ANYTHING, name.format(outside=tmp_path))
        assert set(tmp_path.rglob("*")) == before


def test_a_link_in_its_folder_leads_nothing_out(bench: DrillBench, tmp_path: Path) -> None:
    with bench:
        bench.fetched.mkdir()
        (bench.fetched / "accounts").symlink_to(tmp_path)
        with pytest.raises(NotStored, match="is no name that can be fetched"):
            bench.fetch(ANYTHING, "accounts/nologin")
    assert not (tmp_path / "nologin").exists()
