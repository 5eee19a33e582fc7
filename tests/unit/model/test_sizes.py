"""Sizes as one reads them."""

from __future__ import annotations

import pytest

from opsrunner.model.sizes import size_words


@pytest.mark.parametrize(
    ("size_bytes", "words"),
    [(0, "0 B"), (999, "999 B"), (4_200, "4.2 kB"), (64_000_000, "64 MB"), (3_605_536_768, "3.6 GB"), (2e12, "2.0 TB")],
)
def test_a_size_has_one_unit(size_bytes: int, words: str) -> None:
    assert size_words(size_bytes) == words
