"""Feeds out of their bytes: what they say, and what they try."""

import time
from contextlib import suppress
from datetime import UTC, datetime

import pytest

from opsrunner.sources.feed_entries import MOST_ENTRIES, Feed, read_feed
from opsrunner.sources.feed_xml import BadFeed

from ...patience import within

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
PLACE = "https://forum.example.com/new.rss"


def read(text: str | bytes, **given: str) -> Feed:
    data = text.encode() if isinstance(text, str) else text
    return read_feed(data, name=PLACE, address=PLACE, now=NOW, **given)


def rss(*items: str, head: str = '<?xml version="1.0"?>') -> str:
    spaces = 'xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:slash="http://purl.org/rss/1.0/modules/slash/"'
    return f'{head}<rss version="2.0" {spaces}><channel><title>Our forum</title>{"".join(items)}</channel></rss>'


def item(title: str = "A thread", guid: str = "https://forum.example.com/t/1", more: str = "") -> str:
    return f"<item><title>{title}</title><guid>{guid}</guid>{more}</item>"


def test_rss_is_read_with_all_that_it_tells() -> None:
    feed = read(
        rss(
            "<item><title>Slow &amp;amp; late?</title><link>/t/17</link><guid isPermaLink='false'>17</guid>"
            "<dc:creator>kari</dc:creator><pubDate>Fri, 20 Nov 2026 10:00:00 +0100</pubDate>"
            "<slash:comments>3</slash:comments>"
            "<description>&lt;p&gt;Who &lt;b&gt;knows&lt;/b&gt;?&lt;/p&gt;&lt;script&gt;x&lt;/script&gt;</description>"
            "</item>"
        )
    )

    (entry,) = feed.entries
    assert (feed.title, feed.left_out) == ("Our forum", 0)
    assert entry.entry == f"{PLACE}#17"  # a mere number counts in its feed only
    assert entry.title == "Slow & late?"
    assert entry.link == "https://forum.example.com/t/17"
    assert entry.author == "kari"
    assert entry.published_at == datetime(2026, 11, 20, 9, tzinfo=UTC)
    assert entry.updated_at is None
    assert entry.summary == "Who knows?"
    assert entry.replies == 3


def test_atom_is_read_with_all_that_it_tells() -> None:
    feed = read(
        '<feed xmlns="http://www.w3.org/2005/Atom" xmlns:thr="http://purl.org/syndication/thread/1.0">'
        "<title>Talk</title><entry><id>tag:talk.example,2026:4</id><title type='html'>&lt;b&gt;Hi&lt;/b&gt;</title>"
        "<link rel='replies' href='https://talk.example/4/r' thr:count='0'/><link href='https://talk.example/4'/>"
        "<author><name>ola</name></author><published>2026-11-19T08:00:00Z</published>"
        "<updated>2026-11-20T08:00:00+01:00</updated><content type='xhtml'><div "
        "xmlns='http://www.w3.org/1999/xhtml'><p>Body</p></div></content></entry></feed>"
    )

    (entry,) = feed.entries
    assert (entry.entry, entry.title, entry.link) == ("tag:talk.example,2026:4", "Hi", "https://talk.example/4")
    assert entry.published_at == datetime(2026, 11, 19, 8, tzinfo=UTC)
    assert entry.updated_at == datetime(2026, 11, 20, 7, tzinfo=UTC)
    assert entry.summary == "Body"
    assert entry.replies == 0


def test_rdf_is_read() -> None:
    feed = read(
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns="http://purl.org/rss/1.0/">'
        '<channel rdf:about="https://x.example/"><title>Old</title></channel>'
        '<item rdf:about="https://x.example/1"><title>One</title><link>https://x.example/1</link></item></rdf:RDF>'
    )

    assert [(entry.entry, entry.title) for entry in feed.entries] == [("https://x.example/1", "One")]


@pytest.mark.parametrize(
    ("items", "names"),
    [
        (["<item><title>x</title><link>https://f.example/1</link></item>"], ["https://f.example/1"]),
        ([item(guid="https://f.example/1?p=2")], ["https://f.example/1?p=2"]),
        ([item(), item(title="the same again")], ["https://forum.example.com/t/1"]),
        ([item(guid="x" * 5000)], None),
        (["<item><title>neither id nor link</title></item>"], None),
    ],
)
def test_an_entry_has_one_name_for_good(items: list[str], names: list[str] | None) -> None:
    first, again = read(rss(*items)), read(rss(*items[::-1]))

    found = [entry.entry for entry in first.entries]
    assert found == [entry.entry for entry in again.entries]
    assert all(len(name) <= 200 for name in found)
    if names is None:
        assert found[0].startswith("sha256:")
    else:
        assert found == names


def test_an_entry_keeps_its_name_when_it_is_dated_anew_or_said_otherwise() -> None:
    before = read(rss(item(more="<pubDate>Fri, 20 Nov 2026 10:00:00 GMT</pubDate>")))
    after = read(rss(item(title="Edited", more="<pubDate>Sat, 21 Nov 2026 10:00:00 GMT</pubDate>")))

    assert before.entries[0].entry == after.entries[0].entry


@pytest.mark.parametrize(
    "date",
    [
        "Fri, 20 Nov 2066 10:00:00 GMT",
        "yesterday",
        "0000-00-00",
        "Fri, 99 Nov 2026",
        "1" * 5000,
        "1970-01-01T00:00:00Z",
        "",
    ],
)
def test_a_date_that_cannot_be_is_none(date: str) -> None:
    assert read(rss(item(more=f"<pubDate>{date}</pubDate>"))).entries[0].published_at is None


