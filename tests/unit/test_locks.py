"""What pip may install is named file by file: the locks fit the project and each other."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
LOCKS = ("run", "dev", "build", "extras")
EXTRAS = ("age", "mysql", "postgres")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def locked(name: str) -> dict[str, tuple[str, list[str]]]:
    """Return package → its version and the hashes of its files."""
    text = (ROOT / "locks" / f"{name}.txt").read_text(encoding="utf-8").replace("\\\n", " ")
    found: dict[str, tuple[str, list[str]]] = {}
    for line in text.splitlines():
        requirement = Requirement(line.partition("--hash=")[0].strip())
        (pin,) = requirement.specifier
        assert pin.operator == "=="
        found[canonicalize_name(requirement.name)] = (pin.version, re.findall(r"--hash=sha256:([0-9a-f]{64})\b", line))
    return found


@pytest.mark.parametrize("name", LOCKS)
def test_every_package_is_pinned_to_one_version_and_to_the_files_of_it(name: str) -> None:
    found = locked(name)
    assert found
    assert [package for package, (_, hashes) in found.items() if not hashes] == []


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_names_no_place_to_fetch_from(name: str) -> None:
    text = (ROOT / "locks" / f"{name}.txt").read_text(encoding="utf-8")
    assert re.findall(r"://|--(?:extra-)?index|--find-links|--trusted-host", text) == []


@pytest.mark.parametrize(
    ("name", "asked"),
    [
        ("run", PROJECT["dependencies"]),
        ("dev", [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["dev"]]),
        (
            "extras",
            [*PROJECT["dependencies"], *(one for name in EXTRAS for one in PROJECT["optional-dependencies"][name])],
        ),
    ],
)
def test_the_lock_is_as_new_as_the_project_s_own_list(name: str, asked: list[str]) -> None:
    found = locked(name)
    for requirement in map(Requirement, asked):
        version, _ = found[canonicalize_name(requirement.name)]  # missing: `make lock` makes the locks anew
        assert requirement.specifier.contains(version), requirement


def test_the_extras_are_installed_beside_the_very_same_packages() -> None:
    assert locked("run").items() <= locked("extras").items()


def test_the_tests_run_on_what_people_run() -> None:
    dev = locked("dev")
    for name in LOCKS:
        lock = locked(name)
        assert {package: dev.get(package) for package in lock} == lock, name


def test_every_extra_that_is_for_sites_is_in_the_lock_of_extras() -> None:
    assert sorted({*PROJECT["optional-dependencies"]} - {"dev"}) == sorted(EXTRAS)


def test_what_the_page_tells_to_install_by_hash_is_a_lock_as_it_is() -> None:
    """The `pip` that `python3 -m venv` brings takes hashes from a lock alone: not from one that is a constraint."""
    text = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
    commands = re.findall(r"pip install --require-hashes (.*)", text)
    assert commands == ["--requirement locks/run.txt", "--requirement locks/extras.txt"]
