"""What an SFTP store does beside the contract: on which disk, under which rights, and when the host lets it down."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import select
import signal
import socket
import stat
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from opsrunner.errors import NotStored, StoreFailed, StoreRefused
from opsrunner.fleet import sftp_talk, watch
from opsrunner.fleet.fleet import Fleet
from opsrunner.fleet.host_keys import trust
from opsrunner.model.site import Host
from opsrunner.stores.sftp import SftpFolder

from ...patience import until

pytestmark = pytest.mark.needs("sshd", "ssh-keygen")
as_root = pytest.mark.needs("root")  # only root may mount, or sign in as others

ONLY_SFTP = "ForceCommand internal-sftp\n"
NAME = "nightly/copy/2026-11-21T023000Z-r7.tar"
MEBIBYTE = 1 << 20

MakeFleet = Callable[..., Fleet]
PinnedHost = Callable[[int], Host]
OpenStore = Callable[..., SftpFolder]


class Door:
    """A way to a host that can be cut, or be left standing while nothing comes through any more."""

    def __init__(self, host: Host) -> None:
        self._target = (host.address, host.port)
        self._listener = socket.create_server((host.address, 0))
        self.port: int = self._listener.getsockname()[1]
        self.is_mute = False
        self._ways: list[socket.socket] = []
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._serve)]
        self._threads[0].start()

    def cut(self) -> None:
        for way in self._ways:
            with suppress(OSError):
                way.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._over.set()
        self.cut()
        for thread in self._threads:
            thread.join()
        self._listener.close()

    def _serve(self) -> None:
        self._listener.settimeout(0.05)
        while not self._over.is_set():
            with suppress(TimeoutError):
                client, _ = self._listener.accept()
                self._threads.append(threading.Thread(target=self._carry, args=(client,)))
                self._threads[-1].start()

    def _carry(self, client: socket.socket) -> None:
        with client, socket.create_connection(self._target) as server, suppress(OSError):
            self._ways += [client, server]
            while not self._over.is_set():
                for source in select.select([client, server], [], [], 0.05)[0]:
                    data = source.recv(65_536)
                    if not data:
                        return
                    if not self.is_mute:
                        (server if source is client else client).sendall(data)


@pytest.fixture
def host(pinned_host: PinnedHost) -> Host:
    return pinned_host(31)


@pytest.fixture
def bare_host(sshd_farm: Any, known_hosts: Path) -> Host:
    """A host that lets us do nothing but SFTP."""
    host: Host = sshd_farm.host(32, settings=ONLY_SFTP)
    trust(known_hosts, host, sshd_farm.public_keys(host))
    return host


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "copies"


@pytest.fixture
def open_store(make_fleet: MakeFleet, folder: Path) -> Iterator[OpenStore]:
    """Open a store on a host, in `folder` unless another is given."""
    opened: list[SftpFolder] = []
    fleet = make_fleet()

    def make(host: Host, place: str | Path = folder) -> SftpFolder:
        opened.append(SftpFolder(str(place), connect=lambda: fleet.open_sftp(host)))
        return opened[-1]

    yield make
    for store in opened:
        store.close()


@pytest.fixture
def door_to(known_hosts: Path, sshd_farm: Any) -> Iterator[Callable[[Host], tuple[Host, Door]]]:
    """Give a host as seen through a door."""
    made: list[Door] = []

    def make(host: Host) -> tuple[Host, Door]:
        door = Door(host)
        made.append(door)
        beyond = dataclasses.replace(host, port=door.port)
        trust(known_hosts, beyond, sshd_farm.public_keys(host))
        return beyond, door

    yield make
    for door in made:
        door.close()


def put(store: SftpFolder, name: str, data: bytes) -> str:
    upload = store.begin(name)
    upload.write(data)
    return upload.finish().checked_by


def got(store: SftpFolder, name: str, **given: Any) -> bytes:
    return b"".join(store.read(name, **given))


def all_files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir())


class TestWhatLiesThere:
    def test_only_we_may_read_it(self, open_store: OpenStore, host: Host, folder: Path) -> None:
        put(open_store(host), NAME, b"x")

        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in [folder, *folder.rglob("*")]}
        assert modes == {"copies": 0o700, "nightly": 0o700, "copy": 0o700, Path(NAME).name: 0o600}

    def test_an_upload_is_a_hidden_file_beside_its_place(self, open_store: OpenStore, host: Host, folder: Path) -> None:
        upload = open_store(host).begin(NAME)
        upload.write(b"x")

        (hidden,) = all_files(folder)
        assert hidden.startswith("nightly/copy/.2026-11-21T023000Z-r7.tar.")
        assert hidden.endswith(".part")
        assert stat.S_IMODE((folder / hidden).stat().st_mode) == 0o600
        upload.finish()
        assert all_files(folder) == [NAME]

    def test_the_host_itself_sums_it_where_it_lets_us(self, open_store: OpenStore, host: Host) -> None:
        assert put(open_store(host), NAME, b"x") == "SHA-256 by web31"

    def test_it_is_read_back_where_the_host_runs_nothing(self, open_store: OpenStore, bare_host: Host) -> None:
        assert put(open_store(bare_host), NAME, os.urandom(3 * MEBIBYTE)) == "SHA-256, read back"

    @pytest.mark.parametrize("which", ["host", "bare_host"])
    def test_a_byte_that_changed_on_the_way_is_found(
        self, open_store: OpenStore, folder: Path, which: str, request: pytest.FixtureRequest
    ) -> None:
        store = open_store(request.getfixturevalue(which))
        upload = store.begin(NAME)
        upload.write(bytes(MEBIBYTE))
        until(lambda: (folder / all_files(folder)[0]).stat().st_size == MEBIBYTE)
        with (folder / all_files(folder)[0]).open("r+b") as file:
            file.write(b"!")

        with pytest.raises(StoreFailed, match="what the host has is not what was sent: its SHA-256 differs"):
            upload.finish()
        assert all_files(folder) == []

    def test_bytes_that_are_missing_are_found(self, open_store: OpenStore, host: Host, folder: Path) -> None:
        upload = open_store(host).begin(NAME)
        upload.write(bytes(1000))
        until(lambda: (folder / all_files(folder)[0]).stat().st_size == 1000)
        os.truncate(folder / all_files(folder)[0], 900)

        with pytest.raises(StoreFailed, match="the host has 900 bytes of 1000"):
            upload.finish()
        assert all_files(folder) == []

    @pytest.mark.parametrize("name", ['it\'s "$(touch planted)" `x`; *', "-n", "back\\slash\nline", "søppel"])
    def test_no_name_of_a_folder_is_read_as_anything_else(
        self, open_store: OpenStore, host: Host, tmp_path: Path, name: str
    ) -> None:
        store = open_store(host, tmp_path / name)

        assert put(store, NAME, b"x") == "SHA-256 by web31"
        assert (got(store, NAME), [stored.name for stored in store.list()]) == (b"x", [NAME])
        assert sorted(path.name for path in tmp_path.iterdir() if path.name != "var") == [name]

    def test_what_others_put_there_is_passed_over(self, open_store: OpenStore, host: Host, folder: Path) -> None:
        store = open_store(host)
        put(store, "whole", b"x")
        (folder / "lost+found").mkdir()
        (folder / "lost+found" / "file").write_bytes(b"y")
        (folder / ".hidden").mkdir()
        (folder / ".hidden" / "file").write_bytes(b"y")
        (folder / "two words").write_bytes(b"y")
        (folder / "link").symlink_to("/etc/passwd")
        (folder / "folder-link").symlink_to("/etc")
        (folder / os.fsdecode(b"\xff\xfe")).write_bytes(b"y")

        assert [stored.name for stored in store.list()] == ["whole"]
        assert (store.find("link"), store.sweep("", before=datetime.now(UTC) + timedelta(hours=1))) == (None, 0)
        with pytest.raises(NotStored):
            got(store, "link")
        store.remove("link")
        assert (folder / "link").is_symlink()

    def test_what_was_left_half_way_is_swept_by_its_age(self, open_store: OpenStore, host: Host, folder: Path) -> None:
        store = open_store(host)
        old, new = store.begin("nightly/old"), store.begin("nightly/new")
        (part,) = folder.glob("nightly/.old.*")
        os.utime(part, (0, 1_000_000))

        assert store.sweep("nightly/", before=datetime.now(UTC) - timedelta(hours=1)) == 1
        assert [name.split(".")[1] for name in all_files(folder)] == ["new"]
        for upload in (old, new):
            upload.abort()

    def test_folders_that_a_removal_leaves_empty_go_too(self, open_store: OpenStore, host: Host, folder: Path) -> None:
        store = open_store(host)
        put(store, NAME, b"x")
        put(store, "nightly/other", b"y")

        store.remove(NAME)

        assert sorted(path.name for path in folder.rglob("*")) == ["nightly", "other"]


class TestReading:
    def test_many_ranges_come_over_one_connection(
        self, open_store: OpenStore, sshd_farm: Any, known_hosts: Path
    ) -> None:
        host = sshd_farm.host(33)
        trust(known_hosts, host, sshd_farm.public_keys(host))
        store, data = open_store(host), os.urandom(5 * MEBIBYTE)
        put(store, NAME, data)

        for offset in range(0, len(data), MEBIBYTE // 2):
            assert got(store, NAME, offset=offset, length=1000) == data[offset : offset + 1000]
        assert sshd_farm.log(host).count("Accepted publickey") == 1

    def test_what_is_not_read_to_its_end_leaves_the_connection_as_good_as_before(
        self, open_store: OpenStore, host: Host
    ) -> None:
        store, data = open_store(host), os.urandom(20 * MEBIBYTE)
        put(store, NAME, data)

        pieces = store.read(NAME)
        assert data.startswith(next(pieces))
        pieces.close()  # type: ignore[attr-defined]

        assert got(store, NAME, offset=19 * MEBIBYTE) == data[19 * MEBIBYTE :]

    def test_a_file_that_shrinks_while_it_is_read_is_no_whole_object(
        self, open_store: OpenStore, host: Host, folder: Path
    ) -> None:
        store = open_store(host)
        put(store, NAME, bytes(20 * MEBIBYTE))
        pieces = store.read(NAME)
        next(pieces)
        os.truncate(folder / NAME, 10 * MEBIBYTE)

        with pytest.raises(StoreFailed, match=f"{NAME}: the host gives no more than its first 10485760 bytes"):
            list(pieces)


class TestLetDown:
    """One line for each way in which a host lets a store down, and nothing under the final name."""

    def test_a_connection_that_is_cut_in_the_middle_of_an_upload(
        self, open_store: OpenStore, host: Host, folder: Path, door_to: Callable[[Host], tuple[Host, Door]]
    ) -> None:
        beyond, door = door_to(host)
        upload = open_store(beyond).begin(NAME)
        upload.write(bytes(MEBIBYTE))
        door.cut()

        with pytest.raises(StoreFailed, match=r"web31: .*: (it hung up|the connection broke off)$") as failed:
            _write_until_it_fails(upload.write)
        with pytest.raises(StoreFailed):
            upload.finish()
        upload.abort()
        assert not failed.value.permanent
        assert not (folder / NAME).exists()

    def test_after_a_cut_the_store_connects_anew(
        self, open_store: OpenStore, host: Host, door_to: Callable[[Host], tuple[Host, Door]]
    ) -> None:
        beyond, door = door_to(host)
        store = open_store(beyond)
        put(store, NAME, b"x")
        door.cut()
        until(lambda: not any(one.is_open for one in store._sessions._idle))

        assert got(store, NAME) == b"x"

    @pytest.mark.parametrize("act", ["write", "finish", "read", "list"])
    def test_a_host_that_falls_silent(
        self,
        open_store: OpenStore,
        host: Host,
        door_to: Callable[[Host], tuple[Host, Door]],
        monkeypatch: pytest.MonkeyPatch,
        act: str,
    ) -> None:
        beyond, door = door_to(host)
        store = open_store(beyond)
        put(store, "lies-there", bytes(20 * MEBIBYTE))
        upload, pieces = store.begin(NAME), store.read("lies-there")
        upload.write(b"x")
        next(pieces)
        acts: dict[str, Callable[[], object]] = {
            "write": lambda: _write_until_it_fails(upload.write),
            "finish": upload.finish,
            "read": lambda: list(pieces),
            "list": lambda: (store.list(), store.list()),
        }
        store.find("lies-there")
        door.is_mute = True
        monkeypatch.setattr(watch, "ASK_AFTER_SECONDS", 0.5)
        monkeypatch.setattr(watch, "SILENT_SECONDS", 2.0)
        began = time.monotonic()

        with pytest.raises(StoreFailed, match="web31: ") as failed:
            acts[act]()

        assert time.monotonic() - began < 20
        assert not failed.value.permanent
        upload.abort()

    @as_root
    def test_a_server_that_hangs_while_its_connection_lives(
        self,
        open_store: OpenStore,
        sshd_farm: Any,
        known_hosts: Path,
        monkeypatch: pytest.MonkeyPatch,
        tmp_path: Path,
    ) -> None:
        script = tmp_path / "server"
        script.write_text(
            f"#!/bin/sh\n[ -e {tmp_path}/pid ] || echo $$ >{tmp_path}/pid\nexec /usr/lib/openssh/sftp-server\n"
        )
        script.chmod(0o700)
        host = sshd_farm.host(34, settings=f"ForceCommand {script}\n")
        trust(known_hosts, host, sshd_farm.public_keys(host))
        store = open_store(host)
        put(store, NAME, b"x")
        server = int((tmp_path / "pid").read_text())
        os.kill(server, signal.SIGSTOP)
        try:
            patience = sftp_talk.SILENT_SECONDS
            monkeypatch.setattr(sftp_talk, "SILENT_SECONDS", 1.0)
            with pytest.raises(StoreFailed, match=f"web34: .*{NAME}: no answer in time"):
                store.find(NAME)
            monkeypatch.setattr(sftp_talk, "SILENT_SECONDS", patience)
        finally:
            os.kill(server, signal.SIGKILL)
        assert store.find(NAME) is not None

    def test_a_sign_in_that_is_refused(self, open_store: OpenStore, host: Host) -> None:
        stranger = dataclasses.replace(host, user="nobody-here")

        with pytest.raises(StoreRefused, match="web31: the host refuses user nobody-here with the key SHA256:"):
            open_store(stranger).begin(NAME)

    def test_a_host_key_that_nobody_has_checked(self, open_store: OpenStore, sshd_farm: Any) -> None:
        host = sshd_farm.host(35)

        with pytest.raises(StoreRefused, match=r"web35: unknown host key: .* run: opsrunner hosts trust web35"):
            open_store(host).find(NAME)
        assert "ublickey" not in sshd_farm.log(host)

    def test_nobody_who_listens(self, open_store: OpenStore, host: Host) -> None:
        with pytest.raises(StoreFailed, match="port 1: connection refused") as failed:
            open_store(dataclasses.replace(host, port=1)).find(NAME)
        assert not failed.value.permanent

    def test_a_host_without_sftp(self, open_store: OpenStore, sshd_farm: Any, known_hosts: Path) -> None:
        host = sshd_farm.host(36, settings="ForceCommand echo no files here; cat >/dev/null\n")  # it stays to listen
        trust(known_hosts, host, sshd_farm.public_keys(host))

        with pytest.raises(StoreFailed, match="web36: SFTP: it answers with something that is not SFTP"):
            open_store(host).begin(NAME)

    def test_a_disk_that_is_not_mounted_is_not_filled(self, open_store: OpenStore, host: Host, tmp_path: Path) -> None:
        with pytest.raises(StoreFailed, match=f"web31: {tmp_path}/disk is not there; is its disk mounted") as failed:
            open_store(host, tmp_path / "disk" / "copies").begin(NAME)
        assert failed.value.permanent
        assert not (tmp_path / "disk").exists()

    def test_a_file_in_the_place_of_the_folder(self, open_store: OpenStore, host: Host, tmp_path: Path) -> None:
        (tmp_path / "file").write_bytes(b"")

        with pytest.raises(StoreFailed, match=f"web31: {tmp_path}/file"):
            open_store(host, tmp_path / "file").begin(NAME)

    @as_root
    @pytest.mark.needs("mount", "umount")
    def test_no_room(self, open_store: OpenStore, host: Host, small_disk: Callable[..., Path]) -> None:
        disk = small_disk("size=4m")
        upload = open_store(host, disk / "copies").begin(NAME)

        with pytest.raises(StoreFailed, match="no room left there; make room, or keep fewer copies") as failed:
            upload.write(os.urandom(16 * MEBIBYTE))
        upload.abort()
        assert failed.value.permanent
        assert all_files(disk) == []

    @as_root
    @pytest.mark.needs("mount", "umount")
    def test_a_disk_that_is_read_only(self, open_store: OpenStore, host: Host, small_disk: Callable[..., Path]) -> None:
        disk = small_disk("ro")

        with pytest.raises(StoreRefused, match="the file system there is read-only"):
            open_store(host, disk / "copies").begin(NAME)

    @as_root
    def test_no_right_to_write_there(self, open_store: OpenStore, sshd_farm: Any, known_hosts: Path) -> None:
        keys = sshd_farm.folder / "web37" / "authorized_keys"
        settings = f"{ONLY_SFTP}AuthorizedKeysCommand /bin/cat {keys}\nAuthorizedKeysCommandUser root\n"
        host = dataclasses.replace(sshd_farm.host(37, settings=settings), user="nobody")
        trust(known_hosts, host, sshd_farm.public_keys(host))

        with pytest.raises(StoreRefused, match="web37: /usr/copies: permission denied; may the user"):
            open_store(host, "/usr/copies").begin(NAME)
        with pytest.raises(StoreRefused, match="web37: /root/copies: permission denied"):
            list(open_store(host, "/root/copies").list())

    def test_this_machine_is_no_host_to_sign_in_to(self, make_fleet: MakeFleet) -> None:
        with pytest.raises(StoreFailed, match="is a folder of this machine"):
            make_fleet().open_sftp(Host(name="local", address="127.0.0.1"))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[..., Path]]:
    """Mount a file system in memory: `small_disk("size=4m")`."""
    mounted: list[Path] = []

    def make(options: str) -> Path:
        disk = tmp_path / "disk"
        disk.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(disk)], check=True)
        mounted.append(disk)
        return disk

    yield make
    for disk in mounted:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def test_memory_stays_bounded_and_no_thread_stays_behind(
    make_fleet: MakeFleet, host: Host, folder: Path, most_bytes_of: Callable[[Callable[[], object]], int]
) -> None:
    def act() -> None:
        before, fleet, piece = set(threading.enumerate()), make_fleet(), os.urandom(MEBIBYTE)
        sent, came = hashlib.sha256(), hashlib.sha256()
        with SftpFolder(str(folder), connect=lambda: fleet.open_sftp(host)) as store:
            upload = store.begin(NAME)
            for _ in range(200):
                upload.write(piece)
                sent.update(piece)
            upload.finish()
            for chunk in store.read(NAME):
                came.update(chunk)
        assert came.digest() == sent.digest()
        until(lambda: set(threading.enumerate()) <= before)

    assert most_bytes_of(act) < 48 * MEBIBYTE


def test_a_survey_tells_of_others_files_by_their_odd_names_and_follows_no_link(
    open_store: OpenStore, host: Host, folder: Path
) -> None:
    (folder / "2026-11-21" / "acc ounts").mkdir(parents=True)
    (folder / "weekly").mkdir()
    for name in ("2026-11-21/acc ounts/jos\u00e9@home.tar", "2026-11-21/.hidden", "a\nb", "weekly/x"):
        (folder / name).write_text("x")
    (folder / "link").symlink_to("/etc")
    store = open_store(host)
    found = sorted(one.name for one in store.survey(may_hold=lambda name: not name.startswith("weekly")))
    assert found == ["2026-11-21/.hidden", "2026-11-21/acc ounts/jos\u00e9@home.tar", "a\nb"]
    assert list(store.survey("2026-11-22/", may_hold=lambda _: True)) == []
    assert b"".join(store.fetch("2026-11-21/acc ounts/jos\u00e9@home.tar")) == b"x"
    with pytest.raises(StoreFailed, match="link is no folder, or a link"):
        list(store.survey("link/", may_hold=lambda _: True))
    with pytest.raises(StoreFailed, match="link is no folder, or a link"):
        list(store.fetch("link/hostname"))
    with pytest.raises(NotStored, match="unmounted is not there; is its disk mounted"):
        list(open_store(host, folder / "unmounted").survey(may_hold=lambda _: True))


def _write_until_it_fails(write: Callable[[bytes], None]) -> None:
    for _ in range(200):
        write(bytes(MEBIBYTE))
