"""What the step kind `ask` does: all hosts asked at once, and what they say handed on as it comes."""

from __future__ import annotations

from opsrunner.model.outcome import Outcome
from opsrunner.steps.ask import BEGIN, Options
from opsrunner.steps.ask_run import Asked
from opsrunner.steps.base import Means, StepCall
from opsrunner.steps.fan_out import ask_hosts, select_hosts
from opsrunner.steps.output import OutputSink


def run(call: StepCall, means: Means) -> Outcome:
    """Ask all hosts, and tell the ledger which of them are odd.

    A host that did not answer is never like the others. Raises StepFailed where no host is meant.
    """
    options: Options = call.options
    hosts = select_hosts(options.hosts, means.hosts)
    asked = Asked(call, means)
    sink = OutputSink(call.output, limit_bytes=call.output_limit_bytes, vault=means.vault)
    try:
        sink.write(BEGIN)
        for end in ask_hosts(call, means, hosts, command=asked.command, most_at_once=options.max_parallel):
            asked.take(end)
            sink.write(f" {end.host.name}".encode())  # whoever follows sees how far it is
        sink.write(b"\n")
        for section in asked.sections():
            sink.write(section)
    finally:
        sink.close()
    return sink.judged(asked.outcome())
