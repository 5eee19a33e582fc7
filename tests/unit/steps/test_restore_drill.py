"""What a drill says of itself before it runs."""

from __future__ import annotations

from typing import Any

import pytest

from opsrunner.steps.restore_drill import KIND, Options


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"of": "copy"}, "restore 20 files of the newest copy of copy, and compare"),
        (
            {"of": "nightly/copy", "sample": "all", "which": "random"},
            "restore everything of any copy of nightly/copy, and compare",
        ),
    ],
)
def test_it_previews_what_would_be_restored(options: dict[str, Any], text: str) -> None:
    assert KIND.preview(Options.model_validate(options)) == text
