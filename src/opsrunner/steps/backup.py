"""The step kind `backup`: paths or a command's output into a store, in one pass, and the proof that it arrived."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from typing import Annotated, Literal, TypeAlias

from pydantic import Field, field_validator, model_validator

from opsrunner.model.backup import Keep
from opsrunner.model.outcome import StepStatus
from opsrunner.steps.fields import Seconds, one_or_many
from opsrunner.steps.kind import InModule, Kind, StepOptions
from opsrunner.steps.output import printable

Count: TypeAlias = Annotated[int, Field(ge=0, le=10_000, strict=True)]
Judgement: TypeAlias = Literal["fail", "warn", "fine"]
JUDGED: Mapping[Judgement, StepStatus] = {
    "fail": StepStatus.FAILED,
    "warn": StepStatus.WARNING,
    "fine": StepStatus.SUCCEEDED,
}
"""What a judgement makes of a step."""

_PUBLIC_KEY = re.compile(r"age1[a-z0-9]{50,70}\Z")


class KeepOptions(StepOptions):
    """How many copies stay: the newest `last`, and the newest of each of so many days, weeks, months and years."""

    last: Count = 0
    daily: Count = 0
    weekly: Count = 0
    monthly: Count = 0
    yearly: Count = 0

    def to_keep(self) -> Keep:
        """Return it as a plain value."""
        return Keep(**{name: getattr(self, name) for name in type(self).model_fields})


class CompressOptions(StepOptions):
    """How zstd compresses."""

    level: Annotated[int, Field(ge=1, le=19, strict=True)] = 3
    threads: Annotated[int, Field(ge=1, le=32, strict=True)] = 2


class DoubtOptions(StepOptions):
    """What becomes of a copy that something speaks against."""

    changed: Judgement = "fail"
    """Files changed, shrank or went while they were read."""
    unreadable: Judgement = "fail"
    """Files could not be read."""
    small: Judgement = "warn"
    """It is smaller than half the median of the last five."""
    empty: Judgement = "fail"
    """There is nothing in it."""


class Options(StepOptions):
    """What stands in `backup:`."""

    paths: tuple[str, ...] = ()
    """Files and folders, with `*`, `?` and `[…]`; relative to the site, on a host to `/`."""
    from_: str | tuple[str, ...] = Field(default=(), alias="from")
    """A command whose output is copied instead: a list of arguments or a shell string."""
    as_: str = Field(default="dump", alias="as", pattern=r"^[A-Za-z0-9_][A-Za-z0-9._-]*$")
    """What the output of `from` is called: `billing.sql`."""
    expect_end: str = ""
    """Text that the end of the output of `from` has, if nothing is missing: `Dump completed`."""
    state: bool = Field(default=False, strict=True)
    """The ledger of opsrunner itself is copied instead, as `ledger.db`, while it is in use."""
    host: str = "local"
    """A host of the inventory: it is read over SSH, and nothing lies on our disk."""
    exclude: tuple[str, ...] = ()
    """Patterns of tar for what is left out."""
    one_file_system: bool = False
    to: str = Field(min_length=1)
    """A store of the site."""
    also_to: tuple[str, ...] = ()
    """More stores that get it in the same pass."""
    encrypt_to: tuple[str, ...] = ()
    """Public keys of age: whoever has the secret key of one of them can read the copy, and we need none."""
    keep: KeepOptions = KeepOptions()
    compress: CompressOptions = CompressOptions()
    verify: Literal["received", "listing", "full"] = "received"
    """`listing`: its index is read back as well; `full`: every byte is fetched and hashed again."""
    doubt: DoubtOptions = DoubtOptions()
    restored_within: Seconds | None = None
    """How long it may be since something of it was last restored; later, the digest says so."""

    @field_validator("paths", "exclude", "also_to", "encrypt_to", mode="before")
    @classmethod
    def _several(cls, value: object) -> object:
        return one_or_many(value)

    @field_validator("encrypt_to")
    @classmethod
    def _are_public_keys(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for key in value:
            if key.startswith("AGE-SECRET-KEY"):
                raise ValueError("is a secret key of age; give the public one, which begins with age1")
            if not _PUBLIC_KEY.match(key):
                raise ValueError(f"'{key[:20]}' is no public key of age; give what `age-keygen -y` prints: age1…")
        return value

    @model_validator(mode="after")
    def _one_source(self) -> Options:
        given = [name for name, value in (("paths", self.paths), ("from", self.from_), ("state", self.state)) if value]
        if len(given) > 1:
            raise ValueError(f"has {' and '.join(given)}; a step makes one copy, of one of them")
        if not given:
            raise ValueError("needs paths, from or state: what is to be copied")
        if len({path.startswith("/") for path in self.paths if not path.startswith("{")}) > 1:
            raise ValueError("has absolute and relative paths; make two steps of them")
        if not self.paths and (self.exclude or self.one_file_system):
            raise ValueError("exclude and one_file_system go with paths")
        if not self.from_ and (self.expect_end or self.as_ != "dump"):
            raise ValueError("as and expect_end go with from")
        if self.state and self.host != "local":
            raise ValueError("state is of this machine, and has no host")
        if self.to in self.also_to or len(set(self.also_to)) < len(self.also_to):
            raise ValueError("each store stands in to and also_to once")
        return self

    @property
    def what(self) -> str:
        """What is copied, in words."""
        if self.state:
            return "the ledger of opsrunner"
        if self.paths:
            where = "" if self.host == "local" else f"{self.host}:"
            return where + ", ".join(self.paths)
        command = self.from_ if isinstance(self.from_, str) else shlex.join(self.from_)
        return f"{self.as_} of {printable(command).strip()}" + ("" if self.host == "local" else f" on {self.host}")


STATE_NAME = "ledger.db"
"""What a copy of the ledger is called."""


def preview(options: Options) -> str:
    """Return what would be copied where."""
    return f"copy {options.what} to {', '.join((options.to, *options.also_to))}"


run = InModule("backup_run")

KIND = Kind(
    name="backup",
    summary="Copy files, or what a command writes, into a store, and prove that it arrived.",
    options=Options,
    run=run,
    preview=preview,
    verbatim=frozenset({"from"}),
)
