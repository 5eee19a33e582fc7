"""Servers as people write them."""

from __future__ import annotations

import pytest

from opsrunner.expiries.targets import read_target

FORMS = [
    ("www.example.com", "www.example.com:443", "tls"),
    ("WWW.Example.com.", "www.example.com:443", "tls"),
    ("https://www.example.com/", "www.example.com:443", "tls"),
    ("https://www.example.com:8443", "www.example.com:8443", "tls"),
    ("mail.example.com:587", "mail.example.com:587", "smtp"),
    ("mail.example.com:25", "mail.example.com:25", "smtp"),
    ("mail.example.com:465", "mail.example.com:465", "tls"),
    ("mail.example.com:143", "mail.example.com:143", "imap"),
    ("mail.example.com:110", "mail.example.com:110", "pop3"),
    ("mail.example.com:993", "mail.example.com:993", "tls"),
    ("imap://mail.example.com:1143", "imap://mail.example.com:1143", "imap"),
    ("imap://mail.example.com", "mail.example.com:143", "imap"),
    ("tls://mail.example.com:25", "tls://mail.example.com:25", "tls"),
    ("smtp://127.0.0.1:2500", "smtp://127.0.0.1:2500", "smtp"),
    ("[2001:DB8::1]:443", "[2001:db8::1]:443", "tls"),
    ("192.0.2.1", "192.0.2.1:443", "tls"),
    ("blåbær.no", "xn--blbr-roah.no:443", "tls"),
]


@pytest.mark.parametrize(("written", "name", "way"), FORMS)
def test_a_server_has_one_name_and_a_way_to_tls(written: str, name: str, way: str) -> None:
    target = read_target(written)
    assert (target.name, target.way) == (name, way)
    assert read_target(target.name) == target


def test_the_port_of_the_list_holds_for_names_without_one() -> None:
    assert read_target("mail.example.com", port=25).way == "smtp"
    assert read_target("mail.example.com:443", port=25).port == 443


@pytest.mark.parametrize(
    "written",
    ["", " ", "a b", "a:b", "a:0", "a:70000", "a/b", "user@host", "xmpp://a", "2001:db8::1", "<b>", "a\r\nb", "a..b"],
)
def test_what_is_no_server_is_refused_in_words(written: str) -> None:
    with pytest.raises(ValueError, match=r"is no server|there is no"):
        read_target(written)
