"""YAML 1.2, and what is refused before it can harm (C47, B13)."""

from __future__ import annotations

import json
import os
import resource
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opsrunner.config.yaml12 import MAX_ALIASES, MAX_DEPTH, BadYaml, decode, read_bytes, read_yaml

from ...patience import raised, within


def refusal_of(data: bytes) -> BadYaml | None:
    try:
        read_yaml(decode(data))
    except BadYaml as exc:
        return exc
    return None


AS_IT_LOOKS = {
    "12:30": "12:30",  # 750 in YAML 1.1
    "2:30": "2:30",
    "02:30": "02:30",
    "on": "on",
    "off": "off",
    "yes": "yes",
    "no": "no",
    "n": "n",
    "0755": "0755",  # 493 in YAML 1.1
    "0600": "0600",
    "2026-12-24": "2026-12-24",
    "1_000": "1_000",
    "0b11": "0b11",
    "+4h": "+4h",
    "-8d": "-8d",
    "1e": "1e",
    "1.2.3": "1.2.3",
    "::1": "::1",
    "=": "=",
    "<<": "<<",
    '"5"': "5",
    "'true'": "true",
    "true": True,
    "False": False,
    "null": None,
    "~": None,
    "": None,
    "0": 0,
    "-17": -17,
    "+5": 5,
    "0o17": 15,
    "0x1F": 31,
    "1.5": 1.5,
    ".5": 0.5,
    "1e3": 1000.0,
    "-2.5E-2": -0.025,
}


@pytest.mark.parametrize(("text", "value"), AS_IT_LOOKS.items())
def test_a_value_is_what_it_looks_like(text: str, value: object) -> None:
    read = read_yaml(f"key: {text}\n")

    assert read == {"key": value}
    assert type(read["key"]) is type(value)


def test_keys_are_always_text() -> None:
    assert read_yaml("on: a\n200: b\nnull: c\ntrue: d\n") == {"on": "a", "200": "b", "null": "c", "true": "d"}


def test_an_empty_file_is_nothing() -> None:
    assert read_yaml("") is None
    assert read_yaml("# only a comment\n") is None


def test_a_few_aliases_are_fine() -> None:
    assert read_yaml("a: &keep {daily: 7}\nb: *keep\n") == {"a": {"daily": 7}, "b": {"daily": 7}}


BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{name}: &{name} [{','.join([f'*{before}'] * 9)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)
WIDE = "a: &a [" + "x," * 6000 + "]\nb: [" + "*a," * 10 + "]\n"
HARMFUL = {
    "python object": ("!!python/object/apply:os.system ['true']", "the tag !!python/object/apply:os.system"),
    "plain tag": ("a: !!str 5", "the tag !!str"),
    "own tag": ("a: !secret x", "the tag !secret"),
    "alias bomb": (BOMB, f"more than {MAX_ALIASES} aliases"),
    "few wide aliases": (WIDE, "holds more than"),
    "alias of nothing": ("a: *b", "*b refers to nothing above"),
    "alias within itself": ("a: &a [*a]", "*a stands inside itself"),
    "depth of 1,000": ("[" * 1000 + "]" * 1000, f"deeper than {MAX_DEPTH} levels"),
    "depth in blocks": ("".join(" " * depth + "a:\n" for depth in range(1000)), f"deeper than {MAX_DEPTH} levels"),
    "40 kB of [": ("[" * 40_000, f"deeper than {MAX_DEPTH} levels"),
    "1 MB of {": ("{a: " * 250_000, f"deeper than {MAX_DEPTH} levels"),
    "many values": ("[" + "1," * 60_000 + "]", "holds more than"),
    "huge number": ("a: " + "9" * 5000, "the number is too large"),
    "huge exponent": ("a: 1e999", "the number is too large"),
    "infinity": ("a: .inf", "is not a number that can be used here"),
    "not a number": ("a: .nan", "is not a number that can be used here"),
    "NUL": ('a: "\\0"', "NUL is not allowed"),
    "key twice": ("a: 1\nb: 2\na: 3", "the key 'a' stands here twice"),
    "key twice in braces": ("{a: 1, a: 2}", "the key 'a' stands here twice"),
    "list as key": ("? [a]\n: b", "a key must be plain text"),
    "second document": ("a: 1\n---\nb: 2", "a second document (---) begins"),
}


@pytest.mark.parametrize(("text", "message"), HARMFUL.values(), ids=HARMFUL)
def test_what_can_harm_is_refused_at_once(text: str, message: str) -> None:
    refused = within(1, lambda: raised(BadYaml, lambda: read_yaml(decode(text.encode()))), clock=time.thread_time)

    assert message in str(refused)


def test_ten_megabytes_are_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "large.yaml"
    path.write_bytes(b"a: x\n" * 2_000_000)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    with pytest.raises(BadYaml, match="larger than 1 MB"):
        read_bytes(path)

    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 10_000


def test_one_megabyte_of_anything_needs_little_memory() -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    for text in ("- a\n" * 240_000, "[" * 999_999, BOMB, "a: " + "x" * 999_000):
        refusal_of(text.encode())

    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "pipe.yaml"
    os.mkfifo(path)

    with pytest.raises(BadYaml, match="not a plain file"):
        read_bytes(path)


def test_a_missing_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(BadYaml, match="there is no such file"):
        read_bytes(tmp_path / "none.yaml")


UNSEEN = {
    "NUL": "\0",
    "escape": "\x1b",
    "line separator": "\u2028",
    "right-to-left override": "\u202e",
    "isolate": "\u2066",
    "byte order mark inside": "\ufeff",
    "next line": "\x85",
}


@pytest.mark.parametrize("character", UNSEEN.values(), ids=UNSEEN)
def test_a_character_that_nobody_sees_is_refused_with_its_place(character: str) -> None:
    with pytest.raises(BadYaml, match="invisible character U\\+") as caught:
        decode(f"a: 1\nbc: x{character}y\n".encode())

    assert (caught.value.line, caught.value.column) == (2, 6)


def test_a_byte_order_mark_at_the_start_is_fine() -> None:
    assert read_yaml(decode("\ufeffa: ø\n".encode())) == {"a": "ø"}


@pytest.mark.parametrize(("text", "column"), [("{}:", 1), ("a: {{ b }}", 4)])
def test_braces_in_the_place_of_a_key_are_shown_where_they_begin(text: str, column: int) -> None:
    with pytest.raises(BadYaml, match="the braces are read as YAML") as caught:
        read_yaml(text)

    assert caught.value.column == column


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet=st.sampled_from(list("ab:-[]{}#&*!|>'\"%@`, \n\t?0.~<\\")), max_size=40))
def test_no_text_ends_in_anything_but_a_value_or_a_clear_refusal(text: str) -> None:
    refusal = refusal_of(text.encode())

    assert refusal is None or (str(refusal) and refusal.line >= 1 and refusal.column >= 1)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=60))
def test_no_bytes_end_in_anything_but_a_value_or_a_clear_refusal(data: bytes) -> None:
    refusal = refusal_of(data)

    assert refusal is None or str(refusal)


TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cf", "Cs", "Zl", "Zp", "Cn", "Co")))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63) + 1, 2**63 - 1) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=20,
)


@settings(max_examples=150, deadline=None)
@given(VALUES)
def test_what_is_written_as_json_reads_back_as_it_was(value: object) -> None:
    assert read_yaml(json.dumps(value, ensure_ascii=False)) == value
