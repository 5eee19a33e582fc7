"""Schedules in plain words."""

from __future__ import annotations

from opsrunner.model.schedule import Schedule


def in_words(schedule: Schedule) -> str:
    """Say when `schedule` is due: `every day at 02:30 (Europe/Oslo)`."""
    raise NotImplementedError
