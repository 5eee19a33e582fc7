"""Names of domains in their one form, whatever somebody typed into a billing system."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsrunner.expiries.names import BadName, to_ascii, to_domain

# Made with the idna package's UTS 46 (non-transitional), which these rules agree with.
FORMS = [
    pytest.param("Example.NO", "example.no", id="capitals"),
    pytest.param("example.no.", "example.no", id="dot at the end"),
    pytest.param(" example.no ", "example.no", id="blanks around"),
    pytest.param("blåbær.no", "xn--blbr-roah.no", id="Norwegian"),
    pytest.param("BLÅBÆR.no", "xn--blbr-roah.no", id="Norwegian capitals"),
    pytest.param("bla\u030abær.no", "xn--blbr-roah.no", id="two signs for one letter"),
    pytest.param("straße.de", "xn--strae-oqa.de", id="sharp s is a letter of its own"),
    pytest.param("faß.de", "xn--fa-hia.de", id="not fass.de"),
    pytest.param("例え。テスト.jp", "xn--r8jz45g.xn--zckzah.jp", id="Japanese full stop"),
    pytest.param("xn--blbr-roah.no", "xn--blbr-roah.no", id="in ASCII already"),
    pytest.param("_dmarc.example.no", "_dmarc.example.no", id="underscore"),
]


@pytest.mark.parametrize(("written", "name"), FORMS)
def test_a_name_has_one_form(written: str, name: str) -> None:
    assert to_ascii(written) == name


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ("", "a part of it is empty"),
        ("a..no", "a part of it is empty"),
        (".no", "a part of it is empty"),
        ("-a.no", "holds a sign"),
        ("a b.no", "holds a sign"),
        ("a\u202eb.no", "holds a sign"),
        ("<b>.no", "holds a sign"),
        ("{{7*7}}.no", "holds a sign"),
        ("a/../../etc.no", "holds a sign"),
        ("a?b=c.no", "holds a sign"),
        ("\N{PILE OF POO}.la", "holds a sign"),
        ("a" * 64 + ".no", "holds a sign"),
        (".".join(["a" * 60] * 5), "longer than a name can be"),
        ("localhost", "no top-level domain"),
        ("192.0.2.1", "an address"),
        ("kunde.example", "nobody registers names in .example"),
        ("mail.local", "nobody registers names in .local"),
    ],
)
def test_what_is_no_name_is_refused_in_words(written: str, why: str) -> None:
    with pytest.raises(BadName, match=why):
        to_domain(written)


@given(st.text(max_size=80))
def test_whatever_is_typed_becomes_a_name_or_a_refusal(text: str) -> None:
    try:
        name = to_ascii(text)
    except BadName:
        return
    assert name.isascii()
    assert name == name.lower()
    assert not set(name) & set(" /?#@:%\r\n<>{}")
    assert to_ascii(name) == name
