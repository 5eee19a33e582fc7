"""Two forums where the invented company's customers talk: their feeds, one RSS and one Atom."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from email.utils import format_datetime
from xml.sax.saxutils import escape

from opsrunner.records import dataclass
from opsrunner.sample.company import Company, at, text
from opsrunner.sample.names import HOSTILE

DAYS_BACK = 14
OWN, OTHERS = "https://forum.example.com", "https://talk.example"
TOPICS = (
    "Cheap VPS in the north?",
    "Which panel do you use in small shops?",
    "Mails to big providers are refused since Monday",
    "Moving forty sites: what would you do first?",
    "Is shared hosting dead?",
    "Backups: who has really restored one?",
    "Best name servers for a small host",
    "How do you handle phishing reports?",
)
NAMING = (
    "Anyone here with {name}? Thinking of moving",
    "{name}: slow this evening?",
    "Thumbs up for {name}",
    "{name} or the other one for a web shop?",
)


@dataclass(frozen=True, kw_only=True)
class Thread:
    """One thread as a feed tells of it."""

    number: str
    title: str
    link: str
    author: str
    started_at: datetime
    replies: int
    summary: str


def threads_of(company: Company, *, base: str, name: str) -> list[Thread]:
    """Return the threads of the forum at `base` of the last days, newest first; every day one names the company."""
    threads = [thread for day in company.days_back(DAYS_BACK) for thread in _started_on(day, company, base, name)]
    return threads[::-1]


def rss(threads: list[Thread], *, title: str, base: str) -> str:
    """Return a feed in RSS 2.0."""
    items = "".join(
        f"<item><title>{escape(one.title)}</title><link>{escape(one.link)}</link>"
        f'<guid isPermaLink="false">{escape(one.number)}</guid><dc:creator>{escape(one.author)}</dc:creator>'
        f"<pubDate>{format_datetime(one.started_at)}</pubDate><slash:comments>{one.replies}</slash:comments>"
        f"<description>{escape(f'<p>{escape(one.summary)}</p>')}</description></item>\n"
        for one in threads
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<rss version="2.0" xmlns:dc="http://purl.org/dc/elements/1.1/" '
        'xmlns:slash="http://purl.org/rss/1.0/modules/slash/">\n'
        f"<channel><title>{escape(title)}</title><link>{base}</link><description>{escape(title)}</description>\n"
        f"{items}</channel></rss>\n"
    )


def atom(threads: list[Thread], *, title: str, base: str) -> str:
    """Return a feed in Atom 1.0."""
    updated = text(threads[0].started_at) if threads else "1970-01-01T00:00:00Z"
    entries = "".join(
        f'<entry><title type="text">{escape(one.title)}</title><id>{escape(one.number)}</id>'
        f'<link href="{escape(one.link)}"/><author><name>{escape(one.author)}</name></author>'
        f"<published>{text(one.started_at)}</published><updated>{text(one.started_at)}</updated>"
        f'<summary type="html">{escape(f"<p>{escape(one.summary)}</p>")}</summary></entry>\n'
        for one in threads
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<feed xmlns="http://www.w3.org/2005/Atom">\n'
        f"<title>{escape(title)}</title><id>{base}/</id><updated>{updated}</updated>\n{entries}</feed>\n"
    )


def _started_on(day: date, company: Company, base: str, name: str) -> Iterator[Thread]:
    chance = company.dice("forum", base, day.isoformat())
    hours = sorted((0.2, *(chance.uniform(1, 23) for _ in range(chance.choice((1, 2, 3))))))
    for index, hour in enumerate(hours, start=1):
        title = chance.choice(NAMING).format(name=name) if index == 1 else chance.choice(TOPICS)
        if index > 1 and chance.random() < 0.06:
            title = chance.choice(HOSTILE)
        number = f"{day:%y%m%d}{index:02}"
        thread = Thread(
            number=f"{base}/t/{number}",
            title=title,
            link=f"{base}/t/{number}",
            author=f"user{chance.randrange(100, 999)}",
            started_at=at(day, hours=hour),
            replies=chance.choice((0, 0, 1, 3, 7)),
            summary=f"{title} What do you say?",
        )
        if thread.started_at < company.now:
            yield thread
