"""What the step kind `offer_check` does: what is offered, held against what is kept up."""

from __future__ import annotations

from datetime import timedelta

from opsrunner.audits.offer import Offered, judge_offer
from opsrunner.errors import StepFailed
from opsrunner.model.outcome import Outcome, Row, StepStatus
from opsrunner.steps import query
from opsrunner.steps.base import Means, StepCall
from opsrunner.steps.offer_check import Options
from opsrunner.steps.output import OutputSink, printable


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


def _row(one: Offered, *, today_words: str) -> Row:
    return {"system": one.system, "state": one.state.value, "ends_on": one.ends, "message": today_words}
