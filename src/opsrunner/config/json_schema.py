"""JSON Schemas of the site's files, for editors: made from the models and the table of kinds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from opsrunner.config.checklist import ChecklistKeys
from opsrunner.config.maintenance_keys import MaintenanceKeys
from opsrunner.config.routine_file import RoutineKeys
from opsrunner.config.site_file import SiteKeys
from opsrunner.config.step_keys import SharedKeys
from opsrunner.steps.kind import Kind
from opsrunner.steps.kinds import KINDS

DIALECT = "https://json-schema.org/draft/2020-12/schema"
Schema: TypeAlias = dict[str, Any]
SchemaName: TypeAlias = Literal["site", "routine", "checklist", "maintenance"]


def schema_of(name: SchemaName) -> Schema:
    """Return the schema of one kind of file."""
    schemas = {
        "site": site_schema,
        "routine": routine_schema,
        "checklist": checklist_schema,
        "maintenance": maintenance_schema,
    }
    return schemas[name]()


def site_schema() -> Schema:
    """Return the schema of `opsrunner.yaml`."""
    return _plain(SiteKeys, "The site: people, rosters, machines, mail, data")


def maintenance_schema() -> Schema:
    """Return the schema of `maintenance.yaml`."""
    return _plain(MaintenanceKeys, "Maintenance windows, and what holds for incidents")


def checklist_schema() -> Schema:
    """Return the schema of a checklist in YAML, whose items may be texts alone."""
    schema = _plain(ChecklistKeys, "A checklist")
    tasks = schema["properties"]["tasks"]
    tasks["items"] = {"anyOf": [{"type": "string", "minLength": 1}, tasks["items"]]}
    return schema


def routine_schema() -> Schema:
    """Return the schema of a routine, with one form of a step for each kind."""
    models: list[type[BaseModel]] = [RoutineKeys, SharedKeys, *(kind.options for kind in KINDS.values())]
    names, definitions = _definitions(models)
    shared = definitions.pop(names[SharedKeys])["properties"]
    schema = definitions.pop(names[RoutineKeys])
    for kind in KINDS.values():
        definitions[f"step-{kind.name}"] = _step(kind, names[kind.options], definitions, shared)
    steps = {"anyOf": [{"$ref": f"#/$defs/step-{name}"} for name in KINDS]}
    schema["properties"]["steps"]["items"] = steps
    return _dressed(schema, definitions, "A routine: a schedule and a list of steps")


def _step(kind: Kind, options: str, definitions: Mapping[str, Schema], shared: Schema) -> Schema:
    own = definitions[options]
    if kind.beside:
        properties = own["properties"] | shared
        required = sorted({kind.name, *own.get("required", ())})
    else:
        properties = {kind.name: {"$ref": f"#/$defs/{options}"}} | shared
        required = [kind.name]
    return {
        "type": "object",
        "title": kind.name,
        "description": kind.summary,
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


def _plain(model: type[BaseModel], title: str) -> Schema:
    names, definitions = _definitions([model])
    return _dressed(definitions.pop(names[model]), definitions, title)


def _definitions(models: list[type[BaseModel]]) -> tuple[dict[type[BaseModel], str], dict[str, Schema]]:
    """Return the name of each model's definition, and all definitions."""
    asked = [(model, "validation") for model in dict.fromkeys(models)]
    references, schema = models_json_schema(asked)  # type: ignore[arg-type]
    names = {model: str(reference["$ref"]).rpartition("/")[2] for (model, _), reference in references.items()}
    return names, schema["$defs"]  # type: ignore[return-value]


def _dressed(schema: Schema, definitions: Mapping[str, Schema], title: str) -> Schema:
    rest = {key: value for key, value in schema.items() if key != "title"}
    return {"$schema": DIALECT, "title": title, **rest, "$defs": dict(sorted(definitions.items()))}
