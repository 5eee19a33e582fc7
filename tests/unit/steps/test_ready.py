"""What steps need to run is there before the first of them, and not where a site is only read."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from typing import cast

import pytest

from opsrunner.errors import StepFailed
from opsrunner.model.routine import Routine, StepPlan
from opsrunner.steps.base import Means, StepCall
from opsrunner.steps.kind import InModule
from opsrunner.steps.kinds import KINDS
from opsrunner.steps.ready import get_ready

LOADED = """
import sys
import opsrunner.{module}
print(*(name for name in sys.modules if name.startswith("opsrunner.")))
"""
GET_READY = """
import sys
from opsrunner.model.routine import Routine, StepPlan
from opsrunner.steps.ready import get_ready
step = StepPlan(id="a", kind=sys.argv[1])
get_ready([Routine(id="r", name="R", accountable="ops", steps=(step,))])
print(*(name for name in sys.modules if name.startswith("opsrunner.steps.")))
"""


def asked(code: str, *arguments: str) -> set[str]:
    """Return what a fresh Python prints, word by word."""
    command = [sys.executable, "-c", code, *arguments]
    return set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())


def module_of(kind: str) -> str:
    """Return where the `run` of a kind stands, as its file says it; none for what people do."""
    run = KINDS[kind].run
    return f"opsrunner.steps.{run.name}" if isinstance(run, InModule) else ""


MODULES = {module_of(kind) for kind in KINDS} - {""}
AUDITS = {"opsrunner.steps.audit_run"}
"""What all audits of hosts take."""


def test_every_kind_that_runs_stands_in_a_module_of_its_own() -> None:
    assert {kind for kind in KINDS if not module_of(kind)} == {"task", "checklist"}
    assert all(KINDS[kind].run is None for kind in ("task", "checklist"))


@pytest.mark.parametrize("module", ["config.loader", "app"])
def test_who_reads_a_site_imports_nothing_that_runs_steps(module: str) -> None:
    loaded = asked(LOADED.format(module=module))
    assert "opsrunner.steps.kinds" in loaded
    assert loaded & MODULES == set()


def test_who_only_checks_a_site_knows_of_no_hosts_and_stores() -> None:
    loaded = asked(LOADED.format(module="config.loader"))
    assert not {
        name for name in loaded if name.startswith(("opsrunner.fleet.", "opsrunner.support.", "opsrunner.stores."))
    }


@pytest.mark.parametrize("kind", ["run", "restore_drill", "task"])
def test_what_a_routine_uses_is_ready_and_nothing_else(kind: str) -> None:
    assert asked(GET_READY, kind) & (MODULES | AUDITS) == {module_of(kind)} - {""}


def test_an_audit_is_ready_with_all_that_it_takes() -> None:
    assert asked(GET_READY, "hardening") & (MODULES | AUDITS) == {module_of("hardening"), *AUDITS}


def test_what_cannot_be_imported_is_told_and_all_else_is_ready(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    lost = replace(KINDS["http"], run=InModule("no_such_module"))
    monkeypatch.setattr("opsrunner.steps.ready.KINDS", {**KINDS, "http": lost})
    steps = tuple(StepPlan(id=kind, kind=kind) for kind in ("http", "run"))
    get_ready([Routine(id="r", name="R", accountable="ops", steps=steps)])
    (said,) = caplog.messages
    assert said.startswith("steps of the kind 'http' cannot be imported: ModuleNotFoundError: No module named ")
    assert said.endswith("; install opsrunner anew, and start it again")


def test_a_step_that_cannot_be_imported_fails_and_says_why() -> None:
    with pytest.raises(
        StepFailed, match=r"^opsrunner is not whole \(ModuleNotFoundError: .*\): install it anew"
    ) as told:
        InModule("no_such_module")(cast("StepCall", None), cast("Means", None))
    assert not told.value.permanent
