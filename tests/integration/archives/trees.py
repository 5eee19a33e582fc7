"""A tree of everything that a server's disk holds and copies tend to lose, and how two trees are compared."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
from pathlib import Path

LONG = "/".join(["a-folder-of-a-long-name-" + "x" * 30] * 6)
TIME_NS = 1_700_000_001_123_456_789
HOLES = ("plain/sparse", "plain/all holes")
FILES = 15
"""How many files a tree has that are no other name of one."""


def make_tree(top: Path) -> Path:
    """Make such a tree, and return it."""
    for folder in ("plain", "empty", LONG, "closed", "out"):
        (top / folder).mkdir(parents=True)
    dice = random.Random(7)
    (top / "plain" / "big").write_bytes(dice.randbytes(10 << 20))
    (top / "plain" / "nothing").touch()
    (top / LONG / "deep file").write_text("deep")
    (top / "plain" / "two\nlines, and spaces ").write_text("named strangely")
    Path(os.fsdecode(os.fsencode(top) + b"/plain/no-utf8-\xff\xfe")).write_text("bytes")
    (top / "plain" / "ærlig ☃").write_text("unicode")
    (top / "plain" / "-rf").write_text("looks like an option")
    (top / "plain" / "--checkpoint-action=exec=false").write_text("looks like another")
    (top / "plain" / "\\n is no line").write_text("a backslash")
    with (top / "plain" / "sparse").open("wb") as file:
        for at in (1 << 20, 40 << 20, 90 << 20):
            file.seek(at)
            file.write(dice.randbytes(5000))
        file.truncate(100 << 20)
    with (top / "plain" / "all holes").open("wb") as file:
        file.truncate(64 << 20)
    os.link(top / "plain" / "big", top / "out" / "second name")
    for name, target in {
        "inside": "../plain/big",
        "absolute": "/etc/hostname",
        "dangling": "nowhere",
        "outward": "../" * 40 + "x",
    }.items():
        (top / "out" / name).symlink_to(target)
    (top / "plain" / "secret").write_text("s")
    (top / "plain" / "program").write_text("#!/bin/sh\n")
    (top / "plain" / "secret").chmod(0o000 if os.geteuid() == 0 else 0o400)
    (top / "plain" / "program").chmod(0o4755)
    (top / "closed" / "in it").write_text("x")
    (top / "closed").chmod(0o500)
    if os.geteuid() == 0:
        os.chown(top / "plain" / "nothing", 1234, 5678)
    os.setxattr(top / "plain" / "program", "user.note", b"kept\0as it is")
    if shutil.which("setfacl"):
        subprocess.run(["setfacl", "-m", "u:1234:r--", str(top / "plain" / "nothing")], check=True)
        subprocess.run(["setfacl", "-d", "-m", "g:5678:rwx", str(top / "empty")], check=True)
    set_times(top)
    return top


def set_times(top: Path) -> None:
    """Give everything in a tree a time of its own, to the nanosecond; to be called last."""
    for number, path in enumerate([*top.rglob("*"), top]):
        at = TIME_NS + number * 1_000_000_007
        os.utime(path, ns=(at, at), follow_symlinks=False)


def seen(top: Path) -> dict[bytes, tuple[object, ...]]:
    """Return what can be seen of every file under a folder, but for what it holds."""
    found: dict[bytes, tuple[object, ...]] = {}
    for path in [top, *top.rglob("*")]:
        stat = path.lstat()
        attributes = {} if path.is_symlink() else {name: os.getxattr(path, name) for name in os.listxattr(path)}
        size = stat.st_size if not path.is_dir() or path.is_symlink() else 0
        link = str(path.readlink()) if path.is_symlink() else ""
        links = 0 if path.is_dir() else stat.st_nlink
        name = os.fsencode(path.relative_to(top))
        found[name] = (stat.st_mode, stat.st_mtime_ns, stat.st_uid, stat.st_gid, size, link, links, attributes)
    return found


def extents(path: Path) -> list[tuple[int, int]]:
    """Return where a file has data between its holes."""
    found: list[tuple[int, int]] = []
    at, size = 0, path.stat().st_size
    with path.open("rb") as file:
        while at < size:
            try:
                begin = os.lseek(file.fileno(), at, os.SEEK_DATA)
            except OSError:  # nothing but a hole is left
                break
            at = os.lseek(file.fileno(), begin, os.SEEK_HOLE)
            found.append((begin, at))
    return found


def assert_same(tree: Path, to: Path) -> None:
    """Compare what everything holds, and all that can be seen of it: modes, times, owners, links, attributes, holes."""
    done = subprocess.run(["diff", "-r", "--no-dereference", tree, to], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert seen(to) == seen(tree)
    assert (to / "plain" / "big").samefile(to / "out" / "second name")
    for name in HOLES:
        assert (to / name).stat().st_blocks * 512 < 1 << 20
        assert extents(to / name) == extents(tree / name)
