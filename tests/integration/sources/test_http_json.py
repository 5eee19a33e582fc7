import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from opsrunner.errors import StepFailed
from opsrunner.model.outcome import Row
from opsrunner.model.site import Column, Source
from opsrunner.secrets import SecretRef
from opsrunner.sources import http_json

Read = Callable[..., tuple[Row, ...]]


def orders(http_answers: Any, **where: Any) -> Source:
    return Source(name="orders", kind="http_json", where={"url": http_answers.url, **where})


def test_a_list_is_read_as_it_comes(http_answers: Any, read: Read) -> None:
    http_answers.body = json.dumps([{"id": 1, "tags": ["a", "é"]}, {"id": 2, "open": True}]).encode()

    assert read(orders(http_answers)) == (
        {"id": 1, "tags": '["a", "é"]', "open": None},  # what is nested becomes text
        {"id": 2, "tags": None, "open": True},
    )


def test_headers_carry_secrets_that_the_vault_then_masks(http_answers: Any, read: Read, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("canary-4711\n")
    (tmp_path / "token").chmod(0o600)

    read(orders(http_answers, headers={"X-Token": SecretRef(file="token"), "X-Plain": "yes"}))

    assert http_answers.asked[0]["x-token"] == "canary-4711"
    assert http_answers.asked[0]["x-plain"] == "yes"


def test_a_redirect_is_not_followed_with_our_secrets(http_answers: Any, read: Read) -> None:
    http_answers.status, http_answers.headers = 302, {"Location": http_answers.url}

    with pytest.raises(StepFailed, match=r"^orders: answered 302 and sends elsewhere"):
        read(orders(http_answers, headers={"X-Token": "secret"}))
    assert len(http_answers.asked) == 1


@pytest.mark.parametrize(
    ("body", "items", "message"),
    [
        (b"<html>", "", "orders: the answer is not JSON: line 1, column 1: Expecting value"),
        (b'{"a": [}', "", "orders: the answer is not JSON: line 1, column 8"),
        (b"\xff\xfe\xff", "", "orders: the answer is not usable JSON"),
        (b"[" * 100_000, "", "orders: the answer is not usable JSON"),
        (b'[{"a": NaN}]', "", "orders: the answer is not usable JSON"),
        (b'[{"a": 1e999}]', "", "orders: the answer is not usable JSON"),
        (b'[{"a": -1e999}]', "", "orders: the answer is not usable JSON"),
        (b'{"data": []}', "", "orders: the answer is not a list; say with items where the list lies"),
        (b'{"data": {"rows": []}}', "data.orders", "orders: the answer has no 'data.orders': 'orders' is missing"),
        (b'{"data": {}}', "data", "orders: 'data' of the answer is not a list"),
        (b'[{"a": 1}, 2]', "", "orders item 2: is not an object"),
    ],
)
def test_an_answer_that_is_no_list_of_objects_is_named(
    body: bytes, items: str, message: str, http_answers: Any, read: Read
) -> None:
    http_answers.body = body

    with pytest.raises(StepFailed) as failed:
        read(orders(http_answers, items=items))
    assert failed.value.message.startswith(message)


def test_half_a_character_is_no_text_that_anybody_could_send(http_answers: Any, read: Read) -> None:
    http_answers.body = (
        b'[{"a": "x\\ud800y", "\\uDFFF": 1, "b": ["\\ud83d\\ude00", "\\udc00"], "c": 1.5, "d": "\\\\ud800"}]'
    )

    (row,) = read(orders(http_answers))
    assert row == {"a": "x\ufffdy", "\ufffd": 1, "b": '["\U0001f600", "\ufffd"]', "c": 1.5, "d": "\\ud800"}


def test_a_value_that_is_nested_without_end_is_one_line(http_answers: Any, read: Read) -> None:
    for depth in range(100, 1000, 20):
        http_answers.body = b'[{"a": ' + b"[" * depth + b"]" * depth + b"}]"
        try:
            assert read(orders(http_answers))
        except StepFailed as failed:
            assert failed.message in (  # noqa: PT017  either may be, by how deep the caller stands
                "orders: the answer is not usable JSON",
                "orders item 1: is nested too deeply",
            )


@pytest.mark.parametrize(
    ("items", "body"),
    [
        ("[?contains(name, n)]", b'[{"name": "a", "n": 1}]'),
        ("[sum(@)]", b"[1" + b"0" * 400 + b", 1.5]"),
        ("[avg(@)]", b"[1" + b"0" * 400 + b"]"),
    ],
)
def test_values_that_a_path_does_not_expect_are_one_line(
    items: str, body: bytes, http_answers: Any, read: Read
) -> None:
    http_answers.body = body
    with pytest.raises(StepFailed, match="does not suit the answer") as failed:
        read(orders(http_answers, items=items))
    assert failed.value.message.isprintable()


@pytest.mark.parametrize("items", ["", "rows"])
def test_what_a_server_names_is_told_on_one_line(items: str, http_answers: Any, read: Read) -> None:
    hostile = {"a\nFINE: all is well\x1b[31m": 1, "x" * 50_000: 2}
    http_answers.body = json.dumps(hostile if items else [hostile]).encode()
    source = replace(orders(http_answers, items=items), columns=(Column(name="id", type="text"),))
    with pytest.raises(StepFailed, match="there are: a FINE: all is well") as failed:
        read(source)
    assert failed.value.message.isprintable()
    assert len(failed.value.message) <= 2_000


def test_an_error_of_the_server_is_named_and_may_pass(http_answers: Any, read: Read) -> None:
    http_answers.status = 503

    with pytest.raises(StepFailed, match=r"^orders: answered 503 Service Unavailable$") as failed:
        read(orders(http_answers))
    assert not failed.value.permanent


def test_a_slow_server_is_given_up(http_answers: Any, read: Read) -> None:
    http_answers.wait_seconds = 1.5

    with pytest.raises(StepFailed, match=r"^orders: no answer in 0\.3 s$") as failed:
        read(orders(http_answers, timeout=0.3))
    assert failed.value.status == "timed_out"


def test_an_answer_that_is_too_long_is_refused(http_answers: Any, read: Read) -> None:
    http_answers.body = b" " * (http_json.LIMIT_BYTES + 1)

    with pytest.raises(StepFailed, match="the answer is longer than 20,000,000 bytes"):
        read(orders(http_answers))


def test_nobody_at_the_address_is_one_line(read: Read) -> None:
    source = Source(name="orders", kind="http_json", where={"url": "http://127.0.0.1:1/"})

    with pytest.raises(StepFailed, match=r"^orders: no answer: "):
        read(source)


def test_a_nested_value_is_no_number(http_answers: Any, read: Read) -> None:
    http_answers.body = b'[{"amount": {"value": 1}}]'
    source = Source(
        name="orders",
        kind="http_json",
        where={"url": http_answers.url},
        columns=(Column(name="amount", type="number"),),
    )

    with pytest.raises(StepFailed, match=r"orders item 1: column 'amount': .* is not a number"):
        read(source)
