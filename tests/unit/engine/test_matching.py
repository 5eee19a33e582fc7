"""Words in texts, whatever the case of their letters."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsrunner.engine.matching import excerpt, folded, has_all, pieces, words_of


@pytest.mark.parametrize(
    ("asked", "text", "is_there"),
    [
        pytest.param("WEB5", "look at web5", True, id="ascii"),
        pytest.param("åsen", "Strøm til ÅSEN", True, id="beyond ascii"),
        pytest.param("A\u030asen", "åsen", True, id="composed and not"),
        pytest.param("strasse", "Hauptstraße", True, id="one letter is two"),
        pytest.param("STRAẞE", "Hauptstrasse", True, id="and back"),
        pytest.param("web5 late", "late again: web5", True, id="in any order"),
        pytest.param("web5 late", "web5", False, id="all of them"),
        pytest.param("%", "100 of it", False, id="no pattern"),
        pytest.param("", "anything", True, id="nothing is everywhere"),
    ],
)
def test_all_words_have_to_be_there(asked: str, text: str, is_there: bool) -> None:
    assert has_all(words_of(asked), text) is is_there


def test_what_was_looked_for_is_cut_out() -> None:
    cut = pieces("Straße nach ÅSEN, åsen", ("SS", "åsen"))
    assert [piece.text for piece in cut if piece.is_match] == ["ß", "ÅSEN", "åsen"]


def test_words_that_overlap_are_one_piece() -> None:
    assert [piece.text for piece in pieces("backups", ("back", "ackup")) if piece.is_match] == ["backup"]


@given(st.text(max_size=80), st.lists(st.text(min_size=1, max_size=5), max_size=4))
def test_pieces_make_up_the_text(text: str, words: list[str]) -> None:
    cut = pieces(text, words)
    assert folded("".join(piece.text for piece in cut)) == folded(text)
    assert all(piece.text for piece in cut)


@given(st.text(min_size=1, max_size=20), st.text(max_size=20))
def test_a_word_that_is_there_is_marked(word: str, around: str) -> None:
    found = words_of(word)
    text = f"{around}{word}{around}"
    if found and has_all(found, text):
        assert any(piece.is_match for piece in pieces(text, found))


def test_an_excerpt_shows_where_the_word_stands() -> None:
    text = f"{'before ' * 60}needle{' after' * 60}"
    said = excerpt(text, ("NEEDLE",))
    assert "needle" in said
    assert said.startswith("…")
    assert said.endswith("…")
    assert len(said) < 200
    assert excerpt("short\n text", ("x",)) == "short text"
