"""What stands beside each copy: a small JSON file that says what it is, and an index of what is in it.

The manifest is written last: a copy without one is no copy. `docs/backups.md` tells how to restore by hand.
"""

from __future__ import annotations

import json
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from opsrunner.archives.hashing import HashName
from opsrunner.errors import ArchiveDamaged
from opsrunner.stores.base import check_name

MOST_BYTES = 1 << 20
Hash = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class _Written(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class StoredFile(_Written):
    """One object of a copy. `sha256` is of its bytes as they were sent."""

    name: str
    size: int = Field(ge=0)
    sha256: Hash


class Manifest(_Written):
    """What a copy is. Sizes are in bytes."""

    opsrunner_backup: Literal[1] = 1
    """The form of this file."""
    name: str
    site: str
    routine: str
    step: str
    run: int
    ledger: str = ""
    """The ledger that knows of it: a site adopts by itself only what its own ledger has made."""
    key: str = ""
    """The row that it was made for, where it was made for one."""
    made_at: AwareDatetime
    """When it was begun."""
    seconds: float
    of: str
    """What was copied, in words."""
    form: Literal["tar", "stream"]
    """`stream`: what a program wrote, as one file."""
    stream_name: str = Field("", pattern=r"^[^/\x00]*$")
    encrypted: Literal["", "age"] = ""
    """By what; then `of` and `doubts` tell nothing of what was copied: a store need not know."""
    archive: tuple[StoredFile, ...]
    """One after the other they are the archive."""
    index: StoredFile
    hashed_by: HashName = "sha256"
    """How the index has the hashes of files."""
    plain_size: int = Field(ge=0)
    """Of the tar archive, or of the stream."""
    files: int = Field(ge=0)
    doubts: tuple[str, ...] = ()
    """Why it is not green, where it is not."""
    made_by: dict[str, str] = Field(default_factory=dict)
    """Versions."""

    @property
    def size_bytes(self) -> int:
        """What lies in the store, index included."""
        return sum(part.size for part in (*self.archive, self.index))

    def to_bytes(self) -> bytes:
        """Return it as the file that is stored."""
        return (json.dumps(self.model_dump(mode="json"), indent=1, ensure_ascii=False) + "\n").encode()


SUFFIX = ".json"


def manifest_name(name: str) -> str:
    """Return the name of the object that says what the copy `name` is."""
    return f"{name}{SUFFIX}"


def read_manifest(data: bytes, *, name: str) -> Manifest:
    """Return what a manifest says. Raises ArchiveDamaged where it is none, or another's."""
    try:
        manifest = Manifest.model_validate_json(data)
    except ValidationError as exc:
        first = exc.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(item) for item in first["loc"])
        raise ArchiveDamaged(f"{manifest_name(name)} is no manifest of a copy: {where}: {first['msg']}") from exc
    if manifest.name != name:
        raise ArchiveDamaged(f"{manifest_name(name)} is the manifest of {manifest.name!r}")
    _require_own(manifest)
    return manifest


def _require_own(manifest: Manifest) -> None:
    """Raise ArchiveDamaged where it names what is none of its copy, or would be written elsewhere."""
    for part in (*manifest.archive, manifest.index):
        if not part.name.startswith(f"{manifest.name}.") or "/" in part.name[len(manifest.name) :]:
            raise ArchiveDamaged(f"{manifest_name(manifest.name)} names {part.name!r}, which is none of its own")
        try:
            check_name(part.name)
        except ValueError as exc:
            raise ArchiveDamaged(f"{manifest_name(manifest.name)} names {part.name!r}, which is no name") from exc
    if manifest.form == "stream" and manifest.stream_name in ("", ".", ".."):
        raise ArchiveDamaged(f"{manifest_name(manifest.name)} does not say what the file is called")
