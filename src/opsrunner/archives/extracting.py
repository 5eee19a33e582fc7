"""Members of a tar stream onto a disk, by GNU tar: each is looked at before tar sees a byte of it."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import IO

from opsrunner.archives.hashing import HashName, begin_hash
from opsrunner.archives.members import BLOCK, Head, Member, cut_within, printable_path, read_heads, require_inside
from opsrunner.archives.window import Window
from opsrunner.children import STARTING
from opsrunner.errors import ArchiveDamaged, Refused, StateError
from opsrunner.records import dataclass

LAST_WORDS_BYTES = 2000
Wanted = Callable[[Member], bool]


@dataclass(frozen=True, kw_only=True)
class Manner:
    """How files are restored."""

    own: bool
    """With the owners, rights and attributes that they had, as far as this user may give them."""
    replace: bool
    """Over what is there already; without it a file that is there is a mistake."""
    hashed_by: HashName
    """How the members are hashed that are handed back."""


def extract(chunks: Iterable[bytes], to: Path, *, wanted: Wanted, manner: Manner) -> Iterator[Member]:
    """Put the members that are `wanted` into the folder `to`; yield each, hashed, once tar has all of it.

    Names with `..`, absolute ones, and hard links out of the archive are refused. Raises ArchiveDamaged, Refused where
    a file is there already, StateError where tar cannot write; what was written until then stays.
    """
    window = Window(chunks)
    with tempfile.TemporaryFile() as said, _start_tar(to, manner=manner, said=said) as tar:
        assert tar.stdin is not None  # noqa: S101  it was asked for
        is_heard = True
        try:
            for head in read_heads(window):
                require_inside(head.member)
                if not wanted(head.member):
                    _pass_by(window, head)
                    continue
                yield _hand_over(window, head, tar.stdin, hashed_by=manner.hashed_by)
            window.drain()
            tar.stdin.write(bytes(2 * BLOCK))
            tar.stdin.close()
        except BrokenPipeError:
            is_heard = False  # tar tells why below
        except BaseException:
            tar.kill()
            raise
        finally:
            with suppress(BrokenPipeError):
                tar.stdin.close()
        _require_good_end(tar.wait(), to, said, manner=manner)
        if not is_heard:
            raise ArchiveDamaged("tar sees an end of the archive where there is none")


def leads_out(member: Member) -> bool:
    """Tell whether a symbolic link leads out of the folder that its archive is restored to."""
    if member.kind != "link":
        return False
    if member.target.startswith("/"):
        return True
    where = os.path.normpath(os.path.join(os.path.dirname(member.path), member.target))  # noqa: PTH118, PTH120 (pure text)
    return where == ".." or where.startswith("../")


def _start_tar(to: Path, *, manner: Manner, said: IO[bytes]) -> subprocess.Popen[bytes]:
    environment = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8"}
    try:
        with STARTING:
            return subprocess.Popen(
                ["tar", "--extract", "--file=-", f"--directory={to}", *_options(to, manner)],  # noqa: S607 (found on the path, as the archiver is)
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=said,
                env=environment,
            )
    except OSError as exc:
        raise StateError(f"tar cannot be started: {exc.strerror}; restoring needs GNU tar") from exc


def _options(to: Path, manner: Manner) -> list[str]:
    is_root = os.geteuid() == 0
    # In an empty folder nobody's file is written over: a path that was archived twice comes twice, and the last counts.
    is_free = manner.replace or not _holds_anything(to)
    return [
        "--numeric-owner",
        "--same-owner" if manner.own and is_root else "--no-same-owner",
        "--same-permissions" if manner.own else "--no-same-permissions",
        "--acls" if manner.own else "--no-acls",
        "--xattrs",
        f"--xattrs-include={'*' if manner.own and is_root else 'user.*'}",
        "--delay-directory-restore",
        *([] if is_free else ["--keep-old-files"]),
    ]


def _holds_anything(folder: Path) -> bool:
    try:
        return any(folder.iterdir())
    except OSError as exc:
        raise StateError(f"{folder} cannot be read: {(exc.strerror or str(exc)).lower()}") from exc


def _hand_over(window: Window, head: Head, to: IO[bytes], *, hashed_by: HashName) -> Member:
    """Give a member to tar, and return it with the hash of what it holds."""
    digest = begin_hash(hashed_by)
    data_end = head.data_begin + head.data_bytes
    at = head.member.begin
    for part in window.slices(at, head.member.end):
        to.write(part)
        digest.update(part[max(0, head.data_begin - at) : max(0, data_end - at)])
        at += len(part)
        window.release(at - BLOCK)
    if at < head.member.end:
        raise cut_within(head.member)
    return replace(head.member, hash=digest.hexdigest()) if head.member.kind == "file" else head.member


def _pass_by(window: Window, head: Head) -> None:
    at = head.member.begin
    for part in window.slices(at, head.member.end):
        at += len(part)
        window.release(at - BLOCK)
    if at < head.member.end:
        raise cut_within(head.member)


def _require_good_end(code: int, to: Path, said: IO[bytes], *, manner: Manner) -> None:
    if code == 0:
        return
    words = _last_words(said)
    if words.endswith("File exists") and not manner.replace:
        raise Refused(f"{to} holds files of these names already; add --replace to write over them: {words}")
    raise StateError(f"tar could not restore everything into {to}: {words}")


def _last_words(said: IO[bytes]) -> str:
    said.seek(0, os.SEEK_END)
    said.seek(max(0, said.tell() - LAST_WORDS_BYTES))
    lines = said.read().decode("utf-8", "replace").strip().splitlines()
    told = [line for line in lines if "Exiting with failure" not in line]
    return printable_path("; ".join(told[-3:])) or "it did not say why"
