"""The step kind `ask`: one command on many hosts, their answers held against each other, the odd ones found."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, field_validator, model_validator

from opsrunner.steps.audit_options import AuditOptions
from opsrunner.steps.fields import ExitCode, one_or_many
from opsrunner.steps.kind import InModule, Kind
from opsrunner.steps.output import printable

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


def preview(options: Options) -> str:
    """Return the whole command, and where it would run."""
    hosts = options.hosts if isinstance(options.hosts, str) else ", ".join(options.hosts)
    return f"on {hosts}, and hold the answers against each other: {printable(options.run).strip()}"


run = InModule("ask_all")

KIND = Kind(
    name="ask",
    summary="Run a command on hosts, hold their answers against each other, and find the odd ones.",
    options=Options,
    run=run,
    preview=preview,
    at_once=True,
    verbatim=frozenset({"run", "expect"}),
)
