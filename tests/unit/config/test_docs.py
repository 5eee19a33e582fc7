"""What the docs print is what the checker takes: every YAML block, every form of schedule, every type and default."""

from __future__ import annotations

import re
import types
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

import pytest
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from opsrunner.config.checklist import ChecklistKeys, ItemKeys
from opsrunner.config.data_keys import SourceKeys
from opsrunner.config.loader import Loaded
from opsrunner.config.page_keys import PageKeys
from opsrunner.config.routine_file import RoutineKeys
from opsrunner.config.schedule import CronKeys, EveryKeys, OffsetKeys, OnceKeys
from opsrunner.config.sql_keys import SqlKeys
from opsrunner.config.step_keys import SharedKeys
from opsrunner.config.yaml12 import read_yaml
from opsrunner.engine.in_force import almanac_of
from opsrunner.schedules.day_words import ORDINALS
from opsrunner.schedules.due import upcoming
from opsrunner.steps.http_answer import Expect
from opsrunner.steps.kinds import KINDS

Load = Callable[[Mapping[str, str]], Loaded]
ROOT = Path(__file__).parents[3]
ROUTINES = "\n".join((ROOT / f"docs/{page}.md").read_text(encoding="utf-8") for page in ("routines", "sources"))
PROSE = re.sub(r"^(`{3,4})\w*\n.*?^\1$", "", ROUTINES, flags=re.MULTILINE | re.DOTALL)
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
HEAD = "name: A routine\naccountable: sysadmin\n"
CAST = """\
site: Example Hosting
timezone: Europe/Oslo
people:
  boss: {name: The owner, email: boss@example.com, roles: [owner]}
  ops1: {name: First technician, email: ops1@example.com, roles: [sysadmin, support]}
rosters:
  front-desk: {shifts: [{hours: "08:00-16:00", person: ops1}]}
  on-call: {rotate: week, people: [ops1]}
hosts:
  web1: {address: 192.0.2.1, groups: [shared]}
  backup1: {address: 192.0.2.2}
sources:
  orders: {csv: data/orders.csv, columns: {number: text}}
  accounts: {csv: data/accounts.csv}
  templates: {csv: data/templates.csv}
  tickets: {csv: data/tickets.csv}
  customers: {csv: data/customers.csv}
  forum: {csv: data/forum.csv}
  support: {csv: data/support.csv}
  company: {tables: [orders], columns: {activated_at: "moment?"}}
  domains: {csv: data/domains.csv}
  licences: {csv: data/licences.csv}
  mail-log: {csv: data/mail_log.csv}
  bounces: {bounces: /var/mail/bounces}
stores:
  offsite: {local: {path: copies}}
  panel: {local: {path: panel}}
"""


WINDOWS = """\
windows: {kernel: {name: Kernel, schedule: {every: month, on: first tuesday, at: "02:00"}, lasts: 2h, hosts: [local]}}
"""


def fenced(language: str) -> list[Any]:
    """Return every block of a language as (page and line, text)."""
    found = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for block in re.finditer(rf"^(`{{3,4}}){language}\n(.*?)^\1$", text, re.MULTILINE | re.DOTALL):
            line = text.count("\n", 0, block.start()) + 1
            found.append(pytest.param(block[2], id=f"{page.name}:{line}"))
    return found


def as_file(text: str) -> dict[str, str]:
    """Return the file that a block is, or that a piece of one can stand in."""
    data = read_yaml(text)
    if isinstance(data, list):
        return {"routines/x.yaml": _with_steps(text)}
    if "steps" in data:
        return {"routines/x.yaml": text}
    if "tasks" in data:
        return {"checklists/x.yaml": text, "routines/x.yaml": f"{HEAD}steps: [{{checklist: x}}]\n"}
    if "windows" in data or "incidents" in data:
        return {"maintenance.yaml": text}
    missing = "".join(part for part in re.split(r"^(?=\w)", CAST, flags=re.MULTILINE) if not _names(part, data))
    return {"opsrunner.yaml": missing + text}


def _names(part: str, data: Mapping[str, Any]) -> bool:
    return part.partition(":")[0] in data


def _with_steps(text: str) -> str:
    """Return a routine of these steps; what they take from steps above, a query gives."""
    named = set(re.findall(r"\bsteps\.([a-z_]+)", text)) - set(re.findall(r"\bid: ([a-z_]+)", text))
    above = "".join(f"  - {{id: {name}, query: {{source: orders}}}}\n" for name in sorted(named))
    indented = "".join(f"  {line}" if line.strip() else line for line in text.splitlines(keepends=True))
    return f"{HEAD}steps:\n{above}{indented}"


@pytest.mark.parametrize("text", fenced("yaml"))
def test_every_block_of_yaml_is_right(load: Load, text: str) -> None:
    loaded = load({"opsrunner.yaml": CAST, "maintenance.yaml": WINDOWS, **as_file(text)})

    assert [str(problem) for problem in (*loaded.problems, *loaded.warnings)] == []


