"""What steps left behind, as sentences."""

from __future__ import annotations

import pytest

from opsrunner.engine.digest_said import SAID_LENGTH, listed, message_words, outcome_words, sentence, shortened
from opsrunner.model.outcome import Outcome, Part, StepStatus


@pytest.mark.parametrize(
    ("message", "is_bad", "words"),
    [
        ("exit code 3: no certificate found", False, "no certificate found"),
        ("exit code 1: Disk full.", True, "Disk full (exit code 1)"),
        ("exit code 1", True, "it ended with exit code 1"),
        (
            "exit code 127 (command not found): sh: x: not found",
            True,
            "sh: x: not found (exit code 127, command not found)",
        ),
        ("look: web2, web7", False, "web2, web7"),
        ("exit code 3: half done; look: web2", False, "half done; web2"),
        ("fails: row.line > 50", True, "its own rule says so: row.line > 50"),
        ("no end after 30 s; its processes were ended", True, "no end after 30 s; its processes were ended"),
        ("two\nlines\x00", True, "two lines"),
        ("", True, ""),
    ],
)
def test_it_says_a_message_without_the_machines_own_words(message: str, is_bad: bool, words: str) -> None:
    assert message_words(message, is_bad=is_bad, rule="row.line > 50") == words


def test_it_counts_the_hosts_that_went_wrong_and_names_the_first_three() -> None:
    parts = [Part(key=f"web{number}", status=StepStatus.FAILED, message="exit code 1: full") for number in range(5)]
    parts.append(Part(key="web9", status=StepStatus.SUCCEEDED))
    outcome = Outcome(status=StepStatus.FAILED, message="1 of 6 fine", parts=tuple(parts))
    words = "web0: full (exit code 1); web1: full (exit code 1); web2: full (exit code 1) and 2 more"
    assert outcome_words(outcome) == f"5 of 6: {words}"


def test_it_cuts_a_line_of_a_megabyte() -> None:
    assert len(message_words("exit code 1: " + "x" * 1_000_000, is_bad=True)) < SAID_LENGTH + 30


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("no certificate found", "No certificate found."),
        ("web2: no answer.", "web2: no answer."),  # a name keeps its letters
        ("did you mean 'timeout'?", "Did you mean 'timeout'?"),
        ("", ""),
    ],
)
def test_it_makes_a_sentence(text: str, words: str) -> None:
    assert sentence(text) == words


@pytest.mark.parametrize(
    ("title", "words"),
    [
        ("Set up Business for Lantern Film: order 261115-03 is paid", "Set up Business for Lantern Film"),
        ("Ask the team which routine they would drop, and which one is missing", "Ask the team which routine they…"),
        ("Answer the abuse report on web5", "Answer the abuse report on web5"),
        ("Backups: the billing dump", "Backups: the billing dump"),  # one word says too little
        ("x" * 60, "x" * 33 + "…"),
    ],
)
def test_it_shortens_a_title_to_what_a_subject_has_room_for(title: str, words: str) -> None:
    assert shortened(title) == words


def test_it_counts_what_it_does_not_list() -> None:
    assert listed(["web1", "web2"], total=2) == "web1, web2"
    assert listed(["web1", "web2"], total=1_502) == "web1, web2 and 1,500 more"
