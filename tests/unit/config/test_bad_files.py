"""Every file of tests/data/bad, laid into a good site, gives exactly the lines of the .txt beside it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from opsrunner.config.loader import SiteLoader

from ...patience import within

FOLDER = Path(__file__).parents[2] / "data" / "bad"
CASES = sorted(FOLDER.glob("*.yaml"))
PLACES = {
    "site": "opsrunner.yaml",
    "checklist": "checklists/x.yaml",
    "routine": "routines/x.yaml",
    "maintenance": "maintenance.yaml",
}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_it_says_what_is_wrong_and_where(
    case: Path, full_site: Callable[[Mapping[str, str]], Path], clock: object
) -> None:
    root = full_site({})
    (root / PLACES[case.stem.partition("-")[0]]).write_bytes(case.read_bytes())

    loaded = SiteLoader(root, clock=clock).load()  # type: ignore[arg-type]

    said = "".join(f"{problem}\n" for problem in loaded.problems)
    assert said == case.with_suffix(".txt").read_text(encoding="utf-8")
    assert said


def test_there_is_a_message_for_every_bad_file_and_none_without_one() -> None:
    assert {case.stem for case in CASES} == {text.stem for text in FOLDER.glob("*.txt")}
    assert len(CASES) > 80


def test_no_message_is_in_the_words_of_the_library() -> None:
    messages = "".join(text.read_text(encoding="utf-8") for text in FOLDER.glob("*.txt"))

    for words in ("Input should", "Value error", "pydantic", "valid dictionary", "function-", "tuple["):
        assert words not in messages


def test_all_bad_files_together_take_less_than_the_second_that_one_may_take(
    full_site: Callable[[Mapping[str, str]], Path],
) -> None:
    root = full_site({})
    for case in CASES:
        if case.stem.startswith("routine-"):
            (root / "routines" / case.name).write_bytes(case.read_bytes())

    loaded = within(1, lambda: SiteLoader(root).load(), clock=time.thread_time)

    assert len(loaded.broken) > 60
    assert loaded.site is not None
    assert list(loaded.site.routines) == ["other"]