@pytest.mark.parametrize("text", fenced("markdown"))
def test_every_checklist_in_markdown_is_right(load: Load, text: str) -> None:
    loaded = load({"checklists/x.md": text, "routines/x.yaml": f"{HEAD}steps: [{{checklist: x}}]\n"})

    assert [str(problem) for problem in loaded.problems] == []
    assert loaded.site is not None
    assert loaded.site.routines["x"].steps[0].tasks


def chapter(title: str) -> str:
    """Return what stands under a heading, with the headings below it."""
    found = re.search(rf"^(#+) {re.escape(title)}\n(.*?)(?=^(?!\1#)#+ |\Z)", PROSE, re.MULTILINE | re.DOTALL)
    assert found, title
    return found[2]


def forms() -> list[str]:
    """Return every schedule of the first table."""
    return re.findall(r"^\| `(\{.*?\})` \|", chapter("Schedules"), re.MULTILINE)


@pytest.mark.parametrize("form", forms())
def test_every_form_of_schedule_is_right_and_due_some_day(load: Load, clock: Any, form: str) -> None:
    others = {
        "maintenance.yaml": WINDOWS,
        "routines/weekly-review.yaml": HEAD + 'schedule: {every: week, on: mon, at: "09:00"}\nsteps: [{task: T}]\n',
    }

    loaded = load({**others, "routines/x.yaml": f"{HEAD}schedule: {form}\nsteps: [{{task: T}}]\n"})

    assert [str(problem) for problem in loaded.problems] == []
    assert loaded.site is not None
    schedules = {name: routine.schedule for name, routine in loaded.site.routines.items()}
    almanac = almanac_of(loaded.site, {})
    assert upcoming(schedules["x"], after=clock.now() - timedelta(days=30), count=1, almanac=almanac)


def test_every_word_of_a_schedule_stands_in_its_chapter() -> None:
    told = chapter("Schedules")
    keys = {
        field.alias or name
        for keys in (EveryKeys, CronKeys, OnceKeys, OffsetKeys)
        for name, field in keys.model_fields.items()
    }

    assert {key for key in keys if not re.search(rf"\b{key}\b", told)} == set()
    assert {word for word in ORDINALS if f"{word}" not in told} == set()
    assert len(forms()) > 15


def rows(text: str) -> Iterator[tuple[set[str], list[str]]]:
    """Yield the words of each table row's first cell, and its cells; `expect.status` names `expect` too."""
    for line in re.findall(r"^\| ((?:\*\*)?`.*) \|$", text, re.MULTILINE):
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\| ", f"{line} ")]
        words = set(re.findall(r"`([a-z_.]+)`", cells[0]))
        yield words | {word.partition(".")[0] for word in words}, cells


def told_of(text: str, name: str) -> list[str]:
    """Return the cells of the row that tells of a key."""
    return next((cells for names, cells in rows(text) if name in names), [])


MODELS: list[tuple[str, str, type[BaseModel]]] = [
    ("The file", "", RoutineKeys),
    ("Keys of every step", "", SharedKeys),
    ("Keys of a source", "", SourceKeys),
    ("Databases", "", SqlKeys),
    ("Pages", "", PageKeys),
    ("http", "expect.", Expect),
    *((name, "", kind.options) for name, kind in KINDS.items()),
]
FIELDS = [
    pytest.param(title, prefix + (field.alias or name), field, id=f"{title}: {prefix}{field.alias or name}")
    for title, prefix, model in MODELS
    for name, field in model.model_fields.items()
]


def parts_of(annotation: Any) -> Iterator[Any]:
    """Yield an annotation and all that it is made of."""
    yield annotation
    if get_origin(annotation) in (Union, types.UnionType, tuple) or hasattr(annotation, "__metadata__"):
        for part in get_args(annotation):
            yield from parts_of(part)


@pytest.mark.parametrize(("title", "name", "field"), FIELDS)
def test_the_table_tells_the_type_and_default_of_every_key(title: str, name: str, field: FieldInfo) -> None:
    cells = told_of(chapter(title), name)
    assert cells, f"'{title}' has no row for {name}"
    if cells[1] == "as with `task`":
        return
    kinds = list(parts_of(field.annotation))

    for values in (get_args(part) for part in kinds if get_origin(part) is Literal):
        assert {value for value in values if f"`{value}`" not in " ".join(cells)} == set()
    if bool in kinds:
        assert cells[1] == "flag"
        if isinstance(field.default, bool):
            assert cells[2] == f"`{str(field.default).lower()}`"
    if field.is_required():
        assert f"**`{name}`**" in cells[0]
    elif name != "get":  # one of four addresses is required, and it stands for them
        assert f"**`{name}`**" not in cells[0]
    if isinstance(field.default, str) and field.default:
        assert f"`{field.default}`" in cells[2]


@pytest.mark.parametrize("model", [ChecklistKeys, ItemKeys], ids=lambda model: model.__name__)
def test_every_key_of_a_checklist_stands_in_the_docs(model: type[BaseModel]) -> None:
    told = chapter("Checklists") + chapter("task")

    assert {name for name in model.model_fields if f"`{name}`" not in told} == set()
