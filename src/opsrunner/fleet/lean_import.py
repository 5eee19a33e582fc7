"""paramiko without the task runner that it takes along."""

from __future__ import annotations

import sys

_RUNNER = "invoke"


def load_paramiko() -> None:
    """Import paramiko, but not invoke, which brings asyncio, unittest and a YAML of its own: a third of its time.

    paramiko asks for it for one line of OpenSSH's settings files (`Match exec`), which nobody reads here, and does
    without it where it is not installed. That is what None in `sys.modules` says (Python's language reference, 5.3.1).
    """
    if "paramiko" in sys.modules or _RUNNER in sys.modules:
        return
    sys.modules[_RUNNER] = None  # type: ignore[assignment]  # as the reference says
    try:
        import paramiko  # noqa: F401, PLC0415
    finally:
        del sys.modules[_RUNNER]
