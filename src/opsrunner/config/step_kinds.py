"""Tells of which kind a step is, by its keys, and how it is called."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from opsrunner.config.mistakes import did_you_mean
from opsrunner.config.positions import Path
from opsrunner.config.report import Report
from opsrunner.config.step_keys import SHARED, keys_of, known_beside
from opsrunner.steps.kind import Kind
from opsrunner.steps.kinds import KINDS

ALL_KINDS = ", ".join(KINDS)
_BESIDE_OPTIONS = frozenset(name for kind in KINDS.values() if kind.beside for name in keys_of(kind))


def kind_of(raw: Any, path: Path, report: Report) -> Kind | None:
    """Return the kind of the step at `path`; two, none or an unknown one is a mistake."""
    if not isinstance(raw, dict):
        report.add(path, "a step must be a mapping", f"such as '- run: …'; the kinds are {ALL_KINDS}")
        return None
    named = [key for key in raw if key in KINDS]
    if len(named) == 1:
        return KINDS[named[0]]
    if named:
        report.add(path, f"has two kinds ({', '.join(named)})", f"a step has one; the kinds are {ALL_KINDS}")
    else:
        _report_no_kind(raw, path, report)
    return None


def ids_of(raw_steps: Sequence[Any], kinds: Sequence[Kind | None], report: Report) -> list[str | None]:
    """Return every step's id: as given, else its kind, numbered from the second use. None where unknown."""
    given = [_given_id(raw) for raw in raw_steps]
    _report_taken(given, report)
    taken = {id_ for id_ in given if id_}
    uses: dict[str, int] = {}
    ids: list[str | None] = []
    for own, kind in zip(given, kinds, strict=True):
        ids.append(own or (_next_id(kind.name, uses, taken) if kind else None))
    return ids


def report_unknown_beside(step: Mapping[str, Any], kind: Kind, path: Path, report: Report) -> None:
    """Note the keys of the step at `path` that may not stand beside its kind."""
    known = known_beside(kind)
    if known.issuperset(step):
        return
    own = keys_of(kind)
    for key in step:
        if key in known:
            continue
        if report.is_full():
            break
        if key in own:
            report.add((*path, key), f"stands beside {kind.name}", f"put it into {kind.name}: {{…}}", on_key=True)
        else:
            report.add(
                (*path, key), "unknown key", did_you_mean(key, sorted(known if kind.beside else SHARED)), on_key=True
            )


def report_shared_inside(options: Mapping[str, Any], kind: Kind, path: Path, report: Report) -> None:
    """Note the shared keys that stand in the options at `path` instead of beside the kind."""
    if SHARED.isdisjoint(options):
        return
    for key in options:
        if key in SHARED and key not in keys_of(kind):
            hint = f"put it beside {kind.name}, with the same indentation"
            report.add((*path, key), f"stands inside {kind.name}", hint, on_key=True)


def _report_no_kind(raw: dict[str, Any], path: Path, report: Report) -> None:
    strange = [key for key in raw if key not in SHARED and key not in _BESIDE_OPTIONS]
    if not strange:
        report.add(path, "has no kind", f"the kinds are {ALL_KINDS}")
        return
    guess = did_you_mean(strange[0], KINDS)
    hint = f"{guess} The kinds are {ALL_KINDS}".strip() if guess else f"the kinds are {ALL_KINDS}"
    report.add((*path, strange[0]), "unknown step kind", hint, on_key=True)


def _given_id(raw: Any) -> str | None:
    given = raw.get("id") if isinstance(raw, dict) else None
    return given if isinstance(given, str) else None


def _report_taken(given: Sequence[str | None], report: Report) -> None:
    seen: set[str] = set()
    for at, id_ in enumerate(given):
        if id_ is not None and id_ in seen:
            report.add(("steps", at, "id"), f"the id '{id_}' is taken by a step above")
        seen.add(id_ or "")


def _next_id(kind: str, uses: dict[str, int], taken: set[str]) -> str:
    while True:
        uses[kind] = uses.get(kind, 0) + 1
        id_ = kind if uses[kind] == 1 else f"{kind}-{uses[kind]}"
        if id_ not in taken:
            return id_
