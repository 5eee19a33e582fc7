"""The archiver's command line, quoted, and what its words mean."""

from __future__ import annotations

import shlex

import pytest

from opsrunner.archives.sources import TarWords, named, read_tar_words, tar_command


def words_of(command: str) -> list[str]:
    return shlex.split(command)


def test_paths_are_named_without_their_first_slash() -> None:
    words = words_of(tar_command(["/etc", "/srv/www/"]))
    assert words[:4] == ["cd", "/", "&&", "LC_ALL=C.UTF-8"]
    assert words[words.index("--") + 1 :] == ["etc", "srv/www/"]


@pytest.mark.parametrize(
    "path",
    ["/a b", "/a;reboot", "/$(reboot)", "/`reboot`", "/a'b", '/a"b', "/a\nb", "/--checkpoint-action=x", "/a&b", "/~"],
)
def test_what_a_shell_would_take_for_more_is_quoted(path: str) -> None:
    assert words_of(tar_command([path]))[-1] == path.lstrip("/")


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/home/*/public html", "home/*'/public html'"),
        ("/srv/[a-c]?", "srv/[a-c]?"),
        ("/srv/[$(x)]", "'srv/[$(x)]'"),
        ("/srv/[`x`]*", "'srv/[`x`]'*"),
        ("/srv/[a;x]", "'srv/[a;x]'"),
        ("/srv/[!a]", "srv/[!a]"),
        ("/*", "*"),
        ("/", "."),
    ],
)
def test_signs_for_many_files_stay_signs_and_nothing_else_does(path: str, expected: str) -> None:
    assert tar_command([path]).endswith(f" -- {expected}")


def test_relative_paths_stand_as_they_are_from_the_base_on() -> None:
    command = tar_command(["data", "more"], base="/srv/my site")
    assert command.startswith("cd '/srv/my site' && ")
    assert command.endswith(" -- data more")


def test_what_is_left_out_is_named_as_the_archive_names_it() -> None:
    words = words_of(tar_command(["/srv"], exclude=["/srv/cache", "*.tmp", "a b"], one_file_system=True))
    assert "--one-file-system" in words
    assert [word for word in words if "exclude" in word or "anchored" in word] == [
        "--anchored",
        "--exclude=srv/cache",
        "--exclude=./srv/cache",
        "--no-anchored",
        "--exclude=*.tmp",
        "--exclude=a b",
    ]


def test_all_that_a_file_has_is_kept() -> None:
    assert {"--sparse", "--xattrs", "--acls", "--format=posix"} <= set(words_of(tar_command(["/srv"])))


SAID = b"""tar: srv/log: file changed as we read it
tar: srv/gone: File removed before we read it
tar: srv/short: File shrank by 20 bytes; padding with zeros
tar: srv/secret: Cannot open: Permission denied
tar: srv/dir: Warning: Cannot open: Permission denied
tar: srv/bad: Read error at byte 0, while reading 512 bytes: Input/output error
tar: srv/a: b: Cannot stat: No such file or directory
tar: srv/socket: socket ignored
tar: Exiting with failure status due to previous errors
"""


def test_files_that_changed_and_files_that_could_not_be_read_are_told_apart() -> None:
    assert read_tar_words(SAID) == TarWords(
        changed=("srv/log", "srv/gone", "srv/short"),
        unreadable=(
            "srv/secret (permission denied)",
            "srv/dir (permission denied)",
            "srv/bad (input/output error)",
            "srv/a: b (no such file or directory)",
        ),
    )


def test_names_are_shown_as_a_terminal_may_show_them() -> None:
    assert read_tar_words(b"tar: a\x1b[31m\xff: file changed as we read it\n").changed == ("a�[31m�",)


def test_many_names_are_counted() -> None:
    assert named(["a", "b", "c"]) == "a, b, c"
    assert named(["a", "b", "c", "d", "e"]) == "a, b, c and 2 more"
