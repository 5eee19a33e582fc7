"""A call and the means of a step that really does its work."""

from __future__ import annotations

import os
import threading
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from opsrunner.clock import SystemClock
from opsrunner.secrets import Vault
from opsrunner.steps.base import HostRunner, Means, StepCall


@pytest.fixture
def means(tmp_path: Path) -> Means:
    """Give the means of a step; of hosts, sources and mail there are none."""
    return Means(
        clock=SystemClock(),
        vault=Vault(tmp_path),
        stopping=threading.Event(),
        hosts={},
        fleet=cast("HostRunner", None),
        sources={},
        read_source=lambda _source, _options: (),
        send=lambda _mails: None,
    )


@pytest.fixture
def make_call(tmp_path: Path) -> Callable[..., StepCall]:
    """Make the call of a step: `make_call(options, timeout_seconds=2)`."""

    def make(options: Any, **changes: Any) -> StepCall:
        values: dict[str, Any] = {
            "run_id": 7,
            "run_token": uuid.uuid4().hex,
            "routine": "nightly",
            "step": "dump",
            "timeout_seconds": 30,
            "site_root": tmp_path,
            "workdir": tmp_path,
            "output": tmp_path / "output.log",
            "output_limit_bytes": 100_000,
        }
        return StepCall(options=options, **(values | changes))

    return make


@pytest.fixture
def is_alive() -> Callable[[int], bool]:
    """Tell whether a process is there and not only waiting to be collected."""

    def alive(pid: int) -> bool:
        try:
            os.kill(pid, 0)
            return b") Z " not in Path(f"/proc/{pid}/stat").read_bytes()
        except (ProcessLookupError, FileNotFoundError):
            return False

    return alive
