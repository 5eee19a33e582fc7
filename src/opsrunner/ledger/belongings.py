"""Which tables hold what a routine's steps and looks left: it moves with its name, and goes when it is forgotten."""

from __future__ import annotations

from collections.abc import Mapping

LEFT_BY_ROUTINES: Mapping[str, str] = {
    "findings": "id",
    "causes": "routine, step, cause",
    "examinations": "routine, step, host, cause",
    "samples": "routine, step, host, subject, hour",
    "host_facts": "routine, step, host",
    "ticket_states": "routine, step, ticket",
    "ticket_looks": "routine, step",
    "seen_rows": "routine, step, digest",
    "known_rows": 'routine, "key"',
    "looks": "routine",
    "foreign_backups": 'routine, step, "key"',
    "foreign_drills": "id",
}
"""Each table with its key. Its column `routine` has the routine's id."""
OF_THEIR_OWN = ("runs", "tasks", "holds", "copies")
"""Tables with a column `routine` whose rows live by rules of their own, and move with the name all the same."""
