"""Checklists: what their YAML may say, and what is left of any of their forms."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import field
from typing import Any

from pydantic import Field, ValidationError, model_validator

from opsrunner.config.fields import StepId, Text
from opsrunner.config.positions import Path
from opsrunner.config.report import Report
from opsrunner.config.step_texts import TOO_MANY_TEXTS, Allowance, mistake_in, texts_of_item
from opsrunner.config.yaml12 import read_yaml
from opsrunner.model.site import Problem
from opsrunner.records import dataclass
from opsrunner.steps.task import TaskDefaults, TaskOptions

MOST_ITEMS = 500
_NOT_IN_SLUG = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True, kw_only=True)
class Item:
    """One task of a list. `id` stays the same as long as its text does."""

    id: str
    options: TaskOptions
    group: str = ""


@dataclass(frozen=True, kw_only=True)
class Checklist:
    """One file of `checklists/`, in whichever form it is kept."""

    id: str
    file: str
    name: str
    about: str = ""
    defaults: TaskDefaults = field(default_factory=TaskDefaults)
    items: tuple[Item, ...] = ()
    problems: tuple[Problem, ...] = ()
    text: str = ""
    """Its YAML (of Markdown: the front matter), to tell where something stands."""
    first_line: int = 1

    def report(self) -> Report:
        """Return an empty report on its YAML."""
        return Report(self.file, self.text, first_line=self.first_line)


class ItemKeys(TaskOptions):
    """One task of a YAML checklist."""

    id: StepId | None = None
    group: str = ""

    @model_validator(mode="before")
    @classmethod
    def _plain_text(cls, value: Any) -> Any:
        return {"task": value} if isinstance(value, str) else value


class ChecklistKeys(TaskDefaults):
    """A checklist in YAML; what stands beside `tasks` holds for each task that does not say otherwise."""

    name: Text | None = None
    about: str = ""
    tasks: tuple[ItemKeys, ...] = Field(min_length=1, max_length=MOST_ITEMS)


def read_checklist(text: str, *, file: str, name: str) -> Checklist:
    """Return the list that a YAML file holds, with its mistakes. Raises BadYaml."""
    report = Report(file, text)
    data = read_yaml(text)
    try:
        keys = ChecklistKeys.model_validate({} if data is None else data)
    except ValidationError as exc:
        report.add_validation(exc, data=data, model=ChecklistKeys)
        return Checklist(id=name, file=file, name=name, problems=report.problems(), text=text)
    items = _items(keys, report)
    return Checklist(
        id=name,
        file=file,
        name=keys.name or name,
        about=keys.about,
        defaults=keys,
        items=items,
        problems=report.problems(),
        text=text,
    )


def item_id(title: str, taken: Iterable[str]) -> str:
    """Return an id made of the words of `title`, numbered where `taken` has it already."""
    slug = _NOT_IN_SLUG.sub("-", _plain(title)).strip("-")[:50].rstrip("-")
    if not slug or not slug[0].isalpha():
        slug = f"item-{slug}".rstrip("-")
    used = set(taken)
    number = 2
    numbered = slug
    while numbered in used:
        numbered = f"{slug}-{number}"
        number += 1
    return numbered


def _plain(title: str) -> str:
    decomposed = unicodedata.normalize("NFKD", title.casefold())
    return "".join(character for character in decomposed if not unicodedata.combining(character))


def _items(keys: ChecklistKeys, report: Report) -> tuple[Item, ...]:
    items: dict[str, Item] = {}
    given = {task.id for task in keys.tasks if task.id}
    allowance = Allowance()
    for position, task in enumerate(keys.tasks):
        if task.id in items:
            report.add(("tasks", position, "id"), f"the id '{task.id}' is taken")
            continue
        _check_texts(task, ("tasks", position), report, allowance)
        id_ = task.id or item_id(task.task, {*items, *given})
        items[id_] = Item(id=id_, options=task, group=task.group)
    return tuple(items.values())


def _check_texts(task: TaskOptions, path: Path, report: Report, allowance: Allowance) -> None:
    for text in texts_of_item(task, path):
        if report.is_full():
            return
        if not allowance.covers(text):
            report.add(("tasks",), TOO_MANY_TEXTS)
        elif mistake := mistake_in(text):
            report.add(text.path, mistake)
