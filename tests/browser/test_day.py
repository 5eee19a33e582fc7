"""A day on the page, in a real browser: in by a mailed link, along a live run, through an approval, onto paper."""

from __future__ import annotations

import email
import email.policy
import re
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import Envelope
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.needs("chromium")
SignedIn = Callable[..., Page]
Served = Any
LONG = """\
name: Long copy
accountable: sysadmin
steps:
  - id: copy
    run: for n in $(seq 1 60); do echo "file $n of 60"; sleep 0.1; done
"""
RESTARTS = """\
name: Restarts
accountable: sysadmin
steps:
  - id: pick
    run: 'echo "[{\\"host\\": \\"web1\\"}, {\\"host\\": \\"web2\\"}, {\\"host\\": \\"db1\\"}]"'
    rows: json
  - task: Approve tonight's restarts
    id: ok
    approve: {rows: steps.pick.rows, by: owner}
    wait: true
  - id: restart
    run: echo "restarting $WHICH"
    env: {WHICH: "{{ steps.ok.rows | map(attribute='host') | join(' and ') }}"}
"""


@dataclass
class Postbox:
    """A mail server on loopback that keeps the texts that came."""

    port: int
    texts: list[str] = field(default_factory=list)
    came: threading.Event = field(default_factory=threading.Event)

    async def handle_DATA(self, server: object, session: object, envelope: Envelope) -> str:  # noqa: N802 (its name)
        message = email.message_from_bytes(envelope.original_content or b"", policy=email.policy.default)
        body = message.get_body(("plain",))
        self.texts.append(body.get_content() if body is not None else "")
        self.came.set()
        return "250 OK"


@pytest.fixture
def postbox() -> Iterator[Postbox]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        box = Postbox(port=probe.getsockname()[1])
    controller = Controller(box, hostname="127.0.0.1", port=box.port)
    controller.start()
    yield box
    controller.stop()


@pytest.fixture
def more_site(postbox: Postbox) -> str:
    """A mail server of its own."""
    return f"mail: {{from: ops@example.com, smtp: {{host: 127.0.0.1, port: {postbox.port}, security: none}}}}\n"


@pytest.fixture
def more_files() -> dict[str, str]:
    """A routine that takes its time, and one with an approval."""
    return {"routines/long.yaml": LONG, "routines/restarts.yaml": RESTARTS}


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without"])
def test_one_comes_in_by_a_mailed_link(
    served: Served, window: Callable[..., Page], postbox: Postbox, scripts: bool
) -> None:
    page = window(width=390, scripts=scripts)
    page.goto(f"{served.address}/tasks/1")
    page.get_by_label("mail").fill("ops1@example.com")
    page.get_by_role("button").click()
    expect(page.get_by_text("a mail is on its way")).to_be_visible()
    assert postbox.came.wait(20)
    (link,) = re.findall(r"https?://\S+/sign-in/\S+", postbox.texts[-1])
    for _ in range(2):  # a scanner of mails looks first
        page.goto(link)
        expect(page.get_by_role("heading", level=1)).to_contain_text("First technician")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Three things need you")
    other = window(width=390, scripts=scripts)
    other.goto(link)
    expect(other.get_by_role("button", name="Sign in as")).to_have_count(0)


