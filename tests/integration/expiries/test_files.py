"""Certificate files: found by path, folder and pattern, whatever lies beside them."""

from __future__ import annotations

import os
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


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_what_is_closed_to_this_account_is_told(tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0o000)
    (tmp_path / "key.pem").touch(mode=0o000)
    patterns = [str(tmp_path / "closed"), str(tmp_path / "closed/*.pem"), str(tmp_path / "key.pem")]
    failures = {one.failure for one in certificates_in(patterns)}
    assert failures == {"this account may not look into it", "this account may not read it"}
    (tmp_path / "closed").chmod(0o700)


def test_a_file_that_is_no_file_does_no_harm(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.pem")
    (tmp_path / "folder.pem").mkdir()
    (tmp_path / "huge.pem").write_bytes(b"-----BEGIN CERTIFICATE-----\n" + b"A" * 2_000_000)
    assert list(certificates_in([str(tmp_path), str(tmp_path / "pipe.pem")])) == []


def test_a_certificate_that_signs_itself_counts_as_somebodys_own(tmp_path: Path) -> None:
    (tmp_path / "snakeoil.pem").write_bytes(make("snakeoil", is_authority=True, days=(-1, 9)).pem())
    assert told(list(certificates_in([str(tmp_path)])), tmp_path) == {"snakeoil.pem": 9}
