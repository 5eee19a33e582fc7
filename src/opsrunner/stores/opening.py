"""A store of the site, opened. What a form of store needs is imported when one of that form is opened."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from opsrunner.errors import StoreFailed
from opsrunner.model.store import STATE_WORD, LocalStore, S3Store, SftpStore, StoreSettings
from opsrunner.secrets import Vault
from opsrunner.stores.base import Store
from opsrunner.stores.known_place import Known, KnownPlace, nothing_known
from opsrunner.stores.local import LocalFolder

if TYPE_CHECKING:
    from opsrunner.fleet.sftp import SftpSession


def open_store(
    settings: StoreSettings,
    *,
    root: Path,
    state: Path,
    vault: Vault,
    connect: Callable[[str], SftpSession],
    name: str = "",
    known: Known = nothing_known,
) -> Store:
    """Open a store. A path is relative to `root`, the site; `$STATE_WORD` in front of it is the state folder.

    `connect` opens an SFTP session on a host of the inventory, by its name. A folder refuses work on copies where
    nothing of what is `known` in it is there; a bucket is never an empty mount point, and takes copies all the same.

    Nothing is asked of it yet. Raises StoreFailed where its settings cannot be used, SecretUnavailable where a
    secret of it cannot be read.
    """
    if isinstance(settings, S3Store):
        return _open_bucket(settings, vault=vault)
    return KnownPlace(_open_folder(settings, root=root, state=state, connect=connect), name=name, known=known)


def _open_folder(
    settings: LocalStore | SftpStore, *, root: Path, state: Path, connect: Callable[[str], SftpSession]
) -> Store:
    if isinstance(settings, LocalStore):
        return LocalFolder(_folder(settings.path, root=root, state=state))
    from opsrunner.stores.sftp import SftpFolder  # noqa: PLC0415  paramiko costs 100 ms; folders need none

    return SftpFolder(settings.path, connect=partial(connect, settings.host))


def _open_bucket(settings: S3Store, *, vault: Vault) -> Store:
    access_key, secret_key = vault.resolve(settings.access_key), vault.resolve(settings.secret_key)
    from opsrunner.stores.s3 import S3Bucket  # noqa: PLC0415  boto3 costs 200 ms and 25 MB; folders need none

    return S3Bucket(settings, access_key=access_key, secret_key=secret_key)


def _folder(path: str, *, root: Path, state: Path) -> Path:
    is_state = path == STATE_WORD or path.startswith(f"{STATE_WORD}/")
    below = os.path.normpath(path.removeprefix(STATE_WORD).lstrip("/") if is_state else path)
    if Path(below).parts[:1] == (os.pardir,):
        left = "the state folder" if is_state else "the site's folder"
        raise StoreFailed(f"{path}: leaves {left}; write the absolute path if that is meant", permanent=True)
    return (state if is_state else root) / below
