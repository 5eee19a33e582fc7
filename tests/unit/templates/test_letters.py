"""Letters to customers: each says what it has to, whatever the customer is called."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from opsrunner.mail.message import build
from opsrunner.mail.styles import inline_styles
from opsrunner.model.mail import NewMail
from opsrunner.sample.names import HOSTILE
from opsrunner.templates.environments import render_mail_page, render_page

REPORTS = Path(__file__).parents[3] / "reports"
FRAMES = {"letter", "alert"}
"""What others extend."""
OF_THE_HOUSE = {"digest", "escalation", "follow_up", "reminder", "urgent"}
"""What staff get; tested with the engine that sends it."""
AT = datetime(2026, 12, 1, 2, tzinfo=UTC)
SITE = {"name": "Nordlys Hosting", "timezone": "Europe/Oslo"}
NOTICE: dict[str, Any] = {
    "to": "post@fjord.example",
    "key": "fjord.example",
    "at": AT,
    "until": None,
    "days": 14,
    "rung": "14d",
    "change": "",
    "was_at": None,
    "unsubscribe_url": "https://ops.example.com/leave?token=a&b",
}
WINDOW = {
    "title": "Kernel on web3",
    "about": "Restart into a newer kernel.",
    "when": "Tuesday 1 December 2026, 02:00 to 04:00 (CET)",
}
DOWNTIME: dict[str, Any] = {
    "to": "post@fjord.example",
    "window": WINDOW,
    "rung": "7d",
    "change": "",
    "was": "",
    "post": "",
    "reason": "",
    "is_over": False,
    "services": [{"service": "fjord.example", "host": "web3"}],
}
POST = "Still at it.\n\nThe second disk is in."
LETTERS: list[tuple[str, str, dict[str, Any], str]] = [
    # template, what it is, context beside row, site and name; what it has to say
    ("renewal", "weeks ahead", NOTICE, "fjord.example ends in 14 days"),
    ("renewal", "tomorrow", NOTICE | {"days": 1}, "fjord.example ends tomorrow"),
    ("renewal", "today", NOTICE | {"days": 0}, "fjord.example ends today"),
    ("renewal", "over", NOTICE | {"days": -2}, "fjord.example has ended"),
    ("hosting", "weeks ahead", NOTICE, "Your hosting of fjord.example ends in 14 days"),
    ("hosting", "tomorrow", NOTICE | {"days": 1}, "ends tomorrow"),
    ("hosting", "over", NOTICE | {"days": -2}, "has ended"),
    ("maintenance", "announced", DOWNTIME, WINDOW["when"]),
    ("maintenance", "begins", DOWNTIME | {"rung": "start"}, "It begins: Kernel on web3"),
    ("maintenance", "post", DOWNTIME | {"rung": "post", "post": POST}, "The second disk is in."),
    ("maintenance", "end", DOWNTIME | {"rung": "end", "is_over": True}, "Finished: Kernel on web3"),
    ("maintenance", "moved", DOWNTIME | {"change": "moved", "was": "Monday", "reason": "A part is late."}, "Monday"),
    ("maintenance", "cancelled", DOWNTIME | {"change": "cancelled", "reason": "Not needed."}, "does not take place"),
    ("incident", "told", DOWNTIME | {"rung": "start"}, "We know of it"),
    ("incident", "post", DOWNTIME | {"rung": "post", "post": POST}, "The second disk is in."),
    ("incident", "end", DOWNTIME | {"rung": "end", "is_over": True}, "Solved: Kernel on web3"),
    ("welcome", "", {}, "fjord01"),
    ("solved", "", {}, "T261121-02"),
    ("reward", "", {}, "250"),
    ("anniversary", "", {}, "3 years"),
    ("feedback-answer", "", {}, "Nobody told us"),
    ("dispute", "", {}, "F2611-1042"),
]
ROW: dict[str, Any] = {
    "account": "fjord01",
    "product": "Business",
    "domain": "fjord.example",
    "ticket": "T261121-02",
    "subject": "No mail since this morning",
    "credit": 250,
    "since": date(2023, 5, 17),
    "years": 3,
    "falls_on": date(2026, 11, 23),
    "comment": "Nobody told us\nthat it was down.",
    "invoice": "F2611-1042",
    "amount": 590,
    "answer_by": date(2026, 12, 1),
}


class Page(HTMLParser):
    """What of an HTML mail can be asserted on."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.words = ""
        self._hidden = 0
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self._hidden += tag in ("style", "title")

    def handle_endtag(self, tag: str) -> None:
        self._hidden -= tag in ("style", "title")

    def handle_data(self, data: str) -> None:
        self.words += "" if self._hidden else data


