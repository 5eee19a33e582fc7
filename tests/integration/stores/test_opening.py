"""Stores as the site's file names them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from opsrunner.errors import SecretUnavailable, StoreFailed
from opsrunner.fleet.sftp import SftpSession
from opsrunner.model.store import LocalStore, S3Store
from opsrunner.secrets import SecretRef, Vault
from opsrunner.stores.opening import open_store

from ...seaweed import ACCESS_KEY, SECRET_KEY, S3Server
from .contract import got, put


def nobody(host: str) -> SftpSession:
    raise AssertionError(f"nobody asks for {host}")


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("copies", "site/copies"),
        ("./copies/", "site/copies"),
        ("$STATE/copies", "state/copies"),
        ("$STATE", "state"),
        ("{tmp}/elsewhere", "elsewhere"),
    ],
)
def test_a_folder_is_where_its_path_says(tmp_path: Path, path: str, place: str) -> None:
    root, state = tmp_path / "site", tmp_path / "state"
    for folder in (root, state):
        folder.mkdir()
    settings = LocalStore(path=path.replace("{tmp}", str(tmp_path)))
    with open_store(settings, root=root, state=state, vault=Vault(root), connect=nobody) as store:
        put(store, "a/b", b"x")
    assert (tmp_path / place / "a/b").read_bytes() == b"x"


@pytest.mark.parametrize(
    ("path", "left"),
    [("../copies", "the site's folder"), ("a/../../b", "the site's folder"), ("$STATE/../x", "the state folder")],
)
def test_a_path_may_not_leave_where_it_begins(tmp_path: Path, path: str, left: str) -> None:
    with pytest.raises(StoreFailed, match=f"leaves {left}; write the absolute path if that is meant"):
        open_store(LocalStore(path=path), root=tmp_path, state=tmp_path, vault=Vault(tmp_path), connect=nobody)


def test_a_bucket_is_opened_with_the_secrets_that_are_named(
    tmp_path: Path, s3_server: S3Server, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COPIES_KEY", ACCESS_KEY)
    (tmp_path / "secret").write_text(f"{SECRET_KEY}\n")
    (tmp_path / "secret").chmod(0o600)
    vault = Vault(tmp_path)
    settings = S3Store(
        bucket=bucket,
        endpoint=s3_server.endpoint,
        access_key=SecretRef(env="COPIES_KEY"),
        secret_key=SecretRef(file="secret"),
    )
    with open_store(settings, root=tmp_path, state=tmp_path, vault=vault, connect=nobody) as store:
        put(store, "a/b", b"x")
        assert got(store, "a/b") == b"x"
    assert SECRET_KEY not in vault.mask(f"what a log says: {SECRET_KEY}")


def test_a_secret_that_is_not_there_is_named(tmp_path: Path) -> None:
    missing = SecretRef(env="NO_SUCH_VARIABLE_HERE")
    settings = S3Store(bucket="copies", endpoint="http://127.0.0.1:9", access_key=missing, secret_key=missing)
    with pytest.raises(SecretUnavailable, match="NO_SUCH_VARIABLE_HERE"):
        open_store(settings, root=tmp_path, state=tmp_path, vault=Vault(tmp_path), connect=nobody)


def test_a_folder_needs_no_boto3(tmp_path: Path) -> None:
    ask = "import sys, opsrunner.stores.opening; print([name for name in sys.modules if name.startswith('boto')])"
    said = subprocess.run([sys.executable, "-c", ask], check=True, capture_output=True, text=True).stdout
    assert said == "[]\n"
