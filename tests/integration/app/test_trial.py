"""`try` from within: what it writes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

HELLO = "name: Hello\naccountable: sysadmin\nsteps:\n  - run: echo hello\n"


def test_it_names_its_page_after_the_digest_also_where_none_was_new(house: Callable[..., Any]) -> None:
    site = house({"hello": HELLO})
    results = [site.app.try_all(actor="boss") for _ in range(2)]  # the clock stands
    assert [result.html.name for result in results] == ["daily-1.html", "daily-1.html"]
    assert all(result.html.read_text(encoding="utf-8").startswith("<!") for result in results)
    assert results[0].digest_subject == results[1].digest_subject