def letter(template: str, more: Mapping[str, Any], **row: Any) -> tuple[str, str, str]:
    """Return subject, text and HTML of a letter."""
    whole = ROW | row
    context = {"site": SITE, "now": AT, "today": AT.date(), "row": whole, "name": whole["name"], **more}
    if not more:
        del context["name"]  # an `email` step has the row alone
    subject, text = render_mail_page(f"{template}.txt.j2", context, folders=[REPORTS])
    return subject, text, render_page(f"{template}.html.j2", context, folders=[REPORTS], html=True)


CASES = [pytest.param(*case, id=f"{case[0]} {case[1]}".strip()) for case in LETTERS]


@pytest.mark.parametrize(("template", "_what", "more", "said"), CASES)
def test_text_and_page_say_the_same_thing_by_name(template: str, _what: str, more: dict[str, Any], said: str) -> None:
    subject, text, html = letter(template, more, name="Fjord Books")
    page = " ".join(Page(html).words.split())

    assert said in f"{subject}\n{text}"
    assert said in page
    for words in (text, page):
        assert "Dear Fjord Books," in words
        assert "Nordlys Hosting" in words
        assert "None" not in words
    assert "\n\n\n\n" not in text
    assert subject.strip()


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize(("template", "_what", "more", "said"), CASES)
def test_a_hostile_name_is_nothing_but_a_name(
    template: str, _what: str, more: dict[str, Any], said: str, name: str
) -> None:
    """C22, C24, C26."""
    subject, text, html = letter(template, more, name=name, subject=name, comment=name, account=name)
    plain = Page(letter(template, more, name="x")[2]).tags

    assert name in text
    assert Page(html).tags == plain, "no tag of its own"
    assert name in Page(html).words
    mail = NewMail(to="post@fjord.example", subject=subject, text=text, html=inline_styles(html), about="a test")
    assert "\n" not in build(mail, from_="ops@example.com", message_id="1", date=AT)["Subject"]


def test_a_letter_without_a_name_greets_a_customer() -> None:
    assert "Dear customer," in letter("renewal", NOTICE, name="")[1]


def test_the_way_out_stands_below_where_there_is_one() -> None:
    with_it, without = (
        letter("renewal", NOTICE, name="A"),
        letter("renewal", NOTICE | {"unsubscribe_url": ""}, name="A"),
    )

    assert NOTICE["unsubscribe_url"] in with_it[1]
    assert 'href="https://ops.example.com/leave?token=a&amp;b"' in with_it[2]
    assert "No more letters" not in without[1] + without[2]


def test_every_letter_in_reports_is_tried_here() -> None:
    there = {path.name.removesuffix(".txt.j2") for path in REPORTS.glob("*.txt.j2")}
    pages = {path.name.removesuffix(".html.j2") for path in REPORTS.glob("*.html.j2")}

    assert there - FRAMES - OF_THE_HOUSE == {template for template, *_ in LETTERS}
    assert there - pages == set(), "a page for each text"


def test_the_styles_stand_in_the_elements() -> None:
    html = inline_styles(letter("reward", {}, name="A")[2])

    letters = re.findall(r'<td class="letter"[^>]*>', html)
    assert letters
    assert all("style=" in one for one in letters)
