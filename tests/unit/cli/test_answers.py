"""JSON answers."""

import json
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from opsrunner.cli.answers import to_json
from opsrunner.model.outcome import Part, StepStatus
from opsrunner.secrets import SecretRef


@dataclass(frozen=True, kw_only=True)
class Span:
    """A value whose field must not be called like a keyword."""

    from_: datetime


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (datetime(2026, 11, 21, 11, tzinfo=UTC), "2026-11-21T12:00:00+01:00"),  # the site's offset
        (date(2026, 11, 21), "2026-11-21"),
        (StepStatus.TIMED_OUT, "timed_out"),
        (Path("a/b"), "a/b"),
        (("x", 1, None, True), ["x", 1, None, True]),
        ({"b", "a"}, ["a", "b"]),
        (Span(from_=datetime(2026, 7, 1, tzinfo=UTC)), {"from": "2026-07-01T02:00:00+02:00"}),
        (
            Part(key="web1", status=StepStatus.FAILED, facts={"code": 2}),
            {"key": "web1", "status": "failed", "message": "", "facts": {"code": 2}},
        ),
        (SecretRef(file="secrets/mysql"), {"env": None, "file": "secrets/mysql", "command": None}),
    ],
)
def test_it_writes_our_values_as_plain_ones(value: Any, plain: Any) -> None:
    assert json.loads(to_json(value, zone="Europe/Oslo")) == plain


def test_control_characters_are_escaped_and_come_back() -> None:
    text = "a\x1b[31m\x9b\u202e\ud800\x7fø"
    written = to_json(text, zone="UTC")

    assert json.loads(written) == text
    assert written == '"a\\u001b[31m\\u009b\\u202e\\ud800\\u007fø"'


def test_numbers_that_json_lacks_are_text() -> None:
    assert to_json({"load": float("inf"), "rate": float("nan"), "fine": 1.5}, zone="UTC") == (
        '{\n  "load": "inf",\n  "rate": "nan",\n  "fine": 1.5\n}'
    )
