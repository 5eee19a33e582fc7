"""Copies as the catalogue has them, for tests that need no store: plain values, but for what a test says."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from opsrunner.model.backup import Copy, CopyState, NewCopy


def new_copy(made_at: datetime, **changes: Any) -> NewCopy:
    """Return a copy that was just received."""
    return NewCopy(**(_plain(made_at) | changes))


def known_copy(number: int, made_at: datetime, **changes: Any) -> Copy:
    """Return a good copy that the catalogue knows, of that number and run."""
    named = {"id": number, "run": number, "name": f"nightly/copy/{number}", "state": CopyState.GOOD}
    return Copy(**(_plain(made_at) | named | changes))


def _plain(made_at: datetime) -> dict[str, Any]:
    return {
        "name": "nightly/copy/1",
        "store": "disk",
        "routine": "nightly",
        "step": "copy",
        "run": 1,
        "made_at": made_at,
        "received_at": made_at,
        "checked_by": "",
        "size_bytes": 1,
        "plain_bytes": 1,
        "files": 1,
        "manifest_sha256": "0" * 64,
        "of": "/srv",
    }
