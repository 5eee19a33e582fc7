"""Answers for machines: one JSON document a call, with stable field names.

Moments are ISO 8601 with the offset of the site's zone, dates are ISO dates, enumerations their words.
"""

from __future__ import annotations

import dataclasses
import json
import math
import re
from collections.abc import Mapping
from datetime import date, datetime, time
from enum import Enum
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

# JSON allows these in strings as they are; a terminal or a line reader would stumble over them.
_TO_ESCAPE = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def to_json(value: Any, *, zone: str) -> str:
    """Return `value` (plain values, our dataclasses, lists and mappings of them) as indented JSON."""
    text = json.dumps(to_plain(value, zone=ZoneInfo(zone)), ensure_ascii=False, indent=2)
    return _TO_ESCAPE.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def to_plain(value: Any, *, zone: ZoneInfo) -> Any:
    """Return `value` as mappings, lists, texts, numbers, truths and None; `inf` and `nan` become text."""
    if value is None or (isinstance(value, bool | int | float | str) and not isinstance(value, Enum)):
        is_no_json = isinstance(value, float) and not math.isfinite(value)
        return str(value) if is_no_json else value
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, datetime):
        return value.astimezone(zone).isoformat() if value.tzinfo else value.isoformat()
    if isinstance(value, date | time):
        return value.isoformat()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            field.name.rstrip("_"): to_plain(getattr(value, field.name), zone=zone)
            for field in dataclasses.fields(value)
        }
    return _plain_collection(value, zone)


def _plain_collection(value: Any, zone: ZoneInfo) -> Any:
    if isinstance(value, Mapping):
        return {str(key): to_plain(item, zone=zone) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_plain(item, zone=zone) for item in value]
    if isinstance(value, set | frozenset):
        return sorted(to_plain(item, zone=zone) for item in value)
    return str(value) if isinstance(value, Path) else repr(value)
