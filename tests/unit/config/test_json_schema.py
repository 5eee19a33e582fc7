"""The schemas that editors use say what the program takes."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import jsonschema
import pytest

from opsrunner import packaged
from opsrunner.config.json_schema import SchemaName, checklist_schema, routine_schema, schema_of, site_schema
from opsrunner.config.step_keys import SHARED, keys_of
from opsrunner.config.yaml12 import read_yaml
from opsrunner.steps.kinds import KINDS

HEAD = {"name": "X", "accountable": "owner"}
ROUTINES = sorted((packaged.library() / "routines").glob("*.yaml"))


def errors(schema: dict[str, Any], value: object) -> list[str]:
    return [error.message for error in jsonschema.Draft202012Validator(schema).iter_errors(value)]


@pytest.mark.parametrize("name", get_args(SchemaName))
def test_a_schema_is_a_schema(name: SchemaName) -> None:
    jsonschema.Draft202012Validator.check_schema(schema_of(name))


@pytest.mark.parametrize("path", ROUTINES, ids=lambda path: path.stem)
def test_every_ready_routine_fits(path: Path) -> None:
    assert errors(routine_schema(), read_yaml(path.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize("path", sorted((packaged.library() / "checklists").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_ready_checklist_fits(path: Path) -> None:
    assert errors(checklist_schema(), read_yaml(path.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_is_offered_with_its_summary_its_options_and_all_shared_keys(kind: str) -> None:
    definitions = routine_schema()["$defs"]
    step = definitions[f"step-{kind}"]

    assert step["description"] == KINDS[kind].summary
    assert set(step["properties"]) >= SHARED | {kind}
    options = step if KINDS[kind].beside else definitions[step["properties"][kind]["$ref"].rpartition("/")[2]]
    assert set(options["properties"]) >= set(keys_of(KINDS[kind]))


STEPS = {
    # case: (a step, whether it fits)
    "run": ({"run": "true", "timeout": "5m"}, True),
    "slip": ({"run": "true", "timout": "5m"}, False),
    "two kinds": ({"run": "true", "task": "Look"}, False),
    "no kind": ({"timeout": "5m"}, False),
    "unknown kind": ({"backup": {}}, False),
    "option inside": ({"http": {"get": "https://example.com/", "expect": {"status": 200}}}, True),
    "option beside": ({"http": {"get": "https://example.com/"}, "expect": {}}, False),
    "task": ({"task": "Look", "due": "+4h", "remind": "-1h", "escalate": {"after": "2h", "to": "owner"}}, True),
    "text for a flag": ({"task": "Look", "wait": "yes"}, False),
    "number without unit": ({"run": "true", "timeout": 30}, False),
    "secret": ({"run": "true", "env": {"A": {"file": "secrets/a"}}}, True),
    "two secrets": ({"run": "true", "env": {"A": {"file": "secrets/a", "env": "A"}}}, False),
}


@pytest.mark.parametrize(("step", "fits"), STEPS.values(), ids=STEPS)
def test_a_step_fits_or_is_marked_by_the_editor(step: dict[str, Any], fits: bool) -> None:
    assert (errors(routine_schema(), {**HEAD, "steps": [step]}) == []) is fits


def test_an_item_of_a_checklist_may_be_a_text_alone() -> None:
    assert (
        errors(checklist_schema(), {"tasks": ["Look", {"task": "Look again", "evidence": {"note": "required"}}]}) == []
    )
    assert errors(checklist_schema(), {"tasks": [{"tsk": "Look"}]}) != []


def test_the_site_schema_knows_every_part() -> None:
    person = {"name": "Boss", "email": "boss@example.com", "roles": ["owner"]}

    assert errors(site_schema(), {"site": "X", "people": {"boss": person}}) == []
    assert errors(site_schema(), {"site": "X", "people": {"boss": {**person, "rols": []}}}) != []
    assert errors(site_schema(), {"site": "X"}) != []
