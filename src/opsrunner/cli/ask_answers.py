"""The answers to a question, as the terminal shows them: the odd ones first, the silent ones, the big group last."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from opsrunner.cli.screen import SIGNS, Screen
from opsrunner.engine.status_words import reason_words, status_word, tone_of
from opsrunner.model.outcome import Outcome, Part
from opsrunner.model.run import Run
from opsrunner.steps.ask_answers import shown_hosts

if TYPE_CHECKING:
    from opsrunner.open_site import OpenSite

MOST_HOSTS = 12
MOST_LINES = 10
LONGEST_LINE = 200


def show_answers(screen: Screen, app: OpenSite, run: Run) -> None:
    """Print what came of a question."""
    outcome = next((record.outcome for record in app.books.steps.of_run(run.id) if record.outcome), None)
    tone = tone_of(run.status.value)
    if outcome is None or "answers" not in outcome.facts:
        why = f": {outcome.message}" if outcome else f" ({reason_words(run.reason)})" if run.reason else ""
        screen.line(f"Run {run.id}: {status_word(run.status.value)}{why}.", tone=tone, sign=True)
        return
    screen.heading(outcome.message.partition("; ")[0])
    groups: Sequence[Mapping[str, Any]] = outcome.facts["answers"]
    hosts = _hosts(outcome)
    for group in groups:
        if group["is_odd"]:
            _show_group(screen, group, hosts)
    for part in outcome.parts:
        if part.status.is_bad or "group" not in part.facts:
            _show_silent(screen, part)
    for group in groups:
        if not group["is_odd"]:
            _show_group(screen, group, hosts)
    screen.line()
    left_out = outcome.facts["groups"] - len(groups)
    more = f"{left_out} more answers and all of their text" if left_out else "All of their text"
    screen.line(f"{more}: opsrunner logs {run.id}", dim=True)
    for task in app.books.tasks.opened(routine=app.books.runs.get(run.id).routine):
        screen.line(f"Task {task.id}: {task.title}", tone="live", sign=True)


def _hosts(outcome: Outcome) -> Mapping[int, list[str]]:
    found: dict[int, list[str]] = {}
    for part in outcome.parts:
        if "group" in part.facts:
            found.setdefault(part.facts["group"], []).append(part.key)
    return found


def _show_group(screen: Screen, group: Mapping[str, Any], hosts: Mapping[int, list[str]]) -> None:
    screen.line()
    names = shown_hosts(hosts.get(group["group"], []), most=MOST_HOSTS)
    ended = f"  exit code {group['exit_code']}"
    is_odd = group["is_odd"]
    screen.line(f"{SIGNS['look' if is_odd else 'fine']} {names}{ended}", tone="look" if is_odd else None)
    lines = str(group["text"]).split("\n") if group["text"] else ["(it said nothing)"]
    for line in lines[:MOST_LINES]:
        screen.line(f"    {line[:LONGEST_LINE]}".rstrip())
    if len(lines) > MOST_LINES:
        screen.line(f"    … and {len(lines) - MOST_LINES} lines more", dim=True)


def _show_silent(screen: Screen, part: Part) -> None:
    screen.line()
    screen.line(f"{SIGNS['failed']} {part.key}  {status_word(part.status.value)}", tone="failed")
    if part.message:
        screen.line(f"    {part.message}")
