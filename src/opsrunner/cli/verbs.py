"""The one table of verbs: where each lies, and its line in the help. A verb is imported when it is called."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Verb(NamedTuple):
    """One line of the table. `place` is `module:function` below `opsrunner.cli`."""

    place: str
    summary: str


SECTIONS: Mapping[str, Mapping[str, Verb]] = {
    "Start": {
        "init": Verb(place="init:init", summary="Write a new site, with comments, into a folder."),
        "try": Verb(place="trial:try_site", summary="Run every routine of the site once, beside the real state."),
        "check": Verb(place="check:check", summary="Say every mistake in the site's files, or that there is none."),
        "serve": Verb(place="serve:serve", summary="Keep the routines: plan, run, open tasks, send digests."),
    },
    "Work": {
        "tasks": Verb(place="tasks:tasks", summary="Show the open tasks, the late ones first."),
        "tick": Verb(place="tick:tick", summary="Mark a task: done, not applicable, could not."),
        "task": Verb(place="task:task", summary="Add a task, claim it, hand it over, undo a tick, show it."),
        "note": Verb(place="note:note", summary="Leave a note for the next shift, or read the last ones."),
        "digest": Verb(place="digest:digest", summary="Show the digest as it stands now; send it, or keep it as HTML."),
    },
    "Time": {
        "next": Verb(place="next:next_times", summary="Show when a routine, or a cron expression, is due."),
        "calendar": Verb(place="calendar:calendar", summary="Show all that is due in a period, with its tasks."),
        "maintenance": Verb(
            place="maintenance:maintenance", summary="Show maintenance windows; start, end and move them."
        ),
        "incident": Verb(place="incident:incident", summary="Open an incident, say how it stands, end it."),
        "pause": Verb(place="holds:pause", summary="Leave a routine out until a day; it resumes by itself."),
        "resume": Verb(place="holds:resume", summary="End a pause now."),
        "skip": Verb(place="holds:skip", summary="Leave out one due time of a routine."),
    },
    "Runs": {
        "run": Verb(place="run:run", summary="Run a routine by hand now, or show what it would do."),
        "runs": Verb(place="runs:runs", summary="Show the last runs."),
        "show": Verb(place="runs:show", summary="Show one run: its steps, hosts, rows, tasks and reasons."),
        "logs": Verb(place="logs:logs", summary="Show what the steps of a run wrote."),
        "cancel": Verb(place="run:cancel", summary="Stop a run that goes on or waits."),
    },
    "House": {
        "doctor": Verb(place="doctor:doctor", summary="Look after rights, clock, mail, keys, files and disk."),
        "backups": Verb(place="backups:backups", summary="Show the copies; prove, restore, thin out, adopt them."),
        "backup-state": Verb(
            place="backup_state:backup_state", summary="Copy the ledger itself, or put a copy in its place."
        ),
        "ask": Verb(place="ask:ask", summary="Ask many hosts one thing at once, and see who answers otherwise."),
        "hosts": Verb(place="hosts:hosts", summary="Show the hosts; say what they need; trust their keys."),
        "findings": Verb(
            place="findings:findings", summary="Show what the audits found on the hosts and still stands."
        ),
        "accept": Verb(place="findings:accept", summary="Let a finding stand until a day, with a reason."),
        "notices": Verb(
            place="notices:notices", summary="Show what customers will be told, to whom and when; suppress addresses."
        ),
        "person": Verb(place="person:person", summary="Show who holds what; enter leave, swaps and cover."),
    },
}

VERBS: Mapping[str, Verb] = {name: verb for section in SECTIONS.values() for name, verb in section.items()}
