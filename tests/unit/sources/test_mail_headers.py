"""Headers of mails from anybody."""

import time
from datetime import UTC, datetime

import pytest

from opsrunner.sources.mail_headers import MOST_REFERENCES, Heads, address_in, internal_moment, read_heads

from ...patience import within


def heads(*lines: str | bytes) -> Heads:
    return read_heads(b"\r\n".join(line if isinstance(line, bytes) else line.encode() for line in (*lines, "", "")))


@pytest.mark.parametrize(
    ("written", "subject"),
    [
        ("Subject: =?utf-8?B?QmzDpWLDpnI=?= now", "Blåbær now"),
        ("Subject: =?iso-8859-1?Q?Bl=E5b=E6r?=", "Blåbær"),
        ("Subject: =?iso-8859-1?Q?Bl=E5?=\r\n =?iso-8859-1?Q?b=E6r?=", "Blåbær"),
        ("Subject: =?no-such-charset?Q?abc?=", "abc"),
        ("Subject: =?utf-8?B?!!!?=", "(no subject)"),
        ("Subject: =?utf-8?B?AAAA?=", "(no subject)"),  # NULs
        ("Subject: =?utf-8?Q?a=0D=0ABcc:_x@evil.example?=", "a Bcc: x@evil.example"),
        ("Subject: a\r\n\tb", "a b"),
        ("Subject: one\r\nSubject: two", "one"),
        (b"Subject: Bl\xe5b\xe6r", "Blåbær"),
        ("Subject: Blåbær", "Blåbær"),
        (b"Subject: nul\0inside", "nulinside"),
        ("Subject: {{ 7*7 }} <script>", "{{ 7*7 }} <script>"),
        ("Subject: right\u202eleft", "right left"),
        ("Subject: " + "x" * 100_000, "x" * 199 + "…"),
        ("Subject:", "(no subject)"),
        ("X-Other: 1", "(no subject)"),
        ("Subject: =?utf-7?Q?+ADw-b+AD4-?=", "<b>"),
        ("Subject: =?idna?Q?xn--?=", "xn--"),
        ("Subject: =?unicode_escape?Q?=5Cx?=", "\\x"),
    ],
)
def test_a_subject_is_one_plain_line(written: str | bytes, subject: str) -> None:
    assert heads(written).subject == subject


@pytest.mark.parametrize(
    ("written", "address"),
    [
        ("kari@x.example", "kari@x.example"),
        ("Kari Nordmann <Kari@X.example>", "kari@x.example"),
        ('"support@ours.example" <evil@x.example>', "evil@x.example"),
        ("support@ours.example <evil@x.example>", "evil@x.example"),
        ('"<support@ours.example>" <evil@x.example>', "evil@x.example"),
        ("<>", ""),
        ("", ""),
        ("nobody", ""),
        ("=?utf-8?Q?support=40ours.example?= <evil@x.example>", "evil@x.example"),
        ("<a@b.example> <" + "c" * 5000, "a@b.example"),
    ],
)
def test_who_wrote_is_what_stands_in_the_brackets(written: str, address: str) -> None:
    assert address_in(written) == address
    assert heads(f"From: {written}").address == address


def test_a_name_is_plain() -> None:
    assert heads('From: "=?utf-8?Q?K=C3=A5re?= \u202e" <kare@x.example>').name == "Kåre"


@pytest.mark.parametrize(
    ("lines", "id_", "ancestors"),
    [
        (["Message-ID: <a@x>", "In-Reply-To: <b@x>", "References: <c@x> <b@x>"], "a@x", ("c@x", "b@x")),
        (["Message-Id: <a@x>", "In-Reply-To: text <b@x> of 1 May"], "a@x", ("b@x",)),
        (["message-id:\r\n <a@x>"], "a@x", ()),
    ],
)
def test_a_mail_names_what_it_answers(lines: list[str], id_: str, ancestors: tuple[str, ...]) -> None:
    found = heads(*lines)
    assert (found.id, found.ancestors) == (id_, ancestors)


def test_a_mail_without_a_name_gets_one_of_its_own() -> None:
    assert heads("Subject: a").id.startswith("sha256:")
    assert heads("Subject: a").id != heads("Subject: b").id


def test_a_name_that_is_too_long_becomes_short_and_stays_its_own() -> None:
    long_, longer = heads(f"Message-ID: <{'x' * 900}@x>"), heads(f"Message-ID: <{'x' * 901}@x>")
    assert len(long_.id) < 60
    assert long_.id != longer.id


def test_a_mail_may_not_name_a_thousand_others() -> None:
    found = heads("Message-ID: <a@x>", "References: " + " ".join(f"<{number}@x>" for number in range(2000)))
    assert len(found.ancestors) == MOST_REFERENCES
    assert found.ancestors[0] == "0@x"


@pytest.mark.parametrize(
    ("written", "by_machine", "reply_by_machine"),
    [("no", False, False), ("auto-replied", True, True), ("Auto-Generated; x", True, False), ("", False, False)],
)
def test_a_mail_says_whether_a_program_wrote_it(written: str, by_machine: bool, reply_by_machine: bool) -> None:
    found = heads(f"Auto-Submitted: {written}")
    assert (found.is_by_machine, found.is_reply_by_machine) == (by_machine, reply_by_machine)


@pytest.mark.parametrize(
    ("written", "moment"),
    [
        ("20-Nov-2026 10:00:00 +0100", datetime(2026, 11, 20, 9, tzinfo=UTC)),
        (" 1-Jan-2026 00:00:00 +0000", datetime(2026, 1, 1, tzinfo=UTC)),
        ("31-Feb-2026 00:00:00 +0000", None),
        ("20-Foo-2026 10:00:00 +0100", None),
        ("01-Jan-0001 00:00:00 +2300", None),
        ("20-Nov-2026 10:00:00 +9999", None),
        ("", None),
    ],
)
def test_the_servers_date_is_read(written: str, moment: datetime | None) -> None:
    assert internal_moment(written) == moment


@pytest.mark.parametrize(
    "data",
    [
        b"\0" * 100_000,
        b"Subject: " + b"=?utf-8?Q?" * 100_000,
        b"From: " + b'"' * 100_000,
        b"From: " + b"<" * 100_000,
        b"From: " + b"a@" * 100_000,
        b"From: " + b'"\\' * 100_000,
        b"References: " + b"<a@x> " * 100_000,
        b"Message-ID: " + b"<" * 100_000,
        b"X: y\r\n" * 50_000,
        bytes(range(256)) * 400,
    ],
)
def test_headers_made_to_hurt_do_not(data: bytes) -> None:
    within(2, lambda: read_heads(data), clock=time.thread_time)
