"""The step kind `run`: a command on this machine, as a list of arguments or as a shell string."""

from __future__ import annotations

import shlex
from typing import Any, Literal

from pydantic import field_validator, model_validator

from opsrunner.steps.fields import ExitCode
from opsrunner.steps.kind import InModule, Kind, StepOptions
from opsrunner.steps.output import printable


class Options(StepOptions):
    """What stands beside `run:`. A list is started as it is; a string goes to `bash -o pipefail -c`."""

    run: str | tuple[str, ...]
    cwd: str = ""
    """Folder to start in, relative to the site; empty: the site."""
    stdin: str = ""
    """Text for standard input; without it there is none."""
    user: str = ""
    """OS user to run as; another one than our own needs root."""
    ok_codes: tuple[ExitCode, ...] = (0,)
    warn_codes: tuple[ExitCode, ...] = ()
    preset: Literal["restic", "borg", "rsync"] | None = None
    """Which exit codes of this tool are warnings."""

    @field_validator("run", mode="before")
    @classmethod
    def _is_command(cls, value: Any) -> Any:
        if isinstance(value, str):
            if not value.strip():
                raise ValueError("the command is empty")
            return value
        if not isinstance(value, (list, tuple)):
            raise ValueError("a command is a shell string or a list of arguments")  # noqa: TRY004 (pydantic reports ValueError only)
        if not value or value[0] == "":
            raise ValueError("the command is empty")
        return tuple(_argument(item) for item in value)

    @model_validator(mode="after")
    def _codes_are_apart(self) -> Options:
        both = sorted(set(self.ok_codes) & set(self.warn_codes))
        if both:
            raise ValueError(f"exit code {both[0]} stands in ok_codes and in warn_codes; keep one")
        return self


def preview(options: Options) -> str:
    """Return the whole command, and as whom it would run."""
    command = options.run if isinstance(options.run, str) else shlex.join(options.run)
    who = f" (as {options.user})" if options.user else ""
    return printable(command).strip() + who


def _argument(item: Any) -> str:
    if isinstance(item, str):
        return item
    if isinstance(item, int) and not isinstance(item, bool):
        return str(item)
    raise ValueError(f"an argument is text: put quotes around {item!r}")


run = InModule("run_command")

KIND = Kind(
    name="run",
    summary="Run a command on this machine.",
    options=Options,
    run=run,
    preview=preview,
    beside=True,
    verbatim=frozenset({"run"}),
)
