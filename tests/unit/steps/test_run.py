"""The options of `run`."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from opsrunner.steps.run import KIND, Options

MISTAKES: list[tuple[dict[str, Any], str]] = [
    ({"run": ""}, "the command is empty"),
    ({"run": "  \n"}, "the command is empty"),
    ({"run": []}, "the command is empty"),
    ({"run": [""]}, "the command is empty"),
    ({"run": 5}, "a command is a shell string or a list of arguments"),
    ({"run": ["x", 1.10]}, "an argument is text: put quotes around 1.1"),
    ({"run": ["x", True]}, "an argument is text: put quotes around True"),
    ({"run": ["x", {"env": "TOKEN"}]}, "an argument is text"),
    ({"run": "x", "ok_codes": [0, 1], "warn_codes": [1]}, "exit code 1 stands in ok_codes and in warn_codes"),
    ({"run": "x", "ok_codes": [256]}, "less than or equal to 255"),
    ({"run": "x", "preset": "tar"}, "'restic', 'borg' or 'rsync'"),
    ({"run": "x", "shell": True}, "Extra inputs are not permitted"),
]


@pytest.mark.parametrize(("options", "message"), MISTAKES)
def test_it_refuses_options_that_make_no_command(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Options.model_validate(options)
    assert message in str(caught.value)


def test_it_takes_whole_numbers_as_arguments() -> None:
    assert Options.model_validate({"run": ["sleep", 5]}).run == ("sleep", "5")


PREVIEWS: list[tuple[dict[str, Any], str]] = [
    ({"run": ["echo", "a b", "$(x)"]}, "echo 'a b' '$(x)'"),
    ({"run": "first\nsecond\n"}, "first\nsecond"),
    ({"run": "whoami", "user": "backup"}, "whoami (as backup)"),
    ({"run": "x \x1b[31mred"}, "x red"),
]


@pytest.mark.parametrize(("options", "text"), PREVIEWS)
def test_it_shows_the_whole_command(options: dict[str, Any], text: str) -> None:
    assert KIND.preview(Options.model_validate(options)) == text
