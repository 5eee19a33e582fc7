"""What must never drift apart: files and their limits, the version, the docs, the table of kinds."""

import json
import re
import tomllib
from functools import cache
from pathlib import Path
from typing import get_args

import jsonschema
import pytest

from opsrunner.config import calendars, data_keys, page_keys, rosters, site_keys, sql_keys
from opsrunner.config.fields import Keys
from opsrunner.config.json_schema import SchemaName, schema_of
from opsrunner.config.site_file import SiteKeys
from opsrunner.config.step_keys import SHARED
from opsrunner.config.yaml12 import read_yaml
from opsrunner.steps.kinds import KINDS
from opsrunner.version import VERSION

ROOT = Path(__file__).parents[2]
SOURCES = sorted((ROOT / "src").rglob("*.py"))
SHIPPED = sorted([ROOT / "opsrunner.yaml", *ROOT.glob("routines/*.yaml"), *ROOT.glob("checklists/*.yaml")])
SITE_MODELS = [
    model
    for module in (site_keys, data_keys, sql_keys, page_keys, rosters, calendars)
    for model in vars(module).values()
    if isinstance(model, type) and issubclass(model, Keys) and model.__module__ == module.__name__
]
LONGEST_FILE_LINES = 300
ROUTINES_TEXT = (ROOT / "docs/routines.md").read_text(encoding="utf-8")
SOURCES_TEXT = (ROOT / "docs/sources.md").read_text(encoding="utf-8")


def section(title: str, text: str = ROUTINES_TEXT) -> str:
    """Return what stands under a heading of docs/routines.md, up to the next heading of its level or above."""
    found = re.search(rf"^(#+) {re.escape(title)}\n(.*?)(?=^#{{1,3}} |\Z)", text, re.MULTILINE | re.DOTALL)
    assert found, f"the docs have no section '{title}'"
    return found[2]


def names_in_tables(text: str) -> set[str]:
    """Return the words in code marks of the first column of all tables; `expect.status` names `expect` too."""
    cells = re.findall(r"^\| (\*{0,2}`.*?) \|", text, re.MULTILINE)
    words = {word for cell in cells for word in re.findall(r"`([a-z_.]+)`", cell)}
    return words | {word.partition(".")[0] for word in words}


def test_no_file_is_longer_than_what_one_can_hold_in_mind() -> None:
    lines = {path.relative_to(ROOT): path.read_text(encoding="utf-8").count("\n") for path in SOURCES}

    assert len(lines) > 50
    assert {path: count for path, count in lines.items() if count > LONGEST_FILE_LINES} == {}
    assert [path for path, count in lines.items() if path.name == "__init__.py" and count] == []


def test_no_test_is_skipped_but_for_what_it_needs() -> None:
    """What `needs` misses fails in CI; every other way of skipping would be green there."""
    skipping = re.compile(r"pytest\.(skip|importorskip|xfail)\b|mark\.(skip|skipif|xfail)\b|Skip[T]est")
    found = [path for path in (ROOT / "tests").rglob("*.py") if skipping.search(path.read_text(encoding="utf-8"))]

    assert [str(path.relative_to(ROOT)) for path in found] == ["tests/conftest.py"]


def test_version_changelog_and_package_agree() -> None:
    package = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    newest = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)

    assert package["project"]["version"] == VERSION
    assert newest is not None
    assert newest[1] == VERSION


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_of_step_has_a_section_that_names_every_option(name: str) -> None:
    told = section(name)
    options = {field.alias or name for name, field in KINDS[name].options.model_fields.items()}

    assert options - names_in_tables(told) == set()
    assert "```yaml" in told


def test_every_section_of_a_kind_is_of_one_that_exists() -> None:
    chapter = ROUTINES_TEXT.partition("\n## Kinds of steps\n")[2].partition("\n## ")[0]

    assert set(re.findall(r"^### (.+)$", chapter, re.MULTILINE)) == set(KINDS)


def test_every_key_that_steps_share_stands_in_the_docs() -> None:
    assert names_in_tables(section("Keys of every step")) == SHARED


def test_every_key_of_the_site_file_stands_in_the_docs() -> None:
    assert names_in_tables(section("The site file")) == set(SiteKeys.model_fields)


def test_every_key_of_a_source_stands_in_the_docs() -> None:
    assert names_in_tables(section("Keys of a source", SOURCES_TEXT)) == set(data_keys.SourceKeys.model_fields)


@pytest.mark.parametrize("name", get_args(SchemaName))
def test_the_schemas_for_editors_are_those_of_the_program(name: SchemaName) -> None:
    written = json.loads((ROOT / f"docs/schema/{name}.json").read_text(encoding="utf-8"))

    assert written == schema_of(name), f"run: opsrunner check --schema {name} > docs/schema/{name}.json"


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_shipped_file_points_at_its_schema_and_fits_it(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    marker, _, schema = text.partition("\n")[0].partition("$schema=")

    assert marker == "# yaml-language-server: "
    assert list(rules_of((path.parent / schema).resolve()).iter_errors(read_yaml(text))) == []


@cache
def rules_of(schema: Path) -> jsonschema.Draft202012Validator:
    """Return a schema's validator, the schema itself checked once."""
    rules = json.loads(schema.read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(rules)
    return jsonschema.Draft202012Validator(rules)


@pytest.mark.parametrize("model", SITE_MODELS, ids=lambda model: model.__name__)
def test_every_key_within_the_site_file_is_named_in_the_docs(model: type[Keys]) -> None:
    told = set(re.findall(r"[a-z0-9_]+", "".join(map(section, ("The site file", "Secrets"))) + SOURCES_TEXT))

    assert {field.alias or name for name, field in model.model_fields.items()} - told == set()


@pytest.mark.parametrize("path", sorted(ROOT.glob("docs/*.md")) + sorted(ROOT.glob("*.md")), ids=lambda path: path.name)
def test_every_link_between_the_docs_leads_somewhere(path: Path) -> None:
    targets = re.findall(r"\]\(([^)#:\s]+)(?:#([^)]*))?\)", path.read_text(encoding="utf-8"))

    assert [target for target, _ in targets if not (path.parent / target).exists()] == []
    assert [
        (target, anchor) for target, anchor in targets if anchor and anchor not in anchors(path.parent / target)
    ] == []


def anchors(page: Path) -> set[str]:
    """Return what links to the headings of a page may say."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^a-z0-9 _-]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("anchor", sorted(set(re.findall(r"\]\(#([^)]+)\)", ROUTINES_TEXT))))
def test_every_link_within_the_routines_page_has_its_heading(anchor: str) -> None:
    assert anchor in anchors(ROOT / "docs/routines.md")
