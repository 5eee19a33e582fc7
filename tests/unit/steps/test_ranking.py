import pytest
from pydantic import ValidationError

from opsrunner.errors import StepFailed
from opsrunner.model.outcome import Row
from opsrunner.steps.ranking import Rank, ranked

ROWS: list[Row] = [
    {"entry": "1", "title": "Nothing of ours", "summary": None},
    {"entry": "2", "title": "Is NORDLYS slow?", "summary": "since Monday"},
    {"entry": "3", "title": "Backups", "summary": "I moved to nordlys for its backup"},
    {"entry": "4", "title": "nordlyset was green", "summary": ""},
]


def test_rows_that_name_most_come_first_and_say_what() -> None:
    found = ranked(ROWS, Rank(words=("Nordlys", "backup*"), columns=("title", "summary")))

    assert [(row["entry"], row["rank"], row["names"]) for row in found] == [
        ("3", 2, "Nordlys, backup"),
        ("2", 1, "Nordlys"),
        ("1", 0, ""),
        ("4", 0, ""),  # another word that begins so
    ]


@pytest.mark.parametrize(
    ("word", "text", "is_found"),
    [
        ("Blåbær Hosting", "BLÅBÆR\nHosting", True),
        ("blåbær", "bla\u030abær", True),  # the same letter in two pieces
        ("c++", "I write C++ and c", True),
        ("a.b", "axb", False),
        (".*", "anything", False),
        ("Straße", "STRASSE", True),
        ("ops", "devops", False),
        ("ops*", "opsrunner", True),
    ],
)
def test_a_word_is_found_whole_and_whatever_its_letters(word: str, text: str, is_found: bool) -> None:
    (row,) = ranked([{"title": text}], Rank(words=(word,), columns=("title",)))

    assert row["rank"] == is_found


def test_a_column_that_is_not_there_is_named() -> None:
    with pytest.raises(StepFailed, match="rank: there is no column 'titel', did you mean 'title'"):
        ranked(ROWS, Rank(words=("x",), columns=("titel",)))


@pytest.mark.parametrize("words", [(), (" ",), ("*",)])
def test_a_word_has_to_say_something(words: tuple[str, ...]) -> None:
    with pytest.raises(ValidationError):
        Rank(words=words, columns=("title",))
