"""What other tools say of the backups they made: `restic snapshots --json`, `borg list --json`, and `find`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, tzinfo
from typing import Any, Literal, TypeAlias

from opsrunner.errors import StepFailed
from opsrunner.records import dataclass

ResticKey: TypeAlias = Literal["host", "path", "tag"]
MOST_BYTES = 1 << 60
_ID = re.compile(r"[0-9a-f]{8,64}\Z")


@dataclass(frozen=True, kw_only=True)
class Listed:
    """One backup as a list tells of it."""

    name: str
    texts: tuple[str, ...]
    """What of it says whose it is: its path, or the host, the paths or the tags of a snapshot."""
    made_at: datetime
    size_bytes: int | None


def read_restic(data: bytes, by: ResticKey) -> Iterator[Listed]:
    """Yield the snapshots of `restic snapshots --json`. Raises StepFailed where it is none.

    How much a snapshot holds stands in it since restic 0.17 (`summary`).
    """
    answer = _json(data, "restic snapshots --json")
    if answer is None:
        return  # what older ones write of an empty repository
    if not isinstance(answer, list):
        raise _no_list("restic snapshots --json")
    for snapshot in answer:
        if not isinstance(snapshot, dict) or "time" not in snapshot or not _ID.match(str(snapshot.get("id"))):
            raise _no_list("restic snapshots --json")
        texts = {"host": [snapshot.get("hostname")], "path": snapshot.get("paths"), "tag": snapshot.get("tags")}[by]
        summary = snapshot.get("summary")
        yield Listed(
            name=snapshot["id"],
            texts=tuple(dict.fromkeys(text for text in texts or () if isinstance(text, str))),
            made_at=_moment(snapshot["time"], UTC),
            size_bytes=_size(summary.get("total_bytes_processed")) if isinstance(summary, dict) else None,
        )


def read_borg(data: bytes, zone: tzinfo) -> Iterator[Listed]:
    """Yield the archives of `borg list --json`, or of `borg info --json`, which also knows their sizes.

    borg 1 writes its times on its machine's clock without saying which: `zone` says it. Raises StepFailed.
    """
    answer = _json(data, "borg list --json")
    archives = answer.get("archives") if isinstance(answer, dict) else None
    if not isinstance(archives, list):
        raise _no_list("borg list --json")
    for archive in archives:
        if not isinstance(archive, dict) or not isinstance(archive.get("name"), str):
            raise _no_list("borg list --json")
        stats = archive.get("stats")
        yield Listed(
            name=archive["name"],
            texts=(archive["name"],),
            made_at=_moment(archive.get("time") or archive.get("start"), zone),
            size_bytes=_size(stats.get("original_size")) if isinstance(stats, dict) else None,
        )


def find_form(begin: str) -> str:
    """Return what `find -printf` is told, for `read_find` to read; `begin` stands in front of each path."""
    front = begin.replace("\\", r"\\").replace("%", "%%")
    return rf"%s %T@ {front}{'/' if begin else ''}%P\0"


def read_find(data: bytes) -> Iterator[Listed]:
    """Yield the files that `find -printf` told of, as `find_form` has it. Raises StepFailed where it is cut short."""
    lines = data.split(b"\0")
    if lines.pop():
        raise StepFailed("the list of files is cut short")
    for line in lines:
        try:
            size, seconds, path = line.decode("utf-8", errors="replace").split(" ", 2)
            made_at = datetime.fromtimestamp(float(seconds), UTC)
            size_bytes = _size(int(size))
        except (ValueError, OverflowError, OSError) as exc:
            raise StepFailed(f"the list of files is none: {line[:60]!r}") from exc
        yield Listed(name=path, texts=(path,), made_at=made_at, size_bytes=size_bytes)


def _json(data: bytes, command: str) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as exc:
        raise _no_list(command) from exc


def _no_list(command: str) -> StepFailed:
    return StepFailed(f"what the command wrote is not what {command} writes")


def _moment(value: object, zone: tzinfo) -> datetime:
    try:
        moment = datetime.fromisoformat(str(value))
        return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC)
    except (ValueError, OverflowError) as exc:
        raise StepFailed(f"'{str(value)[:40]}' in the list is no moment") from exc


def _size(value: object) -> int | None:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        return None
    if value > MOST_BYTES:
        raise StepFailed(f"the list tells of {value} bytes, which cannot be")
    return value
