"""Makes sure that a feed is harmless XML before it is parsed: no entities of its own, no depth, no mass.

Only what stands here is handed to feedparser, which then never needs its lenient parser: that one, and the regular
expressions with which it looks at a document's head, take minutes over two megabytes made for the purpose.
"""

from __future__ import annotations

import codecs
import html.entities
import re
from xml.parsers import expat

from opsrunner.errors import OpsrunnerError

MOST_NODES = 60_000
"""Elements, comments, instructions and CDATA sections together."""
MOST_DEPTH = 60
MOST_ATTRIBUTES = 200
MOST_GROWTH = 2
"""Times its length, of a feed that is put right."""
_DECLARED = re.compile(r"<\?xml[^>]{0,200}?\bencoding\s*=\s*[\"']([A-Za-z0-9._-]{1,40})[\"']")
_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_WITHOUT_BOM = ((b"<\0?\0", "utf-16-le"), (b"\0<\0?", "utf-16-be"))
_ENCODINGS = re.compile(
    r"(utf-8|utf-16(-[bl]e)?|ascii|iso8859-\d+|cp125\d|cp866|cp874|cp932|cp949|cp950|koi8-[ru]|mac-roman|tis-620"
    r"|shift_jis|shift_jisx0213|euc_jp|euc_kr|iso2022_jp|gb2312|gbk|gb18030|big5)\Z"
)
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_BARE_AMPERSAND = re.compile(r"&(?!#[0-9]{1,7};|#x[0-9a-fA-F]{1,6};|[A-Za-z][A-Za-z0-9]{1,30};)")
_NAMED = re.compile(r"&([A-Za-z][A-Za-z0-9]{1,30});")
_OF_XML = frozenset({"amp", "lt", "gt", "quot", "apos"})
_FEEDS = frozenset({"rss", "feed", "rdf", "channel"})


class BadFeed(OpsrunnerError):
    """It is no feed that can be read; the message completes `ADDRESS: …`."""


def checked_xml(data: bytes, *, charset: str = "") -> bytes:
    """Return a feed as UTF-8, from its outermost element on, that any XML parser takes. Raises BadFeed.

    `charset` is what the server says of it, where the feed itself says nothing. What feeds get wrong most is put
    right: bare ampersands, names of HTML entities, control characters.
    """
    text = _decoded(data, charset)
    start = _root_of(text)
    body, lines_before = text[start:], text.count("\n", 0, start)
    try:
        _Examiner(lines_before).examine(body)
    except _Malformed:
        body = _repaired(body)
        if len(body) > MOST_GROWTH * len(text) + 1_000:
            raise BadFeed("is not well-formed XML: it is nearly all ampersands") from None
        try:
            _Examiner(lines_before).examine(body)
        except _Malformed as exc:
            raise BadFeed(f"is not well-formed XML: {exc.message}") from exc
    return b'<?xml version="1.0" encoding="utf-8"?>\n' + body.encode("utf-8", "replace")


class _Malformed(OpsrunnerError):
    """It is no XML."""


def _decoded(data: bytes, charset: str) -> str:
    for mark, encoding in _BOMS:
        if data.startswith(mark):
            return data[len(mark) :].decode(encoding, "replace")
    for begin, encoding in _WITHOUT_BOM:
        if data.startswith(begin):
            return data.decode(encoding, "replace")
    declared = _DECLARED.match(data[:300].lstrip().decode("latin-1"))
    named = declared[1] if declared else charset or "utf-8"
    try:
        encoding = codecs.lookup(named).name
    except (LookupError, ValueError):
        encoding = ""
    if not _ENCODINGS.match(encoding):
        raise BadFeed(f"is written in '{named[:40]}', which no feed is written in")
    try:
        return data.decode(encoding)
    except UnicodeDecodeError:
        return data.decode("utf-8" if encoding == "ascii" else encoding, "replace")


def _root_of(text: str) -> int:
    """Return where the outermost element begins; what stands before it is left away."""
    position = 0
    while True:
        while position < len(text) and text[position].isspace():
            position += 1
        if text.startswith("<?", position):
            end = text.find("?>", position)
            position = end + 2
        elif text.startswith("<!--", position):
            end = text.find("-->", position)
            position = end + 3
        elif text[position : position + 9].upper() == "<!DOCTYPE":
            end = _end_of_doctype(text, position)
            position = end + 1
        else:
            return position
        if end < 0:
            raise BadFeed("is no feed: nothing follows its head")


def _end_of_doctype(text: str, position: int) -> int:
    end, own = text.find(">", position), text.find("[", position)
    if 0 <= own < end:
        raise BadFeed("declares entities of its own, which can grow without bound; it is refused")
    return end


def _repaired(body: str) -> str:
    body = _NOT_XML.sub("", body)
    body = _BARE_AMPERSAND.sub("&amp;", body)
    return _NAMED.sub(_sign_of, body)


def _sign_of(match: re.Match[str]) -> str:
    name = match[1]
    if name in _OF_XML:
        return match[0]
    signs = html.entities.html5.get(f"{name};")
    return signs if signs and not {"<", "&"} & set(signs) else f"&amp;{name};"


class _Examiner:
    """Reads XML and keeps nothing; raises _Malformed where it is none, BadFeed where it is too much."""

    def __init__(self, lines_before: int) -> None:
        self._lines_before = lines_before
        self._depth = 0
        self._nodes = 0
        self._parser = expat.ParserCreate("utf-8", namespace_separator=" ")
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CommentHandler = self._count
        self._parser.ProcessingInstructionHandler = self._count
        self._parser.StartCdataSectionHandler = self._count
        self._parser.EntityDeclHandler = self._refuse_entity

    def examine(self, body: str) -> None:
        try:
            self._parser.Parse(body.encode("utf-8", "surrogatepass"), True)
        except expat.ExpatError as exc:
            place = f"line {exc.lineno + self._lines_before}, column {exc.offset + 1}"
            raise _Malformed(f"{place}: {expat.ErrorString(exc.code)}") from exc

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if self._nodes == 0:
            _require_feed(name.rpartition(" ")[2])
        self._count()
        self._depth += 1
        if self._depth > MOST_DEPTH or len(attributes) > MOST_ATTRIBUTES:
            raise BadFeed("is nested deeper, or has more attributes, than any feed")

    def _end(self, _name: str) -> None:
        self._depth -= 1

    def _count(self, *_: str) -> None:
        self._nodes += 1
        if self._nodes > MOST_NODES:
            raise BadFeed(f"is made of more than {MOST_NODES:,} parts")

    def _refuse_entity(self, *_: object) -> None:
        raise BadFeed("declares entities of its own, which can grow without bound; it is refused")


def _require_feed(name: str) -> None:
    if name.lower() == "html":
        raise BadFeed("is a web page and no feed; give the address that its RSS or Atom link names")
    if name.lower() not in _FEEDS:
        raise BadFeed(f"is no feed: its outermost element is <{name[:40]}>")