def test_a_live_run_is_followed_line_by_line_to_its_end(served: Served, signed_in: SignedIn) -> None:
    page = signed_in("boss")
    page.goto(f"{served.address}/routines/long")
    page.get_by_text("Run it now…").click()
    page.get_by_role("button", name="Yes, run it").click()
    page.locator("main a[href^='/runs/']").first.click(timeout=10_000)  # it appears there by itself
    said = page.get_by_role("log")
    expect(said).to_contain_text("file 3 of 60", timeout=5000)
    page.evaluate("window.stays = true")
    for line in (10, 20, 30):
        expect(said).to_contain_text(f"file {line} of 60", timeout=3000)
    lines = said.inner_text().split("\n")
    assert [line for line in lines if line] == [f"file {n} of 60" for n in range(1, len([x for x in lines if x]) + 1)]
    expect(page.locator("main .lede .tag")).to_have_text("succeeded", timeout=15_000)
    expect(said).to_have_count(0)
    expect(page.get_by_text("What it wrote last")).to_be_visible()
    assert page.evaluate("window.stays"), "nobody loaded the page anew"


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without"])
def test_a_row_of_an_approval_is_struck(served: Served, signed_in: SignedIn, scripts: bool) -> None:
    served.ask("run", "restarts", "--as", "boss")
    page = signed_in("boss", width=390, scripts=scripts)
    page.get_by_role("link", name="Open to mark: Approve").click()
    item = page.locator("li.task", has_text="Approve tonight")
    item.get_by_label("Strike row 2").check()
    item.get_by_role("button", name="Approve").click()
    expect(page.locator("li.task.ended", has_text="Approve tonight")).to_be_visible()
    number = int(served.ask("runs", "--routine", "restarts", "--json").split('"id":')[1].split(",")[0])
    page.goto(f"{served.address}/runs/{number}")
    for _ in range(45):  # undo lasts for half a minute
        if "restarting web1 and db1" in page.content():
            break
        page.wait_for_timeout(1000)
        if not scripts:
            page.reload()
    assert "restarting web1 and db1" in page.content()
    page.goto(f"{served.address}/runs/{number}")
    expect(page.get_by_text("1 of 3 struck")).to_have_count(0)


def test_a_checklist_is_printed_with_room_to_write(served: Served, signed_in: SignedIn, tmp_path: Path) -> None:
    page = signed_in("ops1")
    page.goto(f"{served.address}/runs/1")
    expect(page.get_by_role("button", name="Print the checklist")).to_be_visible()
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    page.emulate_media(media="print")
    expect(page.get_by_text("Open the report.")).to_be_visible()
    for gone in (page.locator("header.bar"), page.locator(".btn, summary.btn"), page.get_by_role("textbox")):
        for one in gone.all():
            expect(one).to_be_hidden()
    expect(page.get_by_text("Found and done").first).to_be_visible()
    page.screenshot(path=tmp_path / "paper.png", full_page=True)
    paper = page.pdf(format="A4")
    assert paper.startswith(b"%PDF")
    assert len(re.findall(rb"/Type\s*/Page\b", paper)) == 1, "one sheet"
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    page.emulate_media(media="screen")
    expect(page.get_by_text("Open the report.")).to_be_hidden()


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_the_doors_and_the_digests_are_for_everybody(
    served: Served, signed_in: SignedIn, window: Callable[..., Page], width: int, dark: bool
) -> None:
    page = window(width=width, dark=dark)
    for path in ("/sign-in", "/sign-in/" + "x" * 43):
        page.goto(served.address + path)
        assert Axe().run(page).violations_count == 0, path
    page.goto(served.link("ops1"))
    assert Axe().run(page).violations_count == 0
    served.ask("digest", "--send")
    mine = signed_in("boss", width=width, dark=dark)
    mine.goto(f"{served.address}/digests")
    mine.locator("main li a").first.click()
    letter = mine.frame_locator("iframe")
    expect(letter.get_by_text("Example Hosting").first).to_be_visible()
    found = Axe().run(mine)
    assert found.violations_count == 0, found.generate_report()
    assert mine.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_on_a_phone_the_other_pages_are_a_touch_further(served: Served, signed_in: SignedIn) -> None:
    page = signed_in("boss", width=390)
    nav = page.get_by_role("navigation", name="Main")
    expect(nav.get_by_role("link", name="Calendar")).to_be_hidden()
    nav.get_by_text("More").click()
    nav.get_by_role("link", name="Calendar").click()
    expect(page).to_have_url(re.compile("/calendar$"))
    box = nav.bounding_box()
    assert box is not None
    assert box["width"] <= 390
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
