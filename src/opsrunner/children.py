"""Child processes are started one at a time: what they inherit, limits above all, belongs to our whole process."""

from __future__ import annotations

import threading

STARTING = threading.Lock()
"""Held from before a limit is set for a child until it is taken back, and while any other child is started."""
