"""Browsers in the words by which people know them."""

from __future__ import annotations

import pytest

from opsrunner.engine.agent_words import agent_words

CHROME = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36"
PHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)"
DROID = "Mozilla/5.0 (Linux; Android 15; SM-S931B) AppleWebKit/537.36 (KHTML, like Gecko)"
MAC = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko)"
WINDOWS = "Mozilla/5.0 (Windows NT 10.0; Win64; x64)"


@pytest.mark.parametrize(
    ("agent", "words"),
    [
        (CHROME, "Chrome on Linux"),
        ("Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0", "Firefox on Linux"),
        (f"{PHONE} Version/18.6 Mobile/15E148 Safari/604.1", "Safari on iPhone"),
        (f"{PHONE} CriOS/142.0.7444.46 Mobile/15E148 Safari/604.1", "Chrome on iPhone"),
        (f"{PHONE} FxiOS/145.0 Mobile/15E148 Safari/605.1.15", "Firefox on iPhone"),
        (f"{DROID} SamsungBrowser/28.0 Chrome/130.0.0.0 Mobile Safari/537.36", "Samsung Internet on Android"),
        (f"{DROID} Chrome/142.0.0.0 Mobile Safari/537.36", "Chrome on Android"),
        (f"{MAC} Version/26.0 Safari/605.1.15", "Safari on Mac"),
        (f"{WINDOWS} AppleWebKit/537.36 Chrome/142.0.0.0 Safari/537.36 Edg/142.0.0.0", "Edge on Windows"),
        (f"{WINDOWS} AppleWebKit/537.36 Chrome/142.0.0.0 Safari/537.36 OPR/124.0.0.0", "Opera on Windows"),
        ("Mozilla/5.0 (X11; CrOS x86_64 16093.68.0) Chrome/142.0.0.0 Safari/537.36", "Chrome on ChromeOS"),
        ("curl/8.14.1", "curl"),
        ("Mozilla/5.0", "An unknown browser"),
        ("", "An unknown browser"),
        ("<script>alert(1)</script>", "An unknown browser"),
        ("x" * 200, "x" * 30),
    ],
)
def test_a_browser_is_named_with_its_system(agent: str, words: str) -> None:
    assert agent_words(agent) == words
