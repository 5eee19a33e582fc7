"""What a feed said when it was last fetched, with what its server needs to say that nothing is new.

A file a feed, in the state folder. Losing one costs a fetch and nothing else.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from opsrunner.records import dataclass
from opsrunner.sources.feed_entries import Entry, Feed
from opsrunner.sources.feed_fetching import Validators

_FORM = 1
_PACE = "pace"
"""The file that tells how long each feed took."""
_MOMENTS = ("published_at", "updated_at")


@dataclass(frozen=True, kw_only=True)
class Remembered:
    """A feed, and how to ask whether it is still the same."""

    feed: Feed
    validators: Validators


class FeedMemory:
    """The folder of one source. Where there is none, or it cannot be written, nothing is remembered."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        with suppress(OSError):
            if folder is not None:
                folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def recall(self, address: str) -> Remembered | None:
        """Return what is known of the feed at `address`."""
        if self._folder is None:
            return None
        try:
            return _read(json.loads(self._path(address).read_bytes()))
        except (OSError, ValueError, TypeError, KeyError, RecursionError):
            return None

    def keep(self, address: str, remembered: Remembered) -> None:
        """Remember a feed, if its server can be asked whether it is still the same."""
        if self._folder is None or not remembered.validators.headers:
            return
        known = {"form": _FORM, "validators": asdict(remembered.validators), "feed": asdict(remembered.feed)}
        self._write(self._path(address), known)

    def pace(self) -> dict[str, float]:
        """Return how many seconds each feed took when it was last asked, by its address's digest."""
        if self._folder is None:
            return {}
        try:
            known = json.loads((self._folder / _PACE).read_bytes())
            return {str(name): float(seconds) for name, seconds in known.items()}
        except (OSError, ValueError, TypeError, AttributeError, RecursionError):
            return {}

    def keep_pace(self, pace: Mapping[str, float]) -> None:
        """Remember how long feeds took, so that the slow ones are asked first."""
        if self._folder is not None:
            self._write(self._folder / _PACE, {name: round(seconds, 2) for name, seconds in pace.items()})

    def forget_all_but(self, addresses: Collection[str]) -> None:
        """Let go of the feeds that the source no longer has."""
        if self._folder is None:
            return
        kept = {self._path(address).name for address in addresses}
        with suppress(OSError):
            for path in self._folder.glob("*.json"):
                if path.name not in kept:
                    path.unlink(missing_ok=True)

    def _path(self, address: str) -> Path:
        assert self._folder is not None  # noqa: S101  the callers looked
        return self._folder / f"{digest_of(address)}.json"

    @staticmethod
    def _write(path: Path, known: Any) -> None:
        fresh = path.with_name(f".{path.name}.{os.getpid()}.new")
        with suppress(OSError):
            fresh.write_text(json.dumps(known, default=datetime.isoformat), encoding="utf-8", errors="replace")
            fresh.chmod(0o600)
            fresh.replace(path)


def digest_of(address: str) -> str:
    """Return what stands for an address, which may hold a secret."""
    return hashlib.sha256(address.encode("utf-8", "replace")).hexdigest()[:40]


def _read(known: Any) -> Remembered:
    if known["form"] != _FORM:
        raise ValueError("another form")
    feed = known["feed"]
    entries = tuple(_entry(one) for one in feed["entries"])
    return Remembered(
        feed=Feed(title=str(feed["title"]), entries=entries, left_out=int(feed["left_out"])),
        validators=Validators(**known["validators"]),
    )


def _entry(one: dict[str, Any]) -> Entry:
    moments = {name: datetime.fromisoformat(one[name]) if one[name] else None for name in _MOMENTS}
    return Entry(**{**one, **moments})
