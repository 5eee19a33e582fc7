"""The step kind `backup_check`: what another tool should have backed up, against what lies there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from opsrunner.errors import ConfigurationError
from opsrunner.schedules.zones import load_zone
from opsrunner.steps.backup import Judgement
from opsrunner.steps.fields import Bytes, Seconds, one_or_many
from opsrunner.steps.key_pattern import KEY, KeyPattern
from opsrunner.steps.kind import InModule, Kind, StepOptions
from opsrunner.steps.output import printable

PLACES = ("store", "folder", "restic", "borg")


class ExpectOptions(StepOptions):
    """Where the list of what should have a backup comes from: one of source, rows, hosts and names."""

    source: str = ""
    """A source of the site."""
    where: Mapping[str, Any] = Field(default_factory=dict)
    """Which of its rows, as a query says it."""
    rows: str = ""
    """An expression that gives rows: `steps.accounts.rows`."""
    column: str = ""
    """The column of those rows that names the account, host or database."""
    since: str = ""
    """The column that says when it came to be: what is younger than `fresh_within` needs no backup yet."""
    hosts: tuple[str, ...] = ()
    """Hosts and groups of the inventory, or `all`."""
    names: tuple[str, ...] = ()
    """The names themselves."""

    @field_validator("hosts", "names", mode="before")
    @classmethod
    def _several(cls, value: object) -> object:
        return one_or_many(value)

    @field_validator("names")
    @classmethod
    def _are_names(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not all(name and name.isprintable() for name in value):
            raise ValueError("holds a name that is empty, or no text of one line")
        return value

    @model_validator(mode="after")
    def _one_list(self) -> ExpectOptions:
        given = [name for name in ("source", "rows", "hosts", "names") if getattr(self, name)]
        if len(given) != 1:
            raise ValueError("needs one of source, rows, hosts and names: what should have a backup")
        if given[0] in ("source", "rows") and not self.column:
            raise ValueError("needs column: which one names the account, host or database")
        if given[0] in ("hosts", "names") and (self.column or self.since):
            raise ValueError("column and since go with source or rows")
        if self.where and not self.source:
            raise ValueError("where goes with source")
        return self


class GapOptions(StepOptions):
    """What becomes of the step where something is wrong."""

    missing: Judgement = "fail"
    stale: Judgement = "fail"
    empty: Judgement = "fail"
    small: Judgement = "warn"


class Options(StepOptions):
    """What stands in `backup_check:`."""

    expect: ExpectOptions
    """What should have a backup; a list is a list of names."""
    store: str = ""
    """A store of the site, in which the other tool's files or objects lie."""
    folder: str = ""
    """Or a folder of `host`, looked through with find over SSH."""
    restic: str = ""
    """Or the command that lists restic's snapshots: `restic snapshots --json`."""
    borg: str = ""
    """Or the command that lists borg's archives: `borg list --json`; `borg info --json` tells sizes too."""
    host: str = "local"
    """Where that folder lies, or that command runs."""
    name: str = ""
    """What a backup is called, with {key} for whose it is: `*/accounts/{key}.tar.gz`."""
    by: Literal["host", "path", "tag"] = "host"
    """What of a snapshot of restic says whose it is."""
    as_root: bool = Field(default=False, strict=True)
    """Look through the folder with `sudo -n`."""
    timezone: str = ""
    """Of the times that borg writes. Default: the site's."""
    fresh_within: Seconds = 26 * 3600
    """How old the newest may be."""
    at_least: Bytes = 0
    """How small the newest may be, beside half the median of the five before it."""
    gaps: GapOptions = GapOptions()
    restored_within: Seconds | None = None
    """How long it may be since one of them was last restored; later, the digest says so."""

    @field_validator("expect", mode="before")
    @classmethod
    def _names(cls, value: object) -> object:
        return {"names": value} if isinstance(value, str | list | tuple) else value

    @field_validator("timezone")
    @classmethod
    def _is_zone(cls, value: str) -> str:
        try:
            return load_zone(value).key if value else ""
        except ConfigurationError as exc:
            raise ValueError(exc.message) from exc

    @model_validator(mode="after")
    def _one_place(self) -> Options:
        given = [name for name in PLACES if getattr(self, name).strip()]
        if len(given) != 1:
            raise ValueError(f"needs one of {', '.join(PLACES)}: where the backups lie")
        if not self.name and self.restic:
            object.__setattr__(self, "name", KEY)
        if not self.name:
            raise ValueError("needs name: what a backup is called, such as */accounts/{key}.tar.gz")
        if self.store and self.host != "local":
            raise ValueError("a store has a host of its own; leave host out")
        if self.as_root and not self.folder:
            raise ValueError("as_root goes with folder; a command says sudo itself")
        if self.folder and not self.folder.startswith("/"):
            raise ValueError(f"'{self.folder[:80]}' is no absolute path")
        if not self.command and self.name.startswith("/"):
            raise ValueError("name is a path below the place, such as */accounts/{key}.tar.gz")
        if not self.command and any("/" in name for name in self.expect.names):
            raise ValueError("expects a name with '/', which no file or object can bear")
        if self.timezone and not self.borg:
            raise ValueError("timezone goes with borg; others say it with their times")
        KeyPattern(self.name)
        return self

    @property
    def pattern(self) -> KeyPattern:
        """What a backup is called."""
        return KeyPattern(self.name)

    @property
    def command(self) -> str:
        """The command that lists what there is; '' where a store or a folder is looked through."""
        return self.restic or self.borg

    @property
    def place(self) -> str:
        """Where the backups lie, in words."""
        where = "" if self.host == "local" else f"{self.host}:"
        return self.store or (f"{where}{self.folder}" if self.folder else f"{where}{printable(self.command).strip()}")


def preview(options: Options) -> str:
    """Return what would be looked for where."""
    expect = options.expect
    what = expect.source or expect.rows or ", ".join(expect.hosts or expect.names)
    return f"look for a backup of each of {what} in {options.place}, called {options.name}"


run = InModule("backup_check_run")

KIND = Kind(
    name="backup_check",
    summary="Compare what other tools should have backed up with what lies there: missing, stale, small.",
    options=Options,
    run=run,
    preview=preview,
    reads_only=True,
    at_once=True,
    verbatim=frozenset({"restic", "borg"}),
)
