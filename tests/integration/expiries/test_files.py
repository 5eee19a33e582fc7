"""Certificate files: found by path, folder and pattern, whatever lies beside them."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from opsrunner.expiries.files import InFile, certificates_in

from .authority import NOW, Made, make


@pytest.fixture
def site(authority: Made, tmp_path: Path) -> Path:
    """A folder as certbot leaves it, and what else lies in such folders."""
    between = make("House 2", by=authority, is_authority=True, days=(-1, 5))
    shop = make("x", by=between, names=("shop.example", "www.shop.example"), days=(-1, 20))
    live, archive = tmp_path / "live/shop.example", tmp_path / "archive/shop.example"
    live.mkdir(parents=True)
    archive.mkdir(parents=True)
    files = {"cert": shop.pem(), "chain": between.pem(), "fullchain": shop.pem() + between.pem()}
    for name, content in {**files, "privkey": shop.key_pem()}.items():
        (archive / f"{name}1.pem").write_bytes(content)
        (live / f"{name}.pem").symlink_to(archive / f"{name}1.pem")
    (tmp_path / "live/README").write_text("nothing")
    (tmp_path / "live/notes.pem").write_text("no certificate at all")
    (tmp_path / "live/ca-bundle.crt").write_bytes(authority.pem() * 20)
    (tmp_path / "own.der").write_bytes(make("panel", names=("panel.example",), days=(-90, -3)).der())
    return tmp_path


def told(found: list[InFile], root: Path) -> dict[str, float | str]:
    return {
        str(Path(one.path).relative_to(root)): one.failure or ((one.ends_at or NOW) - NOW) / timedelta(days=1)
        for one in found
    }


def test_a_folder_is_looked_through(site: Path) -> None:
    found = list(certificates_in([str(site / "live"), str(site / "own.der")]))
    assert told(found, site) == {
        "live/shop.example/cert.pem": 20,
        "live/shop.example/fullchain.pem": 5,
        "own.der": -3,
    }
    assert [one.about for one in found] == [
        "shop.example, www.shop.example",
        "shop.example, www.shop.example; its issuer House 2 ends first",
        "panel.example",
    ]


def test_a_pattern_finds_what_it_says_and_each_file_once(site: Path) -> None:
    patterns = [str(site / "live/*/cert.pem"), str(site / "archive/**/*.pem"), str(site / "live/**/cert.pem")]
    assert told(list(certificates_in(patterns)), site) == {
        "live/shop.example/cert.pem": 20,
        "archive/shop.example/fullchain1.pem": 5,
    }


def test_files_that_say_the_same_are_told_once(site: Path) -> None:
    live = site / "live/shop.example"
    (live / "combined").write_bytes((live / "cert.pem").read_bytes() + (live / "privkey.pem").read_bytes())
    assert set(told(list(certificates_in([str(live)])), live)) == {"cert.pem", "fullchain.pem"}


def test_what_cannot_be_read_is_never_passed_over(tmp_path: Path) -> None:
    (tmp_path / "broken.pem").write_text("-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\n")
    (tmp_path / "cut.pem").write_text("-----BEGIN CERTIFICATE-----\nMIIB")
    (tmp_path / "binary.der").write_bytes(b"\x30\x82\x01")
    (tmp_path / "lost.pem").symlink_to(tmp_path / "nowhere")
    found = list(certificates_in([str(tmp_path), str(tmp_path / "gone.pem"), str(tmp_path / "no-such-folder")]))
    assert told(found, tmp_path) == {
        "binary.der": "its certificate cannot be read",
        "broken.pem": "its certificate cannot be read",
        "cut.pem": "its certificate cannot be read",
        "gone.pem": "there is no such file",
    }


@pytest.fixture
def as_nobody() -> Iterator[Path]:
    """A folder that an account without rights may enter, and the test as that account."""
    folder = Path(tempfile.mkdtemp(dir="/tmp"))
    folder.chmod(0o755)
    (folder / "closed").mkdir(mode=0o700)
    (folder / "closed/a.pem").touch()
    (folder / "half/inner").mkdir(parents=True)
    (folder / "half").chmod(0o755)
    (folder / "half/inner").chmod(0o700)
    (folder / "key.pem").touch(mode=0o600)
    os.seteuid(65534)
    try:
        yield folder
    finally:
        os.seteuid(0)
        shutil.rmtree(folder)


@pytest.mark.needs("root")
def test_what_is_closed_to_this_account_is_told(as_nobody: Path) -> None:
    patterns = ["closed", "closed/*.pem", "closed/a.pem", "half", "key.pem"]
    found = list(certificates_in([str(as_nobody / one) for one in patterns]))
    assert told(found, as_nobody) == {
        "closed": "this account may not look into it",
        "closed/a.pem": "this account may not read it",
        "half/inner": "this account may not look into it",
        "key.pem": "this account may not read it",
    }


def test_a_file_that_is_no_file_does_no_harm(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.pem")
    (tmp_path / "folder.pem").mkdir()
    (tmp_path / "huge.pem").write_bytes(b"-----BEGIN CERTIFICATE-----\n" + b"A" * 2_000_000)
    assert list(certificates_in([str(tmp_path), str(tmp_path / "pipe.pem")])) == []


def test_a_certificate_that_signs_itself_counts_as_somebodys_own(tmp_path: Path) -> None:
    (tmp_path / "snakeoil.pem").write_bytes(make("snakeoil", is_authority=True, days=(-1, 9)).pem())
    assert told(list(certificates_in([str(tmp_path)])), tmp_path) == {"snakeoil.pem": 9}
