"""What a browser calls itself (`User-Agent`), in the few words by which people know it. Pure functions."""

from __future__ import annotations

import re

LONGEST = 30
_BROWSERS = (
    # those first that also carry the names of others
    (("Edg/", "EdgA/", "EdgiOS/"), "Edge"),
    (("OPR/", "OPT/", "OPiOS/"), "Opera"),
    (("SamsungBrowser/",), "Samsung Internet"),
    (("Vivaldi/",), "Vivaldi"),
    (("Firefox/", "FxiOS/"), "Firefox"),
    (("CriOS/", "Chrome/", "Chromium/"), "Chrome"),
    (("Safari/",), "Safari"),
)
_SYSTEMS = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("CrOS", "ChromeOS"),
    ("Windows", "Windows"),
    ("Mac OS X", "Mac"),
    ("Linux", "Linux"),
)
_PRODUCT = re.compile(r"[A-Za-z0-9][\w.-]*")


def agent_words(agent: str) -> str:
    """Return `Firefox on Linux`; what is no browser by its first word, and silence as an unknown browser."""
    browser = next((name for signs, name in _BROWSERS if any(sign in agent for sign in signs)), "")
    if not browser:
        product = _PRODUCT.match(agent)
        is_mozilla = product is not None and product[0] == "Mozilla"  # all browsers say so, and it says nothing
        browser = product[0][:LONGEST] if product is not None and not is_mozilla else "An unknown browser"
    system = next((name for sign, name in _SYSTEMS if sign in agent), "")
    return f"{browser} on {system}" if system else browser
