"""A question as a routine, and as the command line that asks it again."""

from __future__ import annotations

import shlex
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsrunner.cli.ask import ask
from opsrunner.config.freezing import freeze, thaw
from opsrunner.engine.asking import (
    Question,
    again_words,
    asked_routine,
    asking_words,
    below_words,
    is_asked,
    thawed_question,
)
from opsrunner.errors import Refused
from opsrunner.model.routine import Routine, StepPlan
from opsrunner.steps.fenced import fenced
from opsrunner.steps.kinds import KINDS
from opsrunner.templates.environments import render_options

COMMANDS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1).filter(str.strip)
QUESTION = Question(command="php -v", hosts=("shared",))


def routine(question: Question) -> Routine:
    return asked_routine(question, accountable="boss")


def test_the_same_question_is_the_same_routine() -> None:
    asked = Question(command="php -v", hosts=("web1", "web2"), exit_codes=(0, 1))

    assert asked.id == replace(asked, hosts=("web2", "web1"), exit_codes=(1, 0)).id
    assert routine(asked).id == asked_routine(asked, accountable="ops1", opens_task=True, timeout_seconds=5).id


@pytest.mark.parametrize(
    "other",
    [
        replace(QUESTION, command="php  -v"),
        replace(QUESTION, hosts=("all",)),
        replace(QUESTION, expect="8"),
        replace(QUESTION, exit_codes=(0,)),
        replace(QUESTION, env={"A": "b"}),
    ],
)
def test_another_question_is_another_routine(other: Question) -> None:
    assert other.id != QUESTION.id


@given(COMMANDS, COMMANDS | st.none())
def test_the_command_line_asks_the_same_again_whatever_stands_in_it(command: str, expect: str | None) -> None:
    question = Question(command=command, hosts=("web1", "shared"), expect=expect)
    words = shlex.split(asking_words(routine(question)))

    assert words[:2] == ["opsrunner", "ask"]
    given_ = ask.make_context("ask", words[2:]).params
    assert (given_["command"], given_["expect"]) == (command, expect)
    assert [name for text in given_["hosts"] for name in text.split(",")] == ["shared", "web1"]


def test_a_question_with_an_environment_has_no_command_line_and_shows_no_value_of_it() -> None:
    asked = routine(replace(QUESTION, env={"TOKEN": "hunter2"}))
    said = again_words(asked, run_it="Run it again") + below_words(asked)

    assert said.startswith("Run it again, with **Ask the others…** on the follow-up of the host")
    assert "opsrunner ask" not in said
    assert "hunter2" not in said
    plain = routine(QUESTION)
    assert again_words(plain, run_it="Run it again") == "Run it again, with the command below."
    assert asking_words(plain) in below_words(plain)


@given(COMMANDS, COMMANDS)
def test_a_frozen_question_reaches_its_step_sign_by_sign(command: str, expect: str) -> None:
    asked = thaw(freeze(routine(Question(command=command, hosts=("web1",), expect=expect))))
    kind = KINDS["ask"]
    options = kind.parse(render_options(asked.steps[0].options, {}, verbatim=kind.verbatim))

    assert (options.run, options.expect) == (command, expect)  # type: ignore[attr-defined]


def test_a_request_can_carry_a_question_and_nothing_else() -> None:
    assert thawed_question(freeze(routine(QUESTION))) == routine(QUESTION)
    harmful = StepPlan(id="ask", kind="run", options={"run": "rm -rf /"}, line=1)
    two = replace(routine(QUESTION), steps=(*routine(QUESTION).steps, harmful))
    filed = replace(routine(QUESTION), file="routines/x.yaml")
    named = replace(routine(QUESTION), id="nightly")
    for other in (replace(routine(QUESTION), steps=(harmful,)), two, filed, named):
        assert not is_asked(other)
        with pytest.raises(Refused, match="is no question to hosts"):
            thawed_question(freeze(other))
    with pytest.raises(Refused, match="cannot be read"):
        thawed_question("{")


@given(st.text("`~a\n", max_size=30))
def test_no_text_ends_the_block_that_shows_it(text: str) -> None:
    first, *lines, last = fenced(text).split("\n")

    assert first == last
    assert set(first) == {"`"}
    assert len(first) >= 3
    assert not any(line.strip().startswith(first) for line in lines)
