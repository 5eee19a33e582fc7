"""The step kind `ssh`: one command on many hosts, each judged by itself."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, field_validator, model_validator

from opsrunner.steps.fields import ExitCode
from opsrunner.steps.kind import InModule, Kind, StepOptions
from opsrunner.steps.output import printable


class Options(StepOptions):
    """What stands in `ssh:`."""

    hosts: str | Annotated[tuple[str, ...], Field(min_length=1)]
    """Name of a host or of a group, several of them, or `all`: every host but `local`."""
    run: str
    """The command, for the host's shell."""
    max_parallel: int = Field(default=10, ge=1, le=100, strict=True)
    ok_codes: tuple[ExitCode, ...] = (0,)
    warn_codes: tuple[ExitCode, ...] = ()

    @field_validator("run")
    @classmethod
    def _is_command(cls, value: str) -> str:
        if not value.strip():
            raise ValueError("the command is empty")
        return value

    @model_validator(mode="after")
    def _codes_are_apart(self) -> Options:
        both = sorted(set(self.ok_codes) & set(self.warn_codes))
        if both:
            raise ValueError(f"exit code {both[0]} stands in ok_codes and in warn_codes; keep one")
        return self


def preview(options: Options) -> str:
    """Return the whole command, and where it would run."""
    hosts = options.hosts if isinstance(options.hosts, str) else ", ".join(options.hosts)
    return f"on {hosts}: {printable(options.run).strip()}"


run = InModule("ssh_run")

KIND = Kind(
    name="ssh",
    summary="Run a command on hosts, each judged by itself.",
    options=Options,
    run=run,
    preview=preview,
    verbatim=frozenset({"run"}),
)
