"""The step kind `offer_check`: the systems that a company offers, against the releases that there are."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from pydantic import Field

from opsrunner.audits.offer import Offered, judge_offer
from opsrunner.errors import StepFailed
from opsrunner.model.outcome import Outcome, Row, StepStatus
from opsrunner.steps import query
from opsrunner.steps.base import Kind, Means, StepCall, StepOptions
from opsrunner.steps.fields import Seconds
from opsrunner.steps.output import OutputSink, printable


class Options(StepOptions):
    """What stands in `offer_check:`."""

    source: str = Field(min_length=1)
    """A source of the site that lists what is offered."""
    column: str = Field(min_length=1)
    """The column that names the system: `Debian 12`, `Ubuntu 24.04 LTS`, `AlmaLinux 9`."""
    where: Mapping[str, Any] = Field(default_factory=dict)
    """Which of its rows, as a query says it."""
    ends_within: Seconds = 180 * 86400
    """How long before the end of its security updates a system is told of."""


def run(call: StepCall, means: Means) -> Outcome:
    """Read the offer and judge it. Raises StepFailed where it cannot be read."""
    options: Options = call.options
    source = means.sources.get(options.source)
    if source is None:
        raise StepFailed(f"there is no source '{options.source}'", permanent=True)
    wanted = query.Options(source=options.source, where=options.where).model_dump(exclude={"source"})
    rows = means.read_source(source, wanted | {"timeout_seconds": call.timeout_seconds})
    if rows and options.column not in rows[0]:
        raise StepFailed(f"{options.source} has no column '{options.column}'", permanent=True)
    today = means.clock.now().date()
    names = [str(row[options.column] or "") for row in rows]
    offered = judge_offer(names, today=today, ends_within=timedelta(seconds=options.ends_within))
    sink = OutputSink(call.output, limit_bytes=call.output_limit_bytes, vault=means.vault)
    try:
        for one in offered:
            sink.write(f"{one.state}: {printable(one.words(today))}\n".encode("utf-8", "replace"))
    finally:
        sink.close()
    wrong = [one for one in offered if not one.state.is_fine]
    fine = len(offered) - len(wrong)
    status = StepStatus.WARNING if wrong or not offered else StepStatus.SUCCEEDED
    told = "; ".join(one.words(today) for one in wrong[:3])
    more = f"; and {len(wrong) - 3} more" if len(wrong) > 3 else ""
    nothing = "the offer is empty: nothing was checked"
    return sink.judged(
        Outcome(
            status=status,
            message=f"{fine} of {len(names)} systems fine{f'; {told}{more}' if told else ''}" if names else nothing,
            rows=tuple(_row(one, today_words=one.words(today)) for one in wrong),
            facts={"offered": len(names), "fine": fine},
        )
    )


def preview(options: Options) -> str:
    """Return what would be looked at."""
    return f"compare column {options.column} of {options.source} with the releases that there are"


def _row(one: Offered, *, today_words: str) -> Row:
    return {"system": one.system, "state": one.state.value, "ends_on": one.ends, "message": today_words}


KIND = Kind(
    name="offer_check",
    summary="Compare the systems that you offer with the releases that there are: ended, ends soon, missing.",
    options=Options,
    run=run,
    preview=preview,
    reads_only=True,
    at_once=True,
)
