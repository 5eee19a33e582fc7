"""Public holidays of one country, without loading all others."""

import subprocess
import sys

import pytest

from opsrunner.schedules.countries import days_of, is_known, known_countries
from opsrunner.schedules.known_countries import COUNTRIES, SUBDIVISIONS

ALONE = """
import sys
from opsrunner.schedules.countries import days_of
days_of({country!r}, None, year=2026)
print(*sorted(name for name in sys.modules if name.startswith("holidays.countries")))
"""


@pytest.mark.parametrize(
    ("country", "loaded"),
    [
        ("NO", ["holidays.countries.norway"]),
        ("GU", ["holidays.countries.guam", "holidays.countries.united_states"]),  # builds upon another one
    ],
)
def test_it_loads_the_country_asked_for_and_what_that_one_builds_upon(country: str, loaded: list[str]) -> None:
    code = ALONE.format(country=country)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == loaded


def test_it_still_knows_all_countries_after_one_was_loaded_alone() -> None:
    one = days_of("NO", None, year=2026)
    everything = known_countries()
    assert len(everything) > 200
    assert days_of("NO", None, year=2026) == one


@pytest.mark.parametrize(
    ("country", "subdivision", "expected"),
    [
        ("DE", "BY", True),
        ("DE", "XX", False),
        ("XX", None, False),
        ("no", None, False),
        ("ÅØ", None, False),
        ("BR", "São Paulo Capital", True),
    ],
)
def test_it_tells_whether_a_country_and_its_part_are_known(
    country: str, subdivision: str | None, expected: bool
) -> None:
    assert is_known(country, subdivision) is expected


def test_what_is_known_without_loading_the_package_is_known_to_it() -> None:
    everything = known_countries()
    assert set(everything) >= COUNTRIES
    assert {country for country in SUBDIVISIONS if not SUBDIVISIONS[country] <= set(everything[country])} == set()


def test_a_known_country_is_told_without_loading_the_package() -> None:
    code = "import sys; from opsrunner.schedules.countries import is_known; assert is_known('DE', 'BY'); "
    done = subprocess.run([sys.executable, "-c", f"{code}sys.exit('holidays' in sys.modules)"], check=False)
    assert done.returncode == 0
