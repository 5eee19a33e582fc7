"""What may stand in a header, and what counts as one address."""

import pytest

from opsrunner.errors import MailFailed
from opsrunner.mail.headers import clean_line, parse_address, parse_message_id


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        pytest.param("Abuse on web5", "Abuse on web5", id="plain text stays"),
        pytest.param("a\r\nBcc: evil@example.net", "a Bcc: evil@example.net", id="line break"),
        pytest.param("a\nb\rc\x00d", "a b c d", id="LF, CR, NUL"),
        pytest.param("a\u2028b\u2029c\x85d\x0be", "a b c d e", id="Unicode's own line ends"),
        pytest.param("a\x1b[31mred\x07", "a [31mred", id="terminal controls"),
        pytest.param("invoice\u202efdp.exe", "invoice fdp.exe", id="direction override"),
        pytest.param("half \udcff pair", "half \ufffd pair", id="lone surrogate"),
        pytest.param("Ærlig talt – 你好 👍🏽", "Ærlig talt – 你好 👍🏽", id="other scripts stay"),
        pytest.param("👩\u200d🔧", "👩\u200d🔧", id="joined emoji stay whole"),
        pytest.param("  much \t space  ", "much space", id="white space"),
    ],
)
def test_it_makes_one_harmless_line(given: str, wanted: str) -> None:
    assert clean_line(given) == wanted


def test_it_cuts_a_long_line_with_an_ellipsis() -> None:
    assert clean_line("abcdef", length=6) == "abcdef"
    assert clean_line("abcdefg", length=6) == "abcde…"


def test_it_marks_a_cut_also_where_only_blanks_were_read() -> None:
    assert clean_line("a" + " " * 10_000 + "b", length=20).endswith("…")


@pytest.mark.parametrize(
    ("given", "name", "address"),
    [
        pytest.param("boss@example.com", "", "boss@example.com", id="bare"),
        pytest.param("The owner <boss@example.com>", "The owner", "boss@example.com", id="with a name"),
        pytest.param('"a, b@evil" <boss@example.com>', "a b evil", "boss@example.com", id="comma and at in the name"),
        pytest.param(
            "evil@example.net <boss@example.com>", "evil example net", "boss@example.com", id="address as name"
        ),
        pytest.param(
            "<evil@example.net> <boss@example.com>", "evil example net", "boss@example.com", id="two brackets"
        ),
        pytest.param(
            "Bj\u00f8rn\r\nBcc: x <b@example.com>", "Bjørn Bcc x", "b@example.com", id="line break in the name"
        ),
        pytest.param("x+tag@bl\u00e5b\u00e6r.example", "", "x+tag@xn--blbr-roah.example", id="name in other letters"),
        pytest.param("root@localhost", "", "root@localhost", id="this machine"),
    ],
)
def test_it_reads_one_address(given: str, name: str, address: str) -> None:
    read = parse_address(given)
    assert (read.name, read.address) == (name, address)


@pytest.mark.parametrize(
    "given",
    [
        pytest.param("", id="nothing"),
        pytest.param("boss", id="no domain"),
        pytest.param("a, b@evil", id="comma: two recipients to some servers"),
        pytest.param("a@example.com, b@example.com", id="two addresses"),
        pytest.param("a@example.com;b@example.com", id="semicolon"),
        pytest.param("a@b@example.com", id="two ats"),
        pytest.param("a@example.com\r\nDATA", id="SMTP command"),
        pytest.param("x <a@example.com\r\nRCPT TO:<evil@example.net>>", id="SMTP command in brackets"),
        pytest.param("a@example.com\u2028evil", id="line separator"),
        pytest.param("a\x00@example.com", id="NUL"),
        pytest.param("a b@example.com", id="blank"),
        pytest.param('"a b"@example.com', id="quoted local part"),
        pytest.param("a@[192.0.2.1]", id="address literal"),
        pytest.param("a@-example.com", id="bad label"),
        pytest.param("a@example..com", id="empty label"),
        pytest.param("bj\u00f8rn@example.com", id="local part needs SMTPUTF8"),
        pytest.param("a" * 65 + "@example.com", id="local part too long"),
        pytest.param("group: a@example.com;", id="group syntax"),
        pytest.param("|/bin/sh@example.com <>", id="empty address"),
        pytest.param("=?utf-8?b?DQpCY2M6IHhAeQ==?=boss@example.com", id="line break and Bcc, packed in base64"),
        pytest.param("boss=?utf-8?q?=0D=0ABcc:x?=@example.com", id="the same, quoted"),
        pytest.param("The owner <a=?us-ascii?q?b?=@example.com>", id="packed, in brackets"),
    ],
)
def test_it_refuses_what_is_not_exactly_one_address(given: str) -> None:
    with pytest.raises(MailFailed) as refused:
        parse_address(given)
    assert refused.value.permanent
    assert "\n" not in refused.value.message


def test_it_completes_a_message_id_and_takes_a_whole_one() -> None:
    assert parse_message_id("abc.1", domain="example.com") == "<abc.1@example.com>"
    assert parse_message_id("<abc@host>", domain="example.com") == "<abc@host>"


@pytest.mark.parametrize("given", ["", "a b", "<a@b>\r\nBcc: x@y", "a@b", "<a@b> <c@d>", "=?utf-8?q?=0A?="])
def test_it_refuses_what_is_no_message_id(given: str) -> None:
    with pytest.raises(MailFailed):
        parse_message_id(given, domain="example.com")
