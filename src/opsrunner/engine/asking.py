"""Questions to hosts that stand in no file: each is a routine of one step that is frozen with its runs.

The same question is the same routine, so that it finds its history and its open task.
"""

from __future__ import annotations

import hashlib
import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import field
from typing import Any

from opsrunner.config.freezing import thaw
from opsrunner.errors import Refused, StateError
from opsrunner.mail.headers import clean_line
from opsrunner.model.routine import Routine, StepPlan
from opsrunner.records import dataclass
from opsrunner.secrets import SecretRef
from opsrunner.steps.fenced import fenced

STEP = "ask"
NAME_LENGTH = 80
TIMEOUT_SECONDS = 60
MOST_AT_ONCE = 50
BY_BUTTON = "with **Ask the others…** on the follow-up of the host, because no command line gives it its environment"
"""How a question with `env` is asked again: a command line would be another question, and show what is secret."""
_ID = re.compile(r"ask-[0-9a-f]{8}\Z")


@dataclass(frozen=True, kw_only=True)
class Question:
    """What is asked of which hosts, and what a right answer is like."""

    command: str
    hosts: tuple[str, ...]
    """Names of hosts and groups."""
    expect: str | None = None
    exit_codes: tuple[int, ...] = ()
    env: Mapping[str, str | SecretRef] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """The routine's id: the same for the same question, whoever asks."""
        env = {name: repr(value) for name, value in self.env.items()}
        said = [self.command, sorted(self.hosts), self.expect, sorted(self.exit_codes), env]
        return f"ask-{hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:8]}"

    @property
    def options(self) -> dict[str, Any]:
        """The options of the step, as a file would have them."""
        hosts = sorted(self.hosts)
        options: dict[str, Any] = {"hosts": hosts[0] if len(hosts) == 1 else hosts, "run": self.command}
        if self.expect is not None:
            options["expect"] = self.expect
        if self.exit_codes:
            codes = sorted(self.exit_codes)
            options["exit"] = codes[0] if len(codes) == 1 else codes
        return options


def asked_routine(
    question: Question,
    *,
    accountable: str,
    opens_task: bool = False,
    timeout_seconds: float = TIMEOUT_SECONDS,
    most_at_once: int = MOST_AT_ONCE,
) -> Routine:
    """Return the routine that asks a question once, by hand.

    Without `opens_task` nobody is asked to do anything; a task that is open about it is kept up to date all the same.
    """
    options = {**question.options, "max_parallel": most_at_once, "tasks": {"open": opens_task}}
    plan = StepPlan(
        id=STEP,
        kind=STEP,
        options=options,
        env=question.env,
        timeout_seconds=timeout_seconds,
        follow_up=opens_task,
        line=1,
    )
    name = clean_line(f"Ask: {question.command}", length=NAME_LENGTH)
    return Routine(id=question.id, name=name, accountable=accountable, steps=(plan,))


def is_asked(routine: Routine) -> bool:
    """Tell whether a routine is a question that stands in no file."""
    kinds = [plan.kind for plan in routine.steps]
    return not routine.file and is_asked_name(routine.id) and kinds == [STEP]


def is_asked_name(routine: str | None) -> bool:
    """Tell whether an id is that of a question; whoever has the routine asks `is_asked`."""
    return _ID.match(routine or "") is not None


def thawed_question(text: str) -> Routine:
    """Return the question that a request carries. Raises Refused where it carries anything else."""
    try:
        routine = thaw(text)
    except StateError as exc:
        raise Refused(f"the question cannot be read: {exc}") from exc
    if not is_asked(routine):
        raise Refused(f"{routine.id} is no question to hosts, so it is run from its file only")
    return routine


def has_command_line(routine: Routine) -> bool:
    """Tell whether a question can be asked on the command line: not with an environment, which is part of it."""
    return not routine.steps[0].env


def asking_words(routine: Routine) -> str:
    """Return the command line that asks a question again, fit for a shell; see `has_command_line`."""
    options = routine.steps[0].options
    command, hosts, codes = options["run"], options["hosts"], options.get("exit", ())
    told = ["--hosts", hosts if isinstance(hosts, str) else ",".join(hosts)]
    if options.get("expect") is not None:
        told.append(f"--expect={options['expect']}")
    told += [f"--exit={code}" for code in (codes if isinstance(codes, list | tuple) else [codes])]
    is_like_option = command.startswith("-")
    return shlex.join(["opsrunner", "ask", *([*told, "--", command] if is_like_option else [command, *told])])


def again_words(routine: Routine, *, run_it: str) -> str:
    """Return how a routine is run again, in Markdown: `run_it` with the command behind it."""
    if is_asked(routine):
        return f"{run_it}, {'with the command below' if has_command_line(routine) else BY_BUTTON}."
    return f"{run_it}: `opsrunner run {routine.id}`."


def below_words(routine: Routine) -> str:
    """Return the block that `again_words` refers to; nothing where it refers to none."""
    return f"\n\n{fenced(asking_words(routine))}" if is_asked(routine) and has_command_line(routine) else ""
