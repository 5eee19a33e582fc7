"""A routine that went through text is the same routine."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsrunner import packaged
from opsrunner.config.freezing import freeze, thaw
from opsrunner.config.loader import Loaded, SiteLoader
from opsrunner.errors import StateError
from opsrunner.model.routine import Routine, StepPlan

EVERYTHING = """\
name: Everything
about: Of all forms.
accountable: sysadmin
tags: [changes, night]
overlap: queue
catch_up: {policy: all, within: 12h}
schedule:
  - {every: month, on: [31, last day], at: ["02:30", "14:00"], short_months: skip, on_holiday: next business day}
  - {every: 15m, between: "22:00-06:00", from: 2026-01-05T01:00, until: 2026-12-31, except: [2026-05-17]}
  - {cron: "30 2 * * 1-5", timezone: Asia/Tokyo}
  - {once: 2026-12-01T02:00}
  - {of: other, offset: -8d}
steps:
  - id: dump
    run: [mysqldump, "--host={{ run.id }}", billing]
    env: {A: text, PASSWORD: {file: secrets/mysql}, TOKEN: {command: [pass, show, x]}}
    retry: {times: 2, wait: 5m}
    ok_codes: [0, 3]
  - http: {get: "https://example.com/", headers: {Authorization: {env: TOKEN}}, expect: {status: [200, 204]}}
  - id: orders
    query: {source: orders, where: {paid_at: null, amount: 1.5, vip: true}}
  - task: "Order {{ row.number }}"
    for_each: steps.orders.rows
    key: row.number
    due: +4h business
    remind: [-1h]
    escalate: [{after: 2h, to: owner}]
    evidence: {number: {name: GB, minimum: 0.5}, choice: [yes, no], file: optional}
  - checklist: daily-round
  - task: Approve
    approve: {rows: steps.orders.rows, by: owner, not_self: true}
    wait: true
"""


def test_everything_a_routine_can_say_comes_back(load: Callable[[Mapping[str, str]], Loaded]) -> None:
    loaded = load({"routines/x.yaml": EVERYTHING})
    assert loaded.problems == ()
    assert loaded.site is not None
    routine = loaded.site.routines["x"]

    assert thaw(freeze(routine)) == routine
    assert freeze(thaw(freeze(routine))) == freeze(routine)


def test_every_routine_of_the_library_comes_back() -> None:
    loaded = SiteLoader(packaged.library()).load()
    assert loaded.site is not None
    assert loaded.site.routines

    for routine in loaded.site.routines.values():
        assert thaw(freeze(routine)) == routine


def test_the_text_is_json_and_the_same_each_time(load: Callable[[Mapping[str, str]], Loaded]) -> None:
    loaded = load({"routines/x.yaml": EVERYTHING})
    assert loaded.site is not None
    routine = loaded.site.routines["x"]

    assert json.loads(freeze(routine))["name"] == "Everything"
    assert freeze(routine) == freeze(replace(routine))


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63) + 1, 2**63 - 1)
    | st.text()
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(st.text(), VALUES, max_size=4))
def test_options_of_any_plain_shape_come_back(options: dict[str, object]) -> None:
    step = StepPlan(id="run", kind="run", options=options)
    routine = Routine(id="x", name="X", accountable="owner", steps=(step,))

    assert thaw(freeze(routine)) == routine


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"id": 1}', "not json"])
def test_what_is_no_routine_is_refused(text: str) -> None:
    with pytest.raises(StateError):
        thaw(text)


def test_the_library_lies_where_the_program_is() -> None:
    assert isinstance(packaged.library(), Path)
    assert (packaged.library() / "routines").is_dir()
