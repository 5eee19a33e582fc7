"""What a step kind is.

A kind is two files beside this one. What a site may say of it: an `Options` class (pydantic, frozen, unknown keys
refused) and a `preview(options)` line; whoever reads a site imports all of these. And what it does, in a module that
an `InModule` names: a `run(call, means)` that answers with an Outcome or raises StepFailed. It stands in the table of
`kinds.py`. It never retries, reads no clock but `means.clock`, and writes of the ledger only what is so whatever
becomes of it: the dates that a place told, the copies that it made and removed. The runner does the rest.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Collection, Mapping
from types import ModuleType
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, ValidationError

from opsrunner.errors import StepFailed
from opsrunner.records import dataclass

if TYPE_CHECKING:
    from opsrunner.model.outcome import Outcome
    from opsrunner.steps.base import Means, StepCall


def describe_fault(exc: Exception) -> str:
    """Return what a module that cannot be imported says, on one line."""
    return f"{type(exc).__name__}: {exc}".replace("\n", " ")[:300]


class StepOptions(BaseModel):
    """Base of every kind's options."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


@dataclass(frozen=True)
class InModule:
    """The `run` of a module beside this one, which is imported for the first step that needs it, or before."""

    name: str

    def __call__(self, call: StepCall, means: Means) -> Outcome:
        try:
            module = self.module()
        except Exception as exc:  # of modules amid an installation anything may come
            told = f"opsrunner is not whole ({describe_fault(exc)}): install it anew, and start it again"
            raise StepFailed(told) from exc
        outcome: Outcome = module.run(call, means)
        return outcome

    def module(self) -> ModuleType:
        """Import the module, where nobody did."""
        return importlib.import_module(f"opsrunner.steps.{self.name}")


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One line of the table of kinds."""

    name: str
    summary: str
    """One sentence for the docs and the schema."""
    options: type[StepOptions]
    run: Callable[[StepCall, Means], Outcome] | None
    """None for what people do."""
    preview: Callable[[Any], str]
    """One line for `run --dry-run`: what would be done, secrets masked."""
    beside: bool = False
    """The kind's value is a plain value, put into `options` under the kind's name, and its other
    options stand beside it in the step; otherwise the value is a mapping that is `options`."""
    reads_only: bool = False
    """Running it twice changes nothing, unless one of `acts_with` is given."""
    acts_with: frozenset[str] = frozenset()
    """Options that change something elsewhere (a POST), in a kind that else only reads."""
    at_once: bool = False
    """It looks at everything at once by itself: `for_each` does not go with it."""
    writes_files: bool = True
    """It needs the run's folders: for its output, or to work in."""
    verbatim: frozenset[str] = frozenset()
    """Options whose text is never a template (shell strings, SQL)."""

    def get_ready(self) -> None:
        """Import what running a step needs."""
        if isinstance(self.run, InModule):
            self.run.module()

    def only_reads(self, options: Collection[str]) -> bool:
        """Tell whether a step with these options may be done again after a crash without asking."""
        return self.reads_only and self.acts_with.isdisjoint(options)

    def parse(self, options: Mapping[str, Any]) -> StepOptions:
        """Return rendered options as this kind's own class. Raises StepFailed, which names the first wrong one."""
        try:
            return self.options.model_validate(options)
        except ValidationError as exc:
            first = exc.errors(include_url=False, include_input=False)[0]
            where = ".".join(str(item) for item in (self.name, *first["loc"]))
            raise StepFailed(f"{where}: {first['msg']}", permanent=True) from exc
