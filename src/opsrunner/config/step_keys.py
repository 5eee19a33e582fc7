"""The keys that all steps share."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, Literal

from pydantic import Field

from opsrunner.config.fields import Flag, Keys, PositiveSeconds, StepId, Text, Variable
from opsrunner.model.routine import Retry, StepPlan, TaskPlan
from opsrunner.steps.fields import Seconds, TextOrSecret
from opsrunner.steps.kind import Kind, StepOptions

MOST_TRIES = 100


class RetryKeys(Keys):
    """How often to try again after the first try, and how long to wait between."""

    times: int = Field(ge=0, le=MOST_TRIES, strict=True)
    wait: Seconds = 60


class SharedKeys(Keys):
    """What any step may say beside its kind."""

    id: StepId | None = Field(default=None, description="Default: the kind, numbered from its second use.")
    name: str = Field(default="", description="For display.")
    when: Text | None = Field(default=None, description="An expression; the step is skipped where it is false.")
    for_each: Text | None = Field(default=None, description="An expression that gives rows; one turn a row.")
    key: Text | None = Field(default=None, description="An expression: what the turn or task is about.")
    timeout: PositiveSeconds = Field(default=3600, description="Default: 1h.")
    retry: RetryKeys | None = None
    env: dict[Variable, TextOrSecret] = Field(default_factory=dict)
    on_failure: Literal["stop", "continue"] = "stop"
    follow_up: Flag = Field(default=True, description="Open a task when the step fails.")
    urgent: Flag = Field(default=False, description="Mail a failure at once, in quiet hours too.")
    warn_if: Text | None = Field(default=None, description="An expression.")
    fail_if: Text | None = Field(default=None, description="An expression.")
    rows: Literal["json", "csv", "lines"] | None = Field(default=None, description="Output becomes rows.")
    once: Text | None = Field(default=None, description="Name of an outward act that is never repeated.")
    after_crash: Literal["ask", "rerun"] | None = None


SHARED = frozenset(SharedKeys.model_fields)
_OF_MACHINES = frozenset(
    {"timeout", "retry", "env", "follow_up", "urgent", "warn_if", "fail_if", "rows", "once", "after_crash"}
)
_NOTHING: frozenset[str] = frozenset()
_ONE_TRY = Retry()
_NO_ENV: Mapping[str, Any] = {}
"""Of what most steps have there is one for all: a large site has thousands of steps."""
_IDLE = {
    "task": _OF_MACHINES,
    "checklist": _OF_MACHINES,
    "http": frozenset({"env"}),
    "query": frozenset({"env", "rows"}),
    "email": frozenset({"env", "rows"}),
    **dict.fromkeys(("ticket_clocks", "trend", "sample_rows", "scorecard"), frozenset({"env", "rows"})),
}


def idle_keys(raw: Mapping[str, Any], kind: Kind) -> list[str]:
    """Return the shared keys of a step that have nothing to do in its kind."""
    idle = _IDLE.get(kind.name, _NOTHING)
    return [] if idle.isdisjoint(raw) else [key for key in raw if key in idle]


def keys_of(kind: Kind) -> tuple[str, ...]:
    """Return the options of a kind as they are written."""
    return _written_keys(kind.options)


def known_beside(kind: Kind) -> frozenset[str]:
    """Return the keys that a step of a kind may have: the kind, the shared ones, and options that stand beside."""
    return _with_shared(kind.options) if kind.beside else SHARED | {kind.name}


@cache
def _with_shared(options: type[StepOptions]) -> frozenset[str]:
    return SHARED.union(_written_keys(options))


@cache
def _written_keys(options: type[StepOptions]) -> tuple[str, ...]:
    return tuple(field.alias or name for name, field in options.model_fields.items())


def plan_step(
    shared: SharedKeys, kind: Kind, *, id_: str, options: Mapping[str, Any], tasks: tuple[TaskPlan, ...], line: int
) -> StepPlan:
    """Return the step that the checked keys describe."""
    retry = shared.retry
    return StepPlan(
        id=id_,
        kind=kind.name,
        name=shared.name,
        options=options,
        when=shared.when,
        for_each=shared.for_each,
        key=shared.key,
        timeout_seconds=shared.timeout,
        retry=Retry(times=retry.times, wait_seconds=retry.wait) if retry else _ONE_TRY,
        env=shared.env or _NO_ENV,
        on_failure=shared.on_failure,
        follow_up=shared.follow_up,
        urgent=shared.urgent,
        warn_if=shared.warn_if,
        fail_if=shared.fail_if,
        rows=shared.rows,
        once=shared.once,
        after_crash=shared.after_crash or ("rerun" if kind.only_reads(options) else "ask"),
        tasks=tasks,
        line=line,
    )
