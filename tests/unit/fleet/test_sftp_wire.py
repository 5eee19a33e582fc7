"""Questions and answers of SFTP with a server that keeps to the protocol, or does not."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import TYPE_CHECKING, cast

import pytest

from opsrunner.fleet.sftp_wire import LONGEST_ANSWER_BYTES, Broken, Code, Kind, Refusal, Wire, long, number, string

if TYPE_CHECKING:
    from paramiko import Channel

Script = Callable[[int], list[bytes]]


class ServerEnd:
    """A channel to a server that answers each question, told by its number, with the packets of a script."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self._asked, self._answers = bytearray(), bytearray()

    def send(self, data: bytes) -> int:
        self._asked += data
        while len(self._asked) >= 4 and len(self._asked) >= 4 + (size := struct.unpack_from(">I", self._asked)[0]):
            question = bytes(self._asked[4 : 4 + size])
            del self._asked[: 4 + size]
            is_greeting = question[0] == Kind.INIT
            answers = [packet(Kind.VERSION, number(3))] if is_greeting else self._script(number_of(question))
            self._answers += b"".join(answers)
        return len(data)

    def recv(self, most_bytes: int) -> bytes:
        data = bytes(self._answers[:most_bytes])
        del self._answers[:most_bytes]
        return data


def number_of(question: bytes) -> int:
    return int(struct.unpack_from(">I", question, 1)[0])


def packet(kind: Kind, *fields: bytes) -> bytes:
    return string(bytes((kind,)) + b"".join(fields))


def data(asked: int, content: bytes = b"x") -> bytes:
    return packet(Kind.DATA, number(asked), string(content))


def wire(script: Script) -> Wire:
    return Wire(cast("Channel", ServerEnd(script)))


def ask_for_more(asker: Wire) -> int:
    return asker.send(Kind.READ, string(b"handle"), long(0), number(10))


def test_each_answer_finds_its_question_in_whatever_order_they_come() -> None:
    kept: list[int] = []

    def later(asked: int) -> list[bytes]:
        kept.append(asked)
        return [data(each, b"%d" % each) for each in reversed(kept)] if len(kept) == 3 else []

    asker = wire(later)
    asked = [ask_for_more(asker) for _ in range(3)]
    asker.forget(asked[1])
    assert [asker.answer(asked[at]).string() for at in (0, 2)] == [b"1", b"3"]


def test_a_refusal_leaves_the_connection_as_good_as_before() -> None:
    asker = wire(lambda asked: [packet(Kind.STATUS, number(asked), number(Code.PERMISSION_DENIED))])
    for _ in range(2):
        with pytest.raises(Refusal):
            asker.answer(ask_for_more(asker))


@pytest.mark.parametrize(
    "answers",
    [
        pytest.param(lambda asked: [data(asked + 1), data(asked)], id="a question still to come"),
        pytest.param(lambda asked: [data(asked - 1), data(asked)], id="one that was answered"),
        pytest.param(lambda asked: [data(0xFFFFFFFF - other) for other in range(99)] + [data(asked)], id="none at all"),
        pytest.param(lambda asked: [data(99, bytes(LONGEST_ANSWER_BYTES - 99)), data(asked)], id="none, at length"),
    ],
)
def test_an_answer_to_what_was_not_asked_ends_the_talk(answers: Script) -> None:
    asker = wire(lambda asked: answers(asked) if asked > 1 else [data(asked)])
    asker.answer(ask_for_more(asker))
    with pytest.raises(Broken, match="it answers what nobody asked"):
        asker.answer(ask_for_more(asker))


@pytest.mark.parametrize("is_forgotten", [False, True])
def test_a_second_answer_to_one_question_ends_the_talk(*, is_forgotten: bool) -> None:
    asker = wire(lambda asked: [data(asked), data(asked)] if asked == 1 else [data(asked)])
    first = ask_for_more(asker)
    if is_forgotten:
        asker.forget(first)
    with pytest.raises(Broken, match="it answers what nobody asked"):
        asker.answer(ask_for_more(asker))
