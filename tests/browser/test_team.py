"""The team, in a real browser."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.needs("chromium")
SignedIn = Callable[..., Page]
Served = Any


def day(ahead: int) -> str:
    return (datetime.now(UTC) + timedelta(days=ahead)).date().isoformat()


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without"])
def test_a_leave_is_entered_mended_and_taken_back(served: Served, signed_in: SignedIn, scripts: bool) -> None:
    page = signed_in("ops1", width=390, scripts=scripts)
    page.get_by_role("link", name="Team").click()
    page.locator("#enter-leave summary").click()
    form = page.locator("#enter-leave form")
    form.get_by_label("Who is away?").select_option(label="First technician (you)")
    form.get_by_label("First day").fill(day(20))
    form.get_by_label("Last day").fill(day(10))
    form.get_by_label("Why?").fill("winter")
    form.get_by_role("button", name="Enter the leave").click()
    expect(page.get_by_role("alert")).to_have_text("Not entered: the end must come after the start.")
    expect(page.get_by_role("alert")).to_be_in_viewport()
    expect(form.get_by_label("Why?")).to_have_value("winter")
    form.get_by_label("Last day").fill(day(21))
    form.get_by_role("button", name="Enter the leave").click()
    expect(page.get_by_text("First technician is away from")).to_be_visible()
    assert "winter" in served.ask("person", "list")
    page.get_by_role("button", name="Take back").click()
    expect(page.get_by_text("First technician is away from")).to_have_count(0)
    assert "winter" not in served.ask("person", "list")


def test_what_was_refused_and_what_is_chosen_outlast_what_others_do(served: Served, signed_in: SignedIn) -> None:
    page = signed_in("boss")
    page.goto(served.address + "/team?enter=cover")
    form = page.locator("#enter-cover form")
    form.get_by_label("For whom?").select_option(label="First technician")
    served.ask("person", "leave", "ops1", "--from", day(3), "--until", day(4), "--as", "boss")
    page.wait_for_timeout(2500)
    expect(form.get_by_label("For whom?")).to_have_value("ops1")
    form.get_by_label("Last day").fill(day(1))
    form.get_by_role("button", name="Enter the cover").click()
    expect(page.get_by_role("alert")).to_have_text("Not entered: say who takes it.")
    served.ask("person", "leave", "ops1", "--from", day(5), "--until", day(6), "--as", "boss")
    page.wait_for_timeout(2500)
    expect(page.get_by_role("alert")).to_be_visible()
    expect(form.get_by_label("For whom?")).to_have_value("ops1")
    expect(form.get_by_label("Last day")).to_have_value(day(1))


def test_what_another_enters_appears_within_two_seconds(served: Served, signed_in: SignedIn) -> None:
    page = signed_in("ops1", width=390)
    page.goto(served.address + "/team")
    served.ask("person", "leave", "boss", "--from", day(3), "--until", day(4), "--reason", "a wedding", "--as", "boss")
    expect(page.get_by_text("a wedding")).to_be_visible(timeout=2000)


def test_a_session_is_ended_from_another_browser(served: Served, signed_in: SignedIn) -> None:
    there, here = signed_in("ops1", width=390), signed_in("boss")
    here.goto(served.address + "/team")
    here.get_by_text("Signed in with 1 browser").click()
    here.get_by_role("button", name="Sign out everywhere: First technician").click()
    expect(here.locator("#person-ops1").get_by_text("Not signed in.")).to_be_visible()
    there.goto(served.address + "/team")
    expect(there.get_by_label("Your mail address")).to_be_visible()
    here.get_by_role("button", name="Invite First technician").click()
    expect(here.locator("#person-ops1").get_by_role("status")).to_contain_text("A link is")
