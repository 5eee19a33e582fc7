"""The step kind `restore_drill`: something of a copy is restored into a scratch folder and compared."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import Field, PlainValidator, WithJsonSchema, field_validator, model_validator

from opsrunner.steps.fields import Secret, one_or_many
from opsrunner.steps.kind import InModule, Kind, StepOptions
from opsrunner.steps.output import printable

_OF = re.compile(r"(?:[a-z0-9][a-z0-9-]*/)?[a-z][a-z0-9_-]*\Z")
_MOST_FILES = 1_000_000
_SAMPLE_SCHEMA = {"anyOf": [{"type": "integer", "minimum": 1, "maximum": _MOST_FILES}, {"const": "all"}]}


def _read_sample(value: object) -> int | str:
    is_count = isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= _MOST_FILES
    if not is_count and value != "all":
        raise ValueError(f"must be a number of files, up to {_MOST_FILES:,}, or all")
    return value  # type: ignore[return-value]


class Options(StepOptions):
    """What stands in `restore_drill:`."""

    of: str
    """The step whose copies are meant, a backup or a backup_check: its id in the same routine, or `routine/step`."""
    with_: str = Field(default="", alias="with")
    """A command of this machine that restores what another tool made: `$OPS_COPY` of `$OPS_KEY` into `$OPS_RESTORED`.

    What lies in a store is fetched first, and `$OPS_COPY` is the file or folder here; else it is its name there.
    """
    store: str = ""
    """The store to restore from. Default: of those that have the newest copy, the one tried the longest ago."""
    which: Literal["newest", "random"] = "newest"
    """`random`: one of the older copies that are not damaged, so that these are proven too."""
    sample: Annotated[int | str, PlainValidator(_read_sample), WithJsonSchema(_SAMPLE_SCHEMA)] = 20
    """How many files, by chance; or `all`: the whole copy."""
    must_include: tuple[str, ...] = ()
    """Paths, folders or patterns of which each has to be in the copy, and is always restored."""
    identity: Secret | None = None
    """The secret key of age that opens an encrypted copy."""
    then: str | tuple[str, ...] = ()
    """A command that has to go well afterwards; `$OPS_RESTORED` is the scratch folder."""

    @field_validator("of")
    @classmethod
    def _is_step(cls, value: str) -> str:
        if not _OF.match(value):
            raise ValueError(f"'{value[:60]}' is neither the id of a step nor routine/step")
        return value

    @model_validator(mode="after")
    def _is_ours_or_theirs(self) -> Options:
        beside = self.model_fields_set & {"store", "which", "sample", "identity"}
        if self.with_ and beside:
            raise ValueError(f"{min(beside)} is for copies of ours; what 'with' restores, its command says")
        return self

    @field_validator("must_include", mode="before")
    @classmethod
    def _several(cls, value: object) -> object:
        return one_or_many(value)


def preview(options: Options) -> str:
    """Return what would be restored."""
    if options.with_:
        return f"restore one of {options.of} by {printable(options.with_).strip()}"
    how = "everything" if options.sample == "all" else f"{options.sample} files"
    return f"restore {how} of {'the newest' if options.which == 'newest' else 'any'} copy of {options.of}, and compare"


run = InModule("drill_run")

KIND = Kind(
    name="restore_drill",
    summary="Restore something of a copy into a scratch folder, and compare it with what was copied.",
    options=Options,
    run=run,
    preview=preview,
    reads_only=True,
    acts_with=frozenset({"then", "with"}),
    verbatim=frozenset({"then", "with"}),
)
