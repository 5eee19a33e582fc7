"""What is copied: the command that writes it to its standard output, and what its end and its words mean."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence

from opsrunner.archives.members import printable_path
from opsrunner.records import dataclass

_GLOB = re.compile(r"([*?]|\[[!^]?[A-Za-z0-9_.,-]+\])")
"""Signs for many files. What else stands in brackets is quoted: a shell would run `[$(…)]`."""
_CHANGED = re.compile(
    r"tar: (?P<path>.*): (?:file changed as we read it|File removed before we read it"
    r"|File shrank by \d+ bytes; padding with zeros)"
)
_UNREADABLE = re.compile(r"tar: (?P<path>.*?): (?:Warning: )?(?:Cannot \w+|Read error at byte .*): (?P<why>[A-Z].*)")
TAR_CHANGED, TAR_FAILED = 1, 2
"""GNU tar's exit codes: some files changed while they were read; not all could be read."""
MOST_NAMED = 3


@dataclass(frozen=True, kw_only=True)
class TarWords:
    """What tar said of single files on its standard error."""

    changed: tuple[str, ...]
    unreadable: tuple[str, ...]


def tar_command(
    paths: Sequence[str], *, exclude: Sequence[str] = (), one_file_system: bool = False, base: str = "/"
) -> str:
    """Return the shell command that writes an archive of `paths`, which may hold `*`, `?` and `[…]`.

    Absolute paths stand in the archive without the first `/`, relative ones as they are, from the folder `base` on; the
    two do not mix. All that a file has is kept: holes, hard links, extended attributes, access control lists. What
    `exclude` names from the root on is that place alone, all else is left out wherever it stands.
    """
    words = [
        "tar",
        "--create",
        "--file=-",
        "--format=posix",
        "--sparse",
        "--xattrs",
        "--acls",
        "--blocking-factor=128",
        *(["--one-file-system"] if one_file_system else []),
        *_left_out(exclude),
    ]
    folder = "/" if paths[0].startswith("/") else base
    named = " ".join(_quoted(path.lstrip("/") or ".") for path in paths)
    return f"cd {shlex.quote(folder)} && LC_ALL=C.UTF-8 {shlex.join(words)} -- {named}"


def _left_out(patterns: Sequence[str]) -> list[str]:
    """Return tar's options; of `/` itself all names begin with `./`, of other paths they do not."""
    rooted = [pattern.lstrip("/") for pattern in patterns if pattern.startswith("/")]
    anchored = [f"--exclude={begin}{pattern}" for pattern in rooted for begin in ("", "./")]
    anywhere = [f"--exclude={pattern}" for pattern in patterns if not pattern.startswith("/")]
    return [*(["--anchored", *anchored, "--no-anchored"] if anchored else []), *anywhere]


def read_tar_words(said: bytes) -> TarWords:
    """Return which files tar named, and why."""
    changed: list[str] = []
    unreadable: list[str] = []
    for line in said.decode("utf-8", "surrogateescape").splitlines():
        if found := _CHANGED.match(line):
            changed.append(printable_path(found["path"]))
        elif found := _UNREADABLE.match(line):
            unreadable.append(f"{printable_path(found['path'])} ({found['why'].lower()})")
    return TarWords(changed=tuple(changed), unreadable=tuple(unreadable))


def named(paths: Sequence[str]) -> str:
    """Return some paths as words: the first few, and how many more."""
    more = f" and {len(paths) - MOST_NAMED} more" if len(paths) > MOST_NAMED else ""
    return ", ".join(paths[:MOST_NAMED]) + more


def _quoted(path: str) -> str:
    """Quote a path for a shell, but for the signs that stand for many files."""
    return "".join(part if _GLOB.fullmatch(part) else shlex.quote(part) for part in _GLOB.split(path) if part)
