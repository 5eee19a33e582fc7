"""A call and the means of a step, for kinds that need nothing of the outside."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from opsrunner.clock import SystemClock
from opsrunner.model.mail import NewMail
from opsrunner.secrets import Vault
from opsrunner.steps.base import Catalogue, HostRunner, Means, StepCall


@pytest.fixture
def outbox() -> list[NewMail]:
    """Hold the mails that steps queue."""
    return []


@pytest.fixture
def means(tmp_path: Path, outbox: list[NewMail]) -> Means:
    """Give the means of a step; of hosts and sources there are none."""
    return Means(
        clock=SystemClock(),
        vault=Vault(tmp_path),
        stopping=threading.Event(),
        hosts={},
        fleet=cast("HostRunner", None),
        sources={},
        read_source=lambda _source, _options: (),
        send=outbox.extend,
        copies=cast("Catalogue", None),
        note=lambda _note: None,
    )


@pytest.fixture
def make_call(tmp_path: Path) -> Callable[..., StepCall]:
    """Make the call of a step: `make_call(options, context={…})`."""

    def make(options: Any, **changes: Any) -> StepCall:
        values: dict[str, Any] = {
            "run_id": 7,
            "run_token": "site-7",
            "routine": "welcome",
            "step": "mail",
            "timeout_seconds": 30,
            "site_root": tmp_path,
            "workdir": tmp_path,
            "output": tmp_path / "output.log",
            "output_limit_bytes": 100_000,
        }
        return StepCall(options=options, **(values | changes))

    return make
