"""The public holidays of countries, from the `holidays` package, of which only the country asked for is loaded."""

from __future__ import annotations

import sys
import threading
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from importlib.util import find_spec, module_from_spec

from opsrunner.schedules.known_countries import COUNTRIES, SUBDIVISIONS

_COUNTRIES = "holidays.countries"
_loading = threading.RLock()


def is_known(country: str, subdivision: str | None) -> bool:
    """Tell whether the holidays of a country (two capital letters) and of its part are known."""
    if country in COUNTRIES and (subdivision is None or subdivision in SUBDIVISIONS.get(country, ())):
        return True
    if not (country.isascii() and country.isupper()):
        return False
    return _is_known_to_the_package(country, subdivision)


def known_countries() -> Mapping[str, Sequence[str]]:
    """Return every country that is known, with its parts; loads them all, which takes its time."""
    import holidays  # noqa: PLC0415 - takes 70 ms, and few verbs need it

    return holidays.list_supported_countries(include_aliases=False)


def days_of(country: str, subdivision: str | None, *, year: int) -> dict[date, str]:
    """Return day → name, in English where it is known, of one year of a country that is known."""
    import holidays  # noqa: PLC0415 - as above

    with warnings.catch_warnings(), _alone():
        warnings.simplefilter("ignore", UserWarning)  # it warns of years that it has no dates for
        plain = holidays.country_holidays(country, subdiv=subdivision)
        english = [language for language in plain.supported_languages if language.startswith("en")]
        language = english[-1] if english else None
        found = holidays.country_holidays(country, subdiv=subdivision, years=year, language=language)
    return {day: name.replace("; ", ", ") for day, name in found.items() if day.year == year}


def _is_known_to_the_package(country: str, subdivision: str | None) -> bool:
    import holidays  # noqa: PLC0415 - as above

    try:
        with _alone():
            holidays.country_holidays(country, subdiv=subdivision)
    except (NotImplementedError, TypeError):
        return False
    return True


@contextmanager
def _alone() -> Iterator[None]:
    """Load one country without the 250 others, which cost 70 ms and 8 MB.

    `holidays.countries` imports all its modules when it is imported itself. For as long as this lasts,
    a package that is not executed stands in its place: it finds its modules as well.
    """
    with _loading:
        spec = None if _COUNTRIES in sys.modules else find_spec(_COUNTRIES)
        if spec is None:
            yield
            return
        sys.modules[_COUNTRIES] = module_from_spec(spec)
        try:
            yield
        finally:
            del sys.modules[_COUNTRIES]
