"""`check`: what is wrong with the files, or that nothing is."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

Opsrunner = Callable[..., Any]
GOOD = """\
name: Hello
accountable: sysadmin
schedule: {every: day, at: "02:30"}
steps:
  - run: echo hello
"""


def test_a_good_site_is_all_right(opsrunner: Opsrunner, make_site: Callable[..., Path]) -> None:
    site = make_site({"routines/hello.yaml": GOOD, "checklists/round.md": "- [ ] Look around\n"})

    answer = opsrunner("check", site=site)

    assert answer.stdout == "1 routine, 1 checklist: all right\n"
    assert (answer.returncode, answer.stderr) == (0, "")
    assert not (site / "var").exists(), "looking must not write"


def test_every_mistake_of_every_file_comes_in_one_pass(opsrunner: Opsrunner, make_site: Callable[..., Path]) -> None:
    site = make_site(
        {
            "routines/one.yaml": GOOD.replace("run: echo hello", "run: echo hello\n    timout: 5m"),
            "routines/two.yaml": GOOD.replace("sysadmin", "nobody-we-know"),
            "routines/good.yaml": GOOD,
        }
    )

    answer = opsrunner("check", site=site)
    as_json = json.loads(opsrunner("check", "--json", site=site).stdout)

    lines = answer.stdout.splitlines()
    assert answer.returncode == 2
    assert lines[0] == "routines/one.yaml:6:5: steps[0].timout: unknown key, did you mean 'timeout'?"
    assert lines[1].startswith("routines/two.yaml:2:14: accountable: ")
    assert lines[-1] == "2 mistakes in 2 files"
    assert as_json["ok"] is False
    assert [(problem["file"], problem["line"], problem["column"]) for problem in as_json["problems"]] == [
        ("routines/one.yaml", 6, 5),
        ("routines/two.yaml", 2, 14),
    ]


def test_a_site_whose_folder_of_routines_is_missing_is_not_all_right(
    opsrunner: Opsrunner, make_site: Callable[..., Path]
) -> None:
    site = make_site({"routines/hello.yaml": GOOD})
    (site / "routines").rename(site / "routine")
    missing = "routines:1:1: the folder is missing, mount its disk or put it back; an empty one runs nothing"

    answer, asked = opsrunner("check", site=site), opsrunner("next", "hello", site=site)
    (site / "routines").mkdir(mode=0o700)
    empty = opsrunner("check", site=site)

    assert answer.stdout == f"{missing}\n\n1 mistake in 1 file\n"
    assert (answer.returncode, asked.returncode) == (2, 2)
    assert asked.stderr == f"opsrunner: {missing}\n"
    assert (empty.returncode, empty.stdout) == (0, "0 routines, 0 checklists: all right\n")


def test_one_file_can_be_checked_alone(opsrunner: Opsrunner, make_site: Callable[..., Path]) -> None:
    site = make_site({"routines/one.yaml": GOOD, "routines/two.yaml": GOOD.replace("every: day", "every: dya")})

    fine = opsrunner("check", "routines/one.yaml", site=site)
    wrong = opsrunner("check", "routines/two.yaml", site=site)
    absent = opsrunner("check", "routines/three.yaml", site=site)

    assert (fine.returncode, fine.stdout) == (0, "routines/one.yaml: all right\n")
    assert wrong.returncode == 2
    assert "two.yaml:3:" in wrong.stdout
    assert "one.yaml" not in wrong.stdout
    assert (absent.returncode, absent.stderr) == (
        2,
        "opsrunner: routines/three.yaml: there is no such file or folder\n",
    )


@pytest.mark.parametrize("name", ["routine", "site", "checklist"])
def test_the_schema_needs_no_site(opsrunner: Opsrunner, tmp_path: Path, name: str) -> None:
    answer = opsrunner("check", "--schema", name, site=tmp_path)

    assert answer.returncode == 0
    Draft202012Validator.check_schema(json.loads(answer.stdout))


def test_without_a_site_it_says_what_is_missing(opsrunner: Opsrunner, tmp_path: Path) -> None:
    answer = opsrunner("check", site=tmp_path)

    assert answer.returncode == 2
    assert "opsrunner.yaml" in answer.stdout
