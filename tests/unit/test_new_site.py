"""A new site is complete, private, and never written over anything."""

import os
import re
import stat
from pathlib import Path
from typing import Any

import pytest
import yaml

from opsrunner.config.loader import SiteLoader
from opsrunner.errors import Refused
from opsrunner.new_site import WAITING_FOR_DATA, write_site


def sources_in(text: str) -> Any:
    return yaml.safe_load(re.sub(r"(?<=[a-z])\?", " or none", text))  # PyYAML reads `text?` as YAML 1.1 does


def write(target: Path, **words: str) -> list[Path]:
    named = {
        "company": "Fjord Hosting",
        "owner_name": "Kari Vik",
        "owner_email": "kari@example.com",
        "login": "kari",
    } | words
    return write_site(target, timezone="Europe/Oslo", **named)


def test_it_checks_without_a_mistake_and_has_the_ready_routines(tmp_path: Path) -> None:
    write(tmp_path / "ops")

    loaded = SiteLoader(tmp_path / "ops").load()

    assert [str(problem) for problem in loaded.problems] == []
    assert loaded.site is not None
    assert loaded.site.name == "Fjord Hosting"
    assert loaded.site.people["boss"].email == "kari@example.com"
    assert loaded.site.people["boss"].login == "kari"  # who wrote the site may act in it without --as
    assert {"daily-round", "weekly-review", "capacity", "patch-audit"} <= loaded.site.routines.keys()


def test_it_leaves_off_what_needs_the_companys_own_data(tmp_path: Path) -> None:
    write(tmp_path / "ops")

    names = {path.name for path in (tmp_path / "ops/routines").iterdir()}
    assert {f"{name}.off" for name in WAITING_FOR_DATA} <= names
    assert not WAITING_FOR_DATA & names


def test_the_tables_that_it_suggests_have_all_that_the_ready_routines_ask_for(tmp_path: Path) -> None:
    write(tmp_path / "ops")
    text = (tmp_path / "ops/opsrunner.yaml").read_text(encoding="utf-8")
    suggested = sources_in("\n".join(re.findall(r"^#(  .*)$", text.partition("\nsources:")[2], re.MULTILINE)))
    sample = sources_in((Path(__file__).parents[2] / "opsrunner.yaml").read_text(encoding="utf-8"))["sources"]

    for name in ("orders", "accounts", "customers", "company"):
        assert suggested[name]["columns"] == sample[name]["columns"], name


def test_the_docs_say_which_tables_a_ready_routine_needs() -> None:
    root = Path(__file__).parents[2]
    text = (root / "docs/customers.md").read_text(encoding="utf-8")
    tables = sources_in((root / "opsrunner.yaml").read_text(encoding="utf-8"))["sources"]["company"]["tables"]
    section = text.partition("\n## The routines\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `([a-z-]+)` \| [^|]+ \| ([^|]+) \|", section, re.MULTILINE)
    assert len(rows) > 8

    for name, needs in rows:
        routine = (root / "routines" / f"{name}.yaml").read_text(encoding="utf-8")
        asked = re.findall(r"\b(?:from|join) ([a-z_]+)\b(?! -)", re.sub(r"#.*", "", routine))
        assert {table for table in asked if table in tables} <= set(re.findall(r"`([a-z_]+)`", needs)), name


@pytest.mark.parametrize(
    "company",
    ['Quotes "and" \\ backslashes', "Colon: hash # brace {x}", "Ærlig & Sønner", "@owner_name@", "- dash"],
)
def test_it_takes_any_company_name_as_it_is(tmp_path: Path, company: str) -> None:
    write(tmp_path / "ops", company=company)

    site = SiteLoader(tmp_path / "ops").load().site

    assert site is not None
    assert site.name == company


def test_it_is_private_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        written = write(tmp_path / "ops")
    finally:
        os.umask(before)

    assert all(path.is_file() for path in written)
    for path in (tmp_path / "ops").rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600)
    assert stat.S_IMODE((tmp_path / "ops").stat().st_mode) == 0o700


def test_it_has_a_place_for_secrets_that_no_version_control_sees(tmp_path: Path) -> None:
    write(tmp_path / "ops")

    assert list((tmp_path / "ops/secrets").iterdir()) == []
    assert "/secrets/" in (tmp_path / "ops/.gitignore").read_text().splitlines()


def test_its_files_point_editors_at_the_schemas_beside_them(tmp_path: Path) -> None:
    written = write(tmp_path / "ops")

    for path in written:
        first = path.read_text(encoding="utf-8").partition("\n")[0]
        if path.suffix == ".yaml" or path.name.endswith(".yaml.off"):
            marker, _, schema = first.partition("$schema=")
            assert marker == "# yaml-language-server: "
            assert (path.parent / schema).is_file()


def test_it_refuses_a_folder_that_holds_something(tmp_path: Path) -> None:
    (tmp_path / "ops").mkdir()
    (tmp_path / "ops/mine.txt").write_text("keep me")

    with pytest.raises(Refused, match="not an empty folder"):
        write(tmp_path / "ops")

    assert [path.name for path in (tmp_path / "ops").iterdir()] == ["mine.txt"]


def test_it_refuses_a_file_and_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("a file")

    with pytest.raises(Refused, match="not an empty folder"):
        write(tmp_path / "file")
    with pytest.raises(Refused, match="cannot be written"):
        write(tmp_path / "file/below")
