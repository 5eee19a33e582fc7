"""What a step answers, without the secrets that are known by then: the one gate on the way to the ledger."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from opsrunner.errors import StepFailed
from opsrunner.model.outcome import Outcome
from opsrunner.secrets import MASK, Vault

_ADDRESS = re.compile(r"([^\s<>@,;:\"'()\[\]])[^\s<>@,;:\"'()\[\]]*@([^\s<>@,;:\"'()\[\]]+)")


def mask_outcome(outcome: Outcome, vault: Vault) -> Outcome:
    """Return `outcome` with every known secret masked in its message, rows, facts and parts."""
    if vault.is_empty:
        return outcome
    mask = vault.mask
    parts = tuple(
        replace(part, key=mask(part.key), message=mask(part.message), facts=_masked(part.facts, mask))
        for part in outcome.parts
    )
    rows = tuple(_masked(row, mask) for row in outcome.rows)
    return replace(outcome, message=mask(outcome.message), rows=rows, facts=_masked(outcome.facts, mask), parts=parts)


def mask_failure(failure: StepFailed, vault: Vault) -> StepFailed:
    """Return `failure` with every known secret masked in its message and facts."""
    return StepFailed(
        vault.mask(failure.message),
        permanent=failure.permanent,
        status=failure.status,
        facts=_masked(failure.facts, vault.mask),
    )


def mask_addresses(text: str) -> str:
    """Return a text in which of each mail address only the first letter and the domain stand: `o…@example.com`."""
    return _ADDRESS.sub(r"\1…@\2", text)


def _masked(value: Any, mask: Callable[[str], str]) -> Any:
    """Return a plain value with its texts masked; a number that is a secret becomes the mask."""
    if isinstance(value, str):
        return mask(value)
    if isinstance(value, Mapping):
        return {mask(str(name)): _masked(inner, mask) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_masked(inner, mask) for inner in value]
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return MASK if is_number and mask(str(value)) == MASK else value
