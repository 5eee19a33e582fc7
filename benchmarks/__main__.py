"""`make bench`: measure every topic beside its peers, print the figures, end with 1 where a bound is broken.

python -m benchmarks            all topics
python -m benchmarks ledger     one of them
"""

from __future__ import annotations

import argparse
import importlib
import json
import platform
import sys
from dataclasses import asdict

from benchmarks.measure import Figure

TOPICS: tuple[str, ...] = (
    "starts",
    "processes",
    "schedules",
    "site_files",
    "verbs",
    "idle",
    "ledger",
    "ledger_writes",
    "outbox",
    "page",
    "page_followers",
    "backup",
    "backup_large",
    "fleet",
    "feeds",
    "renewals",
)
"""One module each; its `figures()` yields what it measured."""


def main(arguments: list[str]) -> int:
    """Measure the topics named (all, without) and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=f"The topics: {', '.join(TOPICS)}.")
    parser.add_argument("topics", nargs="*", metavar="TOPIC", help="what to measure; everything, where none is named")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    given = parser.parse_args(arguments)
    as_json, wanted = given.json, given.topics or list(TOPICS)
    if unknown := [topic for topic in wanted if topic not in TOPICS]:
        parser.error(f"there is no benchmark {unknown[0]}; there are: {', '.join(TOPICS)}")
    print(f"{platform.machine()}, Python {platform.python_version()}", file=sys.stderr)
    found: list[Figure] = []
    for topic in wanted:
        for figure in importlib.import_module(f"benchmarks.{topic}").figures():
            found.append(figure)
            print(figure.line(), file=sys.stderr if as_json else sys.stdout, flush=True)
    if as_json:
        print(json.dumps([{**asdict(figure), "is_within": figure.is_within} for figure in found], indent=1))
    over = [figure.name for figure in found if not figure.is_within]
    print(f"{len(found)} figures, {len(over)} beyond their bound{': ' if over else ''}{', '.join(over)}")
    return 1 if over else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
