"""A new site for a real company: the commented settings, and the library's routines and checklists."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import get_args

from opsrunner.config.json_schema import SchemaName, schema_of
from opsrunner.errors import Refused
from opsrunner.packaged import library

STARTER = Path(__file__).resolve().parent / "starter"
WAITING_FOR_DATA = frozenset(
    {
        "abuse.yaml",
        "books.yaml",
        "bounces.yaml",
        "community-weekly.yaml",
        "community.yaml",
        "disputes.yaml",
        "feedback.yaml",
        "letters.yaml",
        "licences.yaml",
        "long-problems.yaml",
        "maintenance-eve.yaml",
        "new-orders.yaml",
        "offer.yaml",
        "order-intake.yaml",
        "others-backups.yaml",
        "others-drill.yaml",
        "overnight-orders.yaml",
        "partner-desk.yaml",
        "partner-scorecard.yaml",
        "repeat-tickets.yaml",
        "renewals.yaml",
        "retention.yaml",
        "rewards.yaml",
        "support-quality.yaml",
        "support-queue.yaml",
        "support-shift.yaml",
    }
)
"""Routines that are nothing without the company's own data or windows; they come switched off."""
_BLANK = re.compile(r"@(company|timezone|owner_name|owner_email)@")
SECRETS = "secrets"
GIT_IGNORE = f"/var/\n/.opsrunner-state\n/{SECRETS}/\n"


def write_site(target: Path, *, company: str, owner_name: str, owner_email: str, timezone: str) -> list[Path]:
    """Write a site into `target`, a folder that is empty or not there, and return what was written.

    Folders get mode 0700 and files 0600; `secrets/` is there and empty. Raises Refused where something is
    there already or the folder cannot be written.
    """
    words = {"company": company, "owner_name": owner_name, "owner_email": owner_email, "timezone": timezone}
    try:
        if target.exists() and (not target.is_dir() or any(target.iterdir())):
            raise Refused(f"{target} is there already and not an empty folder; name a new one")
        target.mkdir(mode=0o700, parents=True, exist_ok=True)
        target.chmod(0o700)
        (target / SECRETS).mkdir(mode=0o700)
        return [_write(target / name, text) for name, text in _files(words)]
    except OSError as exc:
        raise Refused(f"{exc.filename or target} cannot be written: {exc.strerror}") from exc


def _files(words: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    yield "opsrunner.yaml", _filled("opsrunner.yaml", {key: _quoted(value) for key, value in words.items()})
    yield "maintenance.yaml", _filled("maintenance.yaml", words)
    yield "README.md", _filled("README.md", words)
    yield ".gitignore", GIT_IGNORE
    for folder in ("routines", "checklists"):
        for path in sorted((library() / folder).iterdir()):
            if path.suffix in (".yaml", ".md"):
                yield f"{folder}/{_name_of(path)}", _with_own_schema(path.read_text(encoding="utf-8"))
    yield from _schemas()


def _schemas() -> Iterator[tuple[str, str]]:
    for name in get_args(SchemaName):
        yield f"schema/{name}.json", json.dumps(schema_of(name), ensure_ascii=False, indent=2) + "\n"


def _name_of(path: Path) -> str:
    return f"{path.name}.off" if path.name in WAITING_FOR_DATA else path.name


def _with_own_schema(text: str) -> str:
    """Return `text` with its editor's line pointing at the schema that lies in the site."""
    return text.replace("$schema=../docs/schema/", "$schema=../schema/", 1)


def _filled(name: str, words: Mapping[str, str]) -> str:
    text = (STARTER / name).read_text(encoding="utf-8")
    return _BLANK.sub(lambda blank: words[blank[1]], text)


def _quoted(value: str) -> str:
    """Return `value` as YAML reads it whatever it holds: a JSON string is one."""
    return json.dumps(value, ensure_ascii=False)


def _write(path: Path, text: str) -> Path:
    path.parent.mkdir(mode=0o700, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(0o600)
    return path
