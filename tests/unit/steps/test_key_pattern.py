"""Whose backup it is, by its name."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsrunner.steps.key_pattern import KeyPattern

WORDS = st.text("ab1-._", min_size=1, max_size=6)


@pytest.mark.parametrize(
    ("pattern", "name", "key"),
    [
        ("{key}.tar.gz", "alice.tar.gz", "alice"),
        ("{key}.tar.gz", "alice.b.tar.gz", "alice.b"),
        ("{key}.tar.gz", "sub/alice.tar.gz", None),
        ("{key}.tar.gz", "alice.tar.gz.part", None),
        ("{key}.tar.gz", ".tar.gz", None),
        ("*/accounts/{key}.tar.gz", "2026-11-21/accounts/alice.tar.gz", "alice"),
        ("*/accounts/{key}.tar.gz", "accounts/alice.tar.gz", None),
        ("{key}/*.sql.gz", "shop/2026-11-21.sql.gz", "shop"),
        ("{key}/**", "shop/a/b/c", "shop"),
        ("daily.?/{key}/**", "daily.0/alice/home/x", "alice"),
        ("daily.?/{key}/**", "daily.10/alice/home/x", None),
        ("cpmove-{key}.tar", "cpmove-al[i]ce.tar", "al[i]ce"),
        ("a+(b)/{key}", "a+(b)/x", "x"),
        ("{key}", "two\nlines", "two\nlines"),
        ("/srv/{key}", "/srv/shop", "shop"),
        ("/srv/{key}", "srv/shop", None),
    ],
)
def test_the_key_is_what_stands_in_its_place(pattern: str, name: str, key: str | None) -> None:
    assert KeyPattern(pattern).whose(name, ()) == key


def test_where_signs_leave_it_open_the_longest_that_is_known_counts() -> None:
    known = {"web", "web-1", "web-1-db", "2026"}
    pattern = KeyPattern("{key}-*")
    assert pattern.whose("web-1-2026-11-21", known) == "web-1"
    assert pattern.whose("web-1-db-2026-11-21", known) == "web-1-db"
    assert pattern.whose("web-2026-11-21", known) == "web"
    assert pattern.whose("mail-2026-11-21", known) == "mail"
    assert KeyPattern("*-{key}").whose("nightly-web-1", known) == "web-1"


@given(WORDS, WORDS, WORDS)
def test_what_is_known_is_always_found_again(before: str, key: str, after: str) -> None:
    assert KeyPattern("*{key}*").whose(f"{before}{key}{after}", {key}) == key
    assert KeyPattern("x/{key}/**").whose(f"x/{key}/{after}", {key}) == key


@pytest.mark.parametrize(
    ("pattern", "folder", "may"),
    [
        ("*/accounts/{key}.tar.gz", "2026-11-21", True),
        ("*/accounts/{key}.tar.gz", "2026-11-21/accounts", True),
        ("*/accounts/{key}.tar.gz", "2026-11-21/system", False),
        ("*/accounts/{key}.tar.gz", "2026-11-21/accounts/alice", False),
        ("{key}.tar.gz", "anything", False),
        ("daily/{key}/**", "weekly", False),
        ("daily/{key}/**", "daily/alice", True),
        ("daily/{key}/**", "daily/alice/a/b", True),
    ],
)
def test_only_folders_are_looked_into_that_may_hold_one(pattern: str, folder: str, may: bool) -> None:
    assert KeyPattern(pattern).may_hold(folder) is may


def test_a_whole_path_may_be_what_is_expected() -> None:
    assert KeyPattern("{key}").whose("/home/alice", {"/home/alice"}) == "/home/alice"
    assert KeyPattern("{key}").whose("/home/bob", {"/home/alice"}) is None


def test_it_tells_where_names_begin_and_how_deep_they_lie() -> None:
    assert (KeyPattern("daily/x-*/{key}").prefix, KeyPattern("daily/x-*/{key}").most_folders) == ("daily/x-", 2)
    assert (KeyPattern("{key}/**").prefix, KeyPattern("{key}/**").most_folders) == ("", None)


def test_a_folder_is_one_backup_where_the_pattern_says_so() -> None:
    assert KeyPattern("*/{key}/**").copy_name("2026/alice/home/mail") == "2026/alice"
    assert KeyPattern("{key}/*").copy_name("alice/2026.sql") == "alice/2026.sql"


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("*.tar.gz", "needs {key} once"),
        ("{key}/{key}", "needs {key} once"),
        ("a**/{key}", "nothing beside it"),
        ("**/{key}.tar.gz", "behind {key}, and none in front"),
    ],
)
def test_what_is_no_pattern_is_refused(pattern: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        KeyPattern(pattern)
