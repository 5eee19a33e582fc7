"""The calendar in a real browser: by keyboard, on a phone, and without scripts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.needs("chromium")
SignedIn = Callable[..., Page]
Served = Any
DAILY = """\
name: Daily look
accountable: sysadmin
schedule: {every: day, at: "10:00"}
steps:
  - task: Look
"""
TOO_LOW = """
[...document.querySelectorAll("main a, main button, main summary, main input:not([type=hidden])")]
  .filter((one) => one.getClientRects().length && one.getBoundingClientRect().height < 43.5)
  .map((one) => one.outerHTML.slice(0, 120))
"""


@pytest.fixture
def more_files() -> dict[str, str]:
    """A routine that is due every day."""
    return {"routines/daily.yaml": DAILY}


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without"])
def test_one_goes_through_months_and_weeks_by_keyboard(served: Served, signed_in: SignedIn, scripts: bool) -> None:
    page = signed_in("boss", scripts=scripts)
    page.goto(f"{served.address}/calendar?day=2030-12-05")
    title = page.get_by_role("heading", level=1)
    expect(title).to_have_text("December 2030")
    for name, said in (("Later: the month after", "January 2031"), ("Earlier: the month before", "December 2030")):
        page.get_by_role("link", name=name).focus()
        page.keyboard.press("Enter")
        expect(title).to_have_text(said)
    page.get_by_role("link", name="Wednesday 18 December").focus()
    page.keyboard.press("Enter")
    expect(title).to_have_text("16 to 22 December 2030")
    page.get_by_label("Go to a day").fill("2031-02-03")
    page.get_by_role("button", name="Go").press("Enter")
    expect(title).to_have_text("3 to 9 February 2031")
    page.get_by_role("link", name="By months").press("Enter")
    expect(title).to_have_text("February 2031")
    assert "view=month" in page.url


def test_the_month_is_a_table_with_headers_and_a_heading_for_each_day(served: Served, signed_in: SignedIn) -> None:
    page = signed_in("boss")
    page.goto(f"{served.address}/calendar?day=2030-12-05")
    expect(page.get_by_role("columnheader")).to_have_count(8)
    expect(page.get_by_role("columnheader", name="Wednesday")).to_be_visible()
    expect(page.get_by_role("rowheader", name="Week 51")).to_be_visible()
    expect(page.get_by_role("table").get_by_role("heading", level=2)).to_have_count(31)
    cell = page.get_by_role("cell", name="Wednesday 18 December 10:00 Daily look")
    expect(cell.get_by_role("link", name="10:00 Daily look")).to_have_attribute("href", "/routines/daily")


def test_on_a_phone_the_month_is_a_list_of_its_days(served: Served, signed_in: SignedIn) -> None:
    page = signed_in("boss", width=390)
    page.goto(f"{served.address}/calendar?day=2030-12-05")
    first, second = (page.get_by_role("heading", name=f"day {number} December").first for number in (10, 11))
    above, below = first.bounding_box(), second.bounding_box()
    assert above is not None
    assert below is not None
    assert above["x"] == below["x"], "one under the other"
    assert above["y"] < below["y"]
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    for view in ("month", "week"):
        page.goto(f"{served.address}/calendar?view={view}")
        assert page.evaluate(TOO_LOW) == [], f"too low for a thumb, in the {view}"


def test_today_is_marked_and_one_touch_away(served: Served, signed_in: SignedIn) -> None:
    page = signed_in("boss", width=390)
    page.goto(f"{served.address}/calendar?day=2030-12-05")
    page.get_by_role("navigation", name="Days shown").get_by_role("link", name="Today").click()
    today = page.locator("td[aria-current=date]")
    expect(today).to_contain_text("today")
    expect(today).to_be_in_viewport()