@pytest.mark.parametrize(
    "link",
    [
        "javascript:alert(1)",
        "JavaScript:alert(1)",
        "data:text/html,x",
        "file:///etc/passwd",
        "vbscript:x",
        "http://[",
        "",
    ],
)
def test_a_link_that_is_no_web_address_is_dropped(link: str) -> None:
    more = f"<link>{link}</link>"
    assert read(rss(f"<item><title>x</title><guid isPermaLink='false'>1</guid>{more}</item>")).entries[0].link is None


def test_titles_are_plain_lines() -> None:
    hostile = "&lt;script&gt;alert(1)&lt;/script&gt;\u202e{{ 7*7 }}\u2028x"
    (entry,) = read(rss(item(title=hostile))).entries

    assert "\u202e" not in entry.title
    assert "\u2028" not in entry.title
    assert "{{ 7*7 }}" in entry.title  # data, which nothing here renders
    assert len(read(rss(item(title="x" * 100_000))).entries[0].title) == 200


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;">]>' + rss(item(title="&b;"), head=""),
            "declares entities of its own, which can grow without bound; it is refused",
        ),
        (
            '<?xml version="1.0"?><!DOCTYPE rss [<!ENTITY xxe SYSTEM "file:///etc/passwd">]>'
            + rss(item(title="&xxe;"), head=""),
            "declares entities of its own, which can grow without bound; it is refused",
        ),
        (
            "<html><body>Not a feed</body></html>",
            "is a web page and no feed; give the address that its RSS or Atom link names",
        ),
        ("<svg xmlns='http://www.w3.org/2000/svg'/>", "is no feed: its outermost element is <svg>"),
        ("<rss><channel>", "is not well-formed XML: line 1, column 15: no element found"),
        ("", "is not well-formed XML: line 1, column 1: no element found"),
        ("hello", "is not well-formed XML: line 1, column 1: syntax error"),
        ("<?xml version='1.0'", "is no feed: nothing follows its head"),
        ("<!-- " * 10, "is no feed: nothing follows its head"),
        ("<rss>" + "<a>" * 100 + "</a>" * 100 + "</rss>", "is nested deeper, or has more attributes, than any feed"),
        ("<rss>" + "<a/>" * 70_000 + "</rss>", "is made of more than 60,000 parts"),
        ('<?xml version="1.0" encoding="utf-7"?><rss/>', "is written in 'utf-7', which no feed is written in"),
        ('<?xml version="1.0" encoding="rot13"?><rss/>', "is written in 'rot13', which no feed is written in"),
    ],
)
def test_what_is_no_harmless_feed_is_refused_in_one_line(text: str, message: str) -> None:
    with pytest.raises(BadFeed) as refused:
        read(text)
    assert refused.value.message == message


@pytest.mark.parametrize(
    ("text", "title"),
    [
        (rss(item(title="a & b")), "a & b"),
        (rss(item(title="caf&eacute;&nbsp;au lait")), "café au lait"),
        (rss(item(title="bell \x07 rings")), "bell rings"),
        (rss(item(title="&unknown;")), "&unknown;"),
        ("\n\n  " + rss(item(title="late head")), "late head"),
        (
            '<!DOCTYPE rss PUBLIC "-//Netscape//DTD RSS 0.91//EN" "http://x.example/rss.dtd">'
            + rss(item(title="old"), head=""),
            "old",
        ),
    ],
)
def test_what_feeds_get_wrong_most_is_put_right(text: str, title: str) -> None:
    assert read(text).entries[0].title == title


@pytest.mark.parametrize(
    ("encoding", "declared", "charset"),
    [
        ("utf-8", "", ""),
        ("utf-8-sig", "", ""),
        ("utf-16", "", ""),
        ("iso-8859-1", "iso-8859-1", ""),
        ("windows-1252", "Windows-1252", "utf-8"),
        ("iso-8859-1", "", "iso-8859-1"),
        ("utf-8", "us-ascii", ""),
    ],
)
def test_every_usual_encoding_is_read(encoding: str, declared: str, charset: str) -> None:
    head = f'<?xml version="1.0" encoding="{declared}"?>' if declared else ""
    feed = read(rss(item(title="Blåbær"), head=head).encode(encoding), charset=charset)

    assert feed.entries[0].title == "Blåbær"


def test_a_flood_of_entries_is_cut_and_said() -> None:
    feed = read(rss(*(item(guid=f"https://f.example/{number}") for number in range(MOST_ENTRIES + 7))))

    assert (len(feed.entries), feed.left_out) == (MOST_ENTRIES, 7)


@pytest.mark.parametrize(
    "text",
    [
        "\n" * 2_000_000 + rss(),
        "<!--" + "-" * 1_999_000 + ">" + rss(),
        "<?encoding='" + "encoding='" * 200_000,
        rss(item(title="<" * 1_900_000)),
        rss(item(title="&" * 1_900_000)),
        rss(item(more=f"<pubDate>{'1 ' * 900_000}</pubDate>")),
        rss(item(more=f"<pubDate>{'2026-11-20T' * 150_000}</pubDate>")),
        rss(item(more=f"<description>{'&lt;script' * 190_000}</description>")),
        rss(item(more=f"<description>{'&lt;a href=' * 180_000}</description>")),
        '<feed xmlns="http://www.w3.org/2005/Atom"><entry><content type="xhtml">'
        + "\n<!---->" * 200_000
        + "</content></entry></feed>",
        '<feed xmlns="http://www.w3.org/2005/Atom"><entry><title type="xhtml">'
        + " <b/>" * 29_000
        + "</title></entry></feed>",
    ],
)
def test_two_megabytes_made_to_take_long_do_not(text: str) -> None:
    def read_it() -> None:
        with suppress(BadFeed):
            read(text[:2_000_000])

    within(5, read_it, clock=time.thread_time)
