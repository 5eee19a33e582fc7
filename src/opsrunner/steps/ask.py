"""The step kind `ask`: one command on many hosts, their answers held against each other, the odd ones found."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, field_validator, model_validator

from opsrunner.model.outcome import Outcome
from opsrunner.steps.ask_run import Asked
from opsrunner.steps.audit_options import AuditOptions
from opsrunner.steps.base import Kind, Means, StepCall
from opsrunner.steps.fan_out import ask_hosts, select_hosts
from opsrunner.steps.fields import ExitCode, one_or_many
from opsrunner.steps.output import OutputSink, printable

BEGIN = b"back from:"
"""The output begins with it, and with the names of the hosts as they come back, all in one line."""


class Options(AuditOptions):
    """What stands in `ask:`."""

    run: str
    """The command, for the host's shell."""
    expect: str | None = None
    """A right answer holds this text."""
    exit: Annotated[
        tuple[ExitCode, ...], BeforeValidator(one_or_many, json_schema_input_type=ExitCode | tuple[ExitCode, ...])
    ] = ()
    """A right answer ends with this exit code, or one of these."""

    @field_validator("run", "expect")
    @classmethod
    def _is_there(cls, value: str | None) -> str | None:
        if value is not None and not value.strip():
            raise ValueError("is empty")
        return value

    @model_validator(mode="after")
    def _expects_one_thing(self) -> Options:
        if self.expect is not None and self.exit:
            raise ValueError("expect and exit do not go together; keep one")
        return self


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


def preview(options: Options) -> str:
    """Return the whole command, and where it would run."""
    hosts = options.hosts if isinstance(options.hosts, str) else ", ".join(options.hosts)
    return f"on {hosts}, and hold the answers against each other: {printable(options.run).strip()}"


KIND = Kind(
    name="ask",
    summary="Run a command on hosts, hold their answers against each other, and find the odd ones.",
    options=Options,
    run=run,
    preview=preview,
    at_once=True,
    verbatim=frozenset({"run", "expect"}),
)
