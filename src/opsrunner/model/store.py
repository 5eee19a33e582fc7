"""Where copies go, as `opsrunner.yaml` says it, and what lies there."""

from __future__ import annotations

from datetime import datetime
from typing import TypeAlias

from opsrunner.records import dataclass
from opsrunner.secrets import SecretRef

STATE_WORD = "$STATE"
"""What stands for the state folder in paths of the site file."""


@dataclass(frozen=True, kw_only=True)
class LocalStore:
    """A folder of this machine; relative to the site, or with `$STATE` in front."""

    path: str


@dataclass(frozen=True, kw_only=True)
class S3Store:
    """A bucket, or what lies under a prefix of it."""

    bucket: str
    endpoint: str
    region: str = ""
    prefix: str = ""
    access_key: SecretRef
    secret_key: SecretRef
    verify: bool = True
    """Whether the certificate is checked; where it is not, every digest says so."""


@dataclass(frozen=True, kw_only=True)
class SftpStore:
    """A folder of a host in the inventory."""

    host: str
    path: str


StoreSettings: TypeAlias = LocalStore | S3Store | SftpStore


@dataclass(frozen=True, kw_only=True)
class Stored:
    """One object that lies in a store, whole, under its final name."""

    name: str
    size_bytes: int
    modified_at: datetime
    """When the store took it, on the store's clock."""


@dataclass(frozen=True, kw_only=True)
class Received:
    """What a store said of an object that it took, after it was compared with what we sent."""

    name: str
    size_bytes: int
    checked_by: str
    """What was compared beside the size, in words: `CRC32 of 12 parts`, `SHA-256`."""
