"""Form 7 of the ledger: what is known of customers, what they were told, and what was looked at for them."""

from __future__ import annotations

SEVENTH = """
"""
