"""What a site mentions: the secrets it refers to, and the scripts that its commands start."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

from opsrunner.model.routine import StepPlan
from opsrunner.model.site import Site
from opsrunner.records import dataclass
from opsrunner.secrets import SecretRef

SCRIPTS = frozenset({".sh", ".bash", ".py", ".pl", ".rb", ".php"})
"""What is a script also without the right to be executed: an interpreter is given its name."""


@dataclass(frozen=True, kw_only=True)
class Script:
    """A file that a command starts, and as which user; '' is our own."""

    path: Path
    named_by: str
    """Where it stands: `nightly-backups, step dump`."""
    user: str = ""


def secrets_in(value: Any) -> Iterator[SecretRef]:
    """Yield every reference in a site, or in any part of it."""
    if isinstance(value, SecretRef):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from secrets_in(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from secrets_in(item)
    elif is_dataclass(value):
        for field in fields(value):
            yield from secrets_in(getattr(value, field.name))


def scripts_in(site: Site) -> Iterator[Script]:
    """Yield the scripts of the site's local commands that are there, as far as their words show them."""
    for routine in site.routines.values():
        for step in routine.steps:
            if step.kind != "run":
                continue
            user = str(step.options.get("user") or "")
            for path in _scripts_of(_words(step), site.root / str(step.options.get("cwd") or ""), site.root):
                yield Script(path=path, named_by=f"{routine.name}, step {step.id}", user=user)
    for secret in secrets_in(site):
        for path in _scripts_of(list(secret.command or ()), site.root, site.root):
            yield Script(path=path, named_by=f"the secret {secret}")


def _words(step: StepPlan) -> list[str]:
    """Return the words of a command; of a shell string those that a shell would see, as far as it has quotes."""
    command = step.options.get("run")
    if not isinstance(command, str):
        return [str(word) for word in command or ()]
    lexer = shlex.shlex(command, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    try:
        return list(lexer)
    except ValueError:
        return command.split()


def _scripts_of(words: list[str], folder: Path, root: Path) -> Iterator[Path]:
    for word in words:
        name = word.replace("${OPS_SITE}", str(root)).replace("$OPS_SITE", str(root))
        if "/" not in name and Path(name).suffix not in SCRIPTS:
            continue
        path = folder / name
        try:
            is_script = path.is_file() and (path.suffix in SCRIPTS or bool(path.stat().st_mode & 0o111))
        except (OSError, ValueError):  # a word that can be no name
            continue
        if is_script:
            yield path
