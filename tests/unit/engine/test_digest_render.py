"""The digest's two parts as its reader gets them."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

import pytest

from opsrunner.engine.digest_render import HTML_LIMIT_BYTES, TEXT_LIMIT_BYTES, render_html, render_text
from opsrunner.engine.digest_words import compose_headline, compose_subject
from opsrunner.mail.message import build
from opsrunner.model.digest import Coming, Digest, OpenItem, Planned
from opsrunner.model.mail import NewMail
from opsrunner.templates.environments import render_mail_page

SECTIONS = (
    "Not watched",
    "Needs you",
    "Others have in hand",
    "The house",
    "What went as planned",
    "What comes in the next 7 days",
    "Held back or accepted",
)
MAIL_LIMIT_BYTES = 200_000


class Page(HTMLParser):
    """What of an HTML mail can be asserted on."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.unstyled: list[str] = []
        self.links: list[str] = []
        self.words = ""
        self._in_head = True
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.tags.append(tag)
        self._in_head = self._in_head and tag != "body"
        if tag in ("td", "a", "div") and not given.get("style"):
            self.unstyled.append(f"{tag} {given}")
        if tag == "a":
            self.links.append(given["href"] or "")

    def handle_data(self, data: str) -> None:
        if not self._in_head:
            self.words += data


def visible(html: str) -> str:
    return " ".join(Page(html).words.replace("\u200c", "").replace("\u034f", "").split())


def flat(text: str) -> str:
    return " ".join(text.split())


def in_order(text: str, wanted: tuple[str, ...]) -> bool:
    places = [text.lower().find(words.lower()) for words in wanted]
    return -1 not in places and places == sorted(places)


def test_it_says_the_verdict_first_and_then_what_needs_whom(full_digest: Digest, packaged: tuple[Path, ...]) -> None:
    for text in (visible(render_html(full_digest, packaged)), flat(render_text(full_digest, packaged))):
        assert in_order(text, ("Two things need you. Two are in hand. 37 are fine.", *SECTIONS))


def test_it_says_the_same_in_both_parts(full_digest: Digest, packaged: tuple[Path, ...]) -> None:
    said = [item.title for item in (*full_digest.needs_you, *full_digest.in_hand)]
    said += [item.facts for item in (*full_digest.needs_you, *full_digest.in_hand)]
    said += [figure.text for figure in full_digest.house] + [coming.text for coming in full_digest.coming]
    said += [full_digest.counts, full_digest.gaps[0], full_digest.muted[0], full_digest.footer]
    said += [
        "Fri 20 Nov 07:00 to Sat 21 Nov 07:00",
        "third day",
        "sixth day",
        "and 34 more",
        "opsrunner tick 14",
        "opsrunner show 214",
    ]
    for text in (visible(render_html(full_digest, packaged)), flat(render_text(full_digest, packaged))):
        assert [words for words in said if words not in text] == []


def test_it_leaves_out_what_is_empty_when_all_is_well(calm_digest: Digest, packaged: tuple[Path, ...]) -> None:
    for text in (visible(render_html(calm_digest, packaged)), flat(render_text(calm_digest, packaged))):
        assert "All 37 are fine. Nothing needs you." in text
        assert text.lower().count("needs you") == 1
        assert [words for words in (SECTIONS[0], SECTIONS[2], SECTIONS[6]) if words.lower() in text.lower()] == []
        assert "also when all is well. If one is missing" in text


def test_it_is_made_of_tables_and_inline_styles(full_digest: Digest, packaged: tuple[Path, ...]) -> None:
    html = render_html(full_digest, packaged)
    page = Page(html)
    assert page.unstyled == []
    assert not {"img", "script", "link", "iframe", "form", "input", "svg"} & set(page.tags)
    block = re.search(r"<style[^>]*>(.*?)</style>", html, re.DOTALL)
    assert block is not None
    assert re.findall(r"@media \([^)]*\)", block[1]) == [
        "@media (max-width: 480px)",
        "@media (prefers-color-scheme: dark)",
    ]
    assert "url(" not in html
    assert "max-width:600px" in html
    assert html.index("<meta charset") < 100


def test_it_shows_the_preheader_before_everything_else(full_digest: Digest, packaged: tuple[Path, ...]) -> None:
    html = render_html(full_digest, packaged)
    assert visible(html).startswith(full_digest.preheader)
    assert re.search(r'<div class="preheader" style="display:none', html)


def test_it_never_tells_by_colour_alone(full_digest: Digest, packaged: tuple[Path, ...]) -> None:
    for text in (visible(render_html(full_digest, packaged)).upper(), render_text(full_digest, packaged)):
        for marked in ("✕ OVERDUE", "! APPROVE", "✕ FAILED", "! LOOK"):
            assert marked in text
    assert "! 38 of 40 with a proven copy" in visible(render_html(full_digest, packaged))


def test_it_draws_the_last_days_as_signs(full_digest: Digest, packaged: tuple[Path, ...]) -> None:
    html, text = render_html(full_digest, packaged), render_text(full_digest, packaged)
    assert "✓ ✓ ! ✓ ✕ ✓ ○ ✓ ! ✕  the worst of each day since Thu 12 Nov" in text
    assert "✓✓!✓✕✓○✓!✕ The worst of each day since Thu 12 Nov" in visible(html)


def test_it_keeps_the_text_part_on_72_columns(full_digest: Digest, packaged: tuple[Path, ...]) -> None:
    lines = render_text(full_digest, packaged).split("\n")
    assert [line for line in lines if len(line) > 72 and "https://" not in line] == []
    assert "\n\n\n\n" not in "\n".join(lines)


