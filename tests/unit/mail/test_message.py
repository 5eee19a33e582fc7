"""The message as it goes over the wire."""

import email
import email.policy
from datetime import UTC, datetime
from email.message import EmailMessage, MIMEPart
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsrunner.errors import MailFailed
from opsrunner.mail.message import build
from opsrunner.model.mail import Attachment, NewMail

MOMENT = datetime(2026, 11, 21, 6, 0, tzinfo=UTC)
HEADERS = ["From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "Content-Type", "MIME-Version"]
ENCODING = "Content-Transfer-Encoding"


def message_of(
    *,
    to: str = "boss@example.com",
    subject: str = "Hello",
    text: str = "Text",
    html: str = "",
    from_: str = "ops@example.com",
) -> EmailMessage:
    mail = NewMail(to=to, subject=subject, text=text, html=html)
    return build(mail, from_=from_, message_id="abc.1", date=MOMENT)


def read(message: EmailMessage) -> EmailMessage:
    return email.message_from_bytes(message.as_bytes(), policy=email.policy.default)


def content(part: MIMEPart) -> str:
    return str(part.get_content()).replace("\r\n", "\n")


def test_it_has_a_text_part_and_its_html_alternative() -> None:
    mail = read(message_of(text="Plain æøå", html="<p>Rich æøå</p>"))
    assert mail.get_content_type() == "multipart/alternative"
    assert [part.get_content_type() for part in mail.iter_parts()] == ["text/plain", "text/html"]
    assert [content(part).strip() for part in mail.iter_parts()] == ["Plain æøå", "<p>Rich æøå</p>"]


def test_it_is_plain_text_where_there_is_no_html() -> None:
    assert read(message_of()).get_content_type() == "text/plain"


def test_it_says_when_it_was_queued_and_that_a_machine_wrote_it() -> None:
    mail = read(message_of())
    assert mail["Date"].datetime == MOMENT
    assert mail["Message-ID"] == "<abc.1@example.com>"
    assert mail["Auto-Submitted"] == "auto-generated"


@pytest.mark.parametrize(
    "hostile",
    [
        "x\r\nBcc: evil@example.net",
        "x\nBcc: evil@example.net",
        "x\rBcc: evil@example.net",
        "x\x00Bcc: evil@example.net",
        "x\u2028Bcc: evil@example.net",
        "x\u2029\u2029Bcc: evil@example.net\u0085\u0085<script>",
        "å" * 90 + "\r\n\r\nBcc: evil@example.net",
        "=?utf-8?q?x=0D=0ABcc:_evil@example.net?=",
    ],
)
def test_it_lets_no_text_become_a_header(hostile: str) -> None:
    mail = message_of(subject=hostile, to=f"{hostile} <boss@example.com>", from_=f"{hostile} <ops@example.com>")
    names = [line.partition(b":")[0] for line in header_lines(mail)]
    assert sorted(names) == sorted({name.encode() for name in HEADERS} | {b"Content-Transfer-Encoding"})
    assert [address.addr_spec for address in read(mail)["To"].addresses] == ["boss@example.com"]


@pytest.mark.parametrize("field", ["to", "from_"])
def test_it_refuses_two_addresses_where_there_is_one(field: str) -> None:
    with pytest.raises(MailFailed, match="not a mail address"):
        message_of(**{field: "a, b@evil"})


def test_it_never_leaves_the_subject_empty() -> None:
    assert read(message_of(subject="\r\n"))["Subject"] == "(no subject)"


def test_it_survives_output_that_is_no_text() -> None:
    mail = read(message_of(text="a\udcffb\x00c\x1b[1;31mred\x1b[0m\x07\r\nnext\u2028line", html="<p>\ud800</p>"))
    text, html = (content(part) for part in mail.iter_parts())
    assert text == "a\ufffdbcred\nnext\nline\n"
    assert html == "<p>\ufffd</p>\n"


@pytest.mark.parametrize("sign", ["x", "é", "你", "=", " ", ".", "From "])
def test_it_keeps_lines_legal_however_long_the_text(sign: str) -> None:
    message = message_of(text=sign * 30_000, html=f"<p>{sign * 30_000}</p>")
    assert max(len(line) for line in message.as_bytes().split(b"\r\n")) <= 998
    text = read(message).get_body(("plain",))
    assert text is not None
    assert content(text) == sign * 30_000 + "\n"


def test_it_ends_lines_as_smtp_wants() -> None:
    assert b"\n" not in message_of(text="a\nb", html="<p>a\nb</p>").as_bytes().replace(b"\r\n", b"")


CALENDAR = Attachment(
    name="maintenance.ics",
    content_type="text/calendar; method=PUBLISH",
    data="BEGIN:VCALENDAR\r\nSUMMARY:Å\r\n".encode(),
)


def notice(**more: Any) -> EmailMessage:
    mail = NewMail(to="c@example.com", subject="Maintenance", text="Text", html="<p>Text</p>", bulk=True, **more)
    return build(mail, from_="ops@example.com", message_id="abc.1", date=MOMENT)


def test_files_go_beside_the_text_and_its_html() -> None:
    mail = read(
        notice(attachments=(CALENDAR, Attachment(name="a.pdf", content_type="application/pdf", data=b"\0\xff")))
    )
    assert mail.get_content_type() == "multipart/mixed"
    body, calendar, document = mail.iter_parts()
    assert [part.get_content_type() for part in body.iter_parts()] == ["text/plain", "text/html"]
    assert (calendar.get_content_type(), calendar.get_filename()) == ("text/calendar", "maintenance.ics")
    assert (calendar.get_param("method"), calendar.get_param("charset")) == ("PUBLISH", "utf-8")
    assert calendar.get_payload(decode=True) == CALENDAR.data
    assert (document.get_content_disposition(), document.get_content()) == ("attachment", b"\0\xff")


@pytest.mark.parametrize(
    ("name", "seen"),
    [("a b\r\nX: y.ics", "a-b-X-y.ics"), ("../../etc/passwd", "etc-passwd"), ("å", "attachment"), ("x" * 99, "x" * 60)],
)
def test_a_file_has_a_plain_name(name: str, seen: str) -> None:
    mail = read(notice(attachments=(Attachment(name=name, content_type="text/calendar", data=b"x"),)))
    *_, file = mail.iter_parts()
    assert file.get_filename() == seen


@pytest.mark.parametrize("content_type", ["", "text", "text/x\r\nBcc: e@x", "message/rfc822", 'text/x; a="b"'])
def test_it_refuses_a_file_whose_type_is_none(content_type: str) -> None:
    with pytest.raises(MailFailed, match="not a type of a file") as raised:
        notice(attachments=(Attachment(name="a", content_type=content_type, data=b""),))
    assert raised.value.permanent


def test_it_says_where_answers_go_and_where_to_leave() -> None:
    leave = "https://example.com/leave?who=" + "x" * 400
    message = notice(reply_to="Support desk <support@example.com>", list_unsubscribe=leave)
    assert f"\r\nList-Unsubscribe: <{leave}>\r\n".encode() in message.as_bytes()
    mail = read(message)
    assert mail["Reply-To"] == "Support desk <support@example.com>"
    assert set(mail.keys()) == {*HEADERS, "Reply-To", "List-Unsubscribe", "List-Unsubscribe-Post"}
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"


@pytest.mark.parametrize(
    "leave",
    ["leave", "ftp://x", "https://x>\r\nBcc: e@x", "https://x y", "https://x/=?utf-8?q?=0D=0ABcc:x?=", "mailto:å@x"],
)
def test_it_refuses_what_is_no_address_to_leave_at(leave: str) -> None:
    with pytest.raises(MailFailed, match="not an address to leave at"):
        notice(list_unsubscribe=leave)


SIGNS = tuple('\r\n\0\u2028\u0085\x1c",;<>@(\\: .aé\ud800')
WORDS = ("=?utf-8?q?=0D=0ABcc:x@y?=", "=?utf-8?b?DQpCY2M6IHhAeQ==?=", "=?", "?=", "Bcc: e@evil", "boss@example.com")
HOSTILE = st.lists(st.sampled_from(SIGNS + WORDS), max_size=8).map("".join)


@given(before=HOSTILE, after=HOSTILE, subject=HOSTILE, text=HOSTILE)
def test_it_has_one_recipient_or_is_none_whatever_stands_around_an_address(
    before: str, after: str, subject: str, text: str
) -> None:
    try:
        message = message_of(to=f"{before}boss@example.com{after}", subject=subject, text=text, html=text)
    except MailFailed:
        return
    mail = read(message)
    assert len(mail["To"].addresses) == 1
    assert {line.partition(b":")[0].decode() for line in header_lines(message)} <= {*HEADERS, ENCODING}
    assert b"\n" not in message.as_bytes().replace(b"\r\n", b"")
    assert not mail.defects


@given(name=st.text(max_size=200), subject=st.text(max_size=300), text=st.text(max_size=300))
def test_it_has_one_recipient_and_its_own_headers_whatever_the_texts(name: str, subject: str, text: str) -> None:
    message = message_of(to=f"{name} <boss@example.com>", from_=f"{name} <ops@example.com>", subject=subject, text=text)
    mail = read(message)
    assert [address.addr_spec for address in mail["To"].addresses] == ["boss@example.com"]
    assert [address.addr_spec for address in mail["From"].addresses] == ["ops@example.com"]
    assert {line.partition(b":")[0].decode() for line in header_lines(message)} <= {
        *HEADERS,
        "Content-Transfer-Encoding",
    }
    assert not mail.defects


def header_lines(message: EmailMessage) -> list[bytes]:
    """Return the header lines as a server sees them, without the folded continuations."""
    head = message.as_bytes().partition(b"\r\n\r\n")[0]
    return [line for line in head.split(b"\r\n") if not line.startswith((b" ", b"\t"))]
