"""A site for tests of its files, and a clock that stands still."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest

from opsrunner.config.loader import Loaded, SiteLoader
from opsrunner.testing import FakeClock

SITE = """\
site: Example Hosting
timezone: Europe/Oslo
people:
  boss: {name: The owner, email: boss@example.com, roles: [owner]}
  ops1: {name: First technician, email: ops1@example.com, roles: [sysadmin, support]}
rosters:
  front-desk: {shifts: [{hours: "08:00-16:00", person: ops1}]}
hosts:
  web1: {address: 192.0.2.1, groups: [shared]}
sources:
  orders: {csv: data/orders.csv}
"""
OTHER = "name: Other\naccountable: owner\nsteps: [{run: 'true'}]\n"


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(datetime(2026, 1, 10, tzinfo=UTC))  # a Saturday


@pytest.fixture
def full_site(make_site: Callable[[Mapping[str, str]], Path]) -> Callable[[Mapping[str, str]], Path]:
    """Write a site with people, a roster, a host, a source and the routine `other`."""
    return lambda files: make_site({"opsrunner.yaml": SITE, "routines/other.yaml": OTHER, **files})


@pytest.fixture
def load(full_site: Callable[[Mapping[str, str]], Path], clock: FakeClock) -> Callable[[Mapping[str, str]], Loaded]:
    """Write a full site with some more files, and load it."""
    return lambda files: SiteLoader(full_site(files), clock=clock).load()
