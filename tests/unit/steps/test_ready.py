"""What steps need to run is there before the first of them, and not where a site is only read."""

from __future__ import annotations

import subprocess
import sys
from inspect import ismodule

from opsrunner.steps import ready
from opsrunner.steps.kinds import KINDS

HEAVY = {"backup", "backup_check", "restore_drill", "expiries", "notice"}
"""Kinds that wait for their first step; the module says why."""
READY = {name for name, value in vars(ready).items() if ismodule(value)}
LOADED = """
import sys
import opsrunner.{module}
print(*(name for name in sys.modules if name.startswith("opsrunner.")))
"""


def loaded_by(module: str) -> set[str]:
    """Return what of ours a fresh Python has imported with a module."""
    code = LOADED.format(module=module)
    return set(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split())


def module_of(kind: str) -> str:
    """Return where the `run` of a kind stands, as its file says it; none for what people do."""
    run = KINDS[kind].run
    return (
        ""
        if run is None
        else str(dict(zip(run.__code__.co_freevars, run.__closure__ or (), strict=True))["name"].cell_contents)
    )


def test_every_kind_is_ready_but_for_the_heavy_ones() -> None:
    named = {kind: module_of(kind) for kind in KINDS}
    assert {kind for kind, name in named.items() if name and name not in READY} == HEAVY


def test_who_reads_a_site_imports_nothing_that_runs_steps() -> None:
    loaded = loaded_by("config.loader")
    assert "opsrunner.steps.kinds" in loaded
    assert {f"opsrunner.steps.{module_of(kind)}" for kind in KINDS} & loaded == set()
    assert not {
        name for name in loaded if name.startswith(("opsrunner.fleet.", "opsrunner.support.", "opsrunner.stores."))
    }


def test_who_runs_steps_has_them_ready() -> None:
    assert {f"opsrunner.steps.{name}" for name in READY} <= loaded_by("engine.automated")