def test_it_links_to_pages_only(full_digest: Digest, packaged: tuple[Path, ...]) -> None:
    items = tuple(
        replace(full_digest.needs_you[0], url=url)
        for url in (
            "https://ops.example.com/tasks/12?a=1&b=2",
            "javascript:alert(1)",
            'https://x" onmouseover="y',
            "https://ops.example.com/\n",
            "https://ops.example.com/" + "x" * 1000,
        )
    )
    html = render_html(replace(full_digest, needs_you=items, in_hand=()), packaged)
    assert Page(html).links[0] == "https://ops.example.com/tasks/12?a=1&b=2"
    assert [link for link in Page(html).links if not link.startswith("https://")] == []
    assert "onmouseover=" not in re.sub(r'href="[^"]*"', "", html)


@pytest.mark.parametrize(
    "hostile",
    [
        "<script>alert(1)</script>",
        "{{ 7 * 7 }}",
        "{% include 'mail.css' %}",
        "</td></tr></table><style>*{}</style>",
        "\u202eabc\x00\r\n",
    ],
)
def test_it_shows_output_as_it_is(hostile: str, full_digest: Digest, packaged: tuple[Path, ...]) -> None:
    item = OpenItem(tone="failed", word=hostile, title=hostile, facts=hostile, with_whom=hostile, url="")
    digest = replace(
        full_digest,
        site=hostile,
        headline=hostile,
        subject=hostile,
        preheader=hostile,
        needs_you=(item,),
        in_hand=(item,),
        gaps=(hostile,),
        muted=(hostile,),
        planned=(Planned(name=hostile, text=hostile),),
        footer=hostile,
    )
    html = render_html(digest, packaged)
    shown = flat(hostile.replace("\u202e", " ").replace("\x00", " "))
    assert visible(html).count(shown) >= 8
    assert {"script"} & set(Page(html).tags) == set()
    assert Page(html).tags.count("style") == 1
    assert shown in flat(render_text(digest, packaged))


@pytest.mark.parametrize(
    "line",
    [
        pytest.param("x" * 1_000_000, id="one long word"),
        pytest.param("error: disk full " * 60_000, id="words"),
        pytest.param("'<&\"" * 250_000, id="signs that grow when escaped"),
        pytest.param("你好👍🏽" * 250_000, id="signs of four bytes"),
        pytest.param("\x1b[31m\udcff\n" * 200_000, id="bytes that are no text"),
    ],
)
def test_it_stays_small_and_counts_right_with_5000_failures(
    line: str, full_digest: Digest, packaged: tuple[Path, ...]
) -> None:
    failure = OpenItem(tone="failed", word="Failed", title=line, facts=line, with_whom=line, run=1, short=line)
    digest = replace(
        full_digest,
        headline=compose_headline(5000, 5000, 0),
        subject=compose_subject(["backup"] * 5000, in_hand=5000, fine=0, day=full_digest.days[-1].day, series="daily"),
        needs_you=(failure,) * 5000,
        in_hand=(failure,) * 5000,
        planned=(Planned(name=line, text=line),) * 5000,
        coming=(Coming(at=datetime(2026, 11, 22, tzinfo=UTC), when=line, text=line),) * 5000,
        muted=(line,) * 5000,
        gaps=(line,) * 5000,
        footer=line,
    )
    html, text = render_html(digest, packaged), render_text(digest, packaged)
    assert len(html.encode()) <= HTML_LIMIT_BYTES < 90_000
    assert len(text.encode()) <= TEXT_LIMIT_BYTES
    mail = NewMail(to="boss@example.com", subject=digest.subject, text=text, html=html)
    message = build(mail, from_="ops@example.com", message_id="a.1", date=datetime(2026, 11, 21, tzinfo=UTC))
    assert len(message.as_bytes()) < MAIL_LIMIT_BYTES
    for part in (visible(html), flat(text)):
        assert "5,000 things need you. 5,000 are in hand." in part
        shown = part.upper().count("✕ FAILED")
        left_out = [int(number.replace(",", "")) for number in re.findall(r"and ([\d,]+) more", part)]
        assert 2 * (5000 - left_out[1]) == shown


def test_it_ships_a_welcome_letter_that_takes_its_names_from_a_row(packaged: tuple[Path, ...]) -> None:
    row = {"name": "Kari", "account": "kari1"}
    subject, text = render_mail_page(
        "welcome.txt.j2", {"site": {"name": "Example Hosting"}, "row": row}, folders=packaged
    )
    assert subject == "Welcome to Example Hosting, Kari"
    assert "your account kari1 is ready" in text


def test_it_takes_the_sites_own_template_first(tmp_path: Path, full_digest: Digest, packaged: tuple[Path, ...]) -> None:
    (tmp_path / "digest.txt.j2").write_text("{{ digest.verdict }} Our own words.")
    assert render_text(full_digest, (tmp_path, *packaged)) == "Two things need you. Our own words."


def test_it_comes_even_if_the_sites_own_template_is_broken(
    tmp_path: Path, full_digest: Digest, packaged: tuple[Path, ...], caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "digest.txt.j2").write_text("{{ digest.verdict }} {{ digest.verdikt }}")
    assert render_text(full_digest, (tmp_path, *packaged)) == render_text(full_digest, packaged)
    assert "the packaged digest.txt.j2 is used" in caplog.text
