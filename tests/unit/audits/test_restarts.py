"""Services that run what an update has replaced: by memory, and by when they started."""

from __future__ import annotations

from .answers import AT, of_cause, report

BOOT = AT - 1_000_000
"""Seconds; services started some seconds after."""


def seen(*lines: str) -> dict[str, str]:
    told = report(restart="\n".join(("user 1000", f"boot {BOOT}", *lines)))
    assert "restart" in told.examined
    assert told.facts["restart_by"] == "start of services"
    return {name: finding.detail for name, finding in of_cause(told, "restart").items()}


def test_a_service_that_started_before_its_program_was_replaced_is_told() -> None:
    lines = ("unit a.service 5000000 /usr/sbin/a", "unit b.service 9000000 /usr/sbin/b")
    changed = (f"program {BOOT + 7} /usr/sbin/a", f"program {BOOT + 7} /usr/sbin/b")
    assert seen(*lines, *changed) == {"a": "still runs the old a"}


def test_a_service_is_told_for_a_library_only_if_its_program_names_it() -> None:
    lines = ("unit a.service 5000000 /usr/sbin/a", "unit b.service 5000000 /usr/sbin/b")
    library = f"library {BOOT + 7} /usr/lib/x86_64-linux-gnu/libssl.so.3"
    assert seen(*lines, library, "uses /usr/sbin/a libssl.so libc.so", "uses /usr/sbin/b libc.so") == {
        "a": "still runs the old libssl.so.3"
    }


def test_a_library_is_known_also_where_its_file_bears_its_version() -> None:
    lines = ("unit a.service 5000000 /usr/sbin/a", "uses /usr/sbin/a libc.so")
    assert seen(*lines, f"library {BOOT + 7} /lib/x86_64-linux-gnu/libc-2.31.so")


def test_a_service_that_started_after_all_of_it_is_fine() -> None:
    lines = ("unit a.service 9000000 /usr/sbin/a", "uses /usr/sbin/a libssl.so")
    assert not seen(*lines, f"library {BOOT + 7} /usr/lib64/libssl.so.3.0.7", f"program {BOOT + 7} /usr/sbin/a")


def test_what_needrestart_says_counts_too() -> None:
    told = report(restart="user 0\nservice nginx.service\nservice php8.2-fpm.service")
    assert {name: finding.detail for name, finding in of_cause(told, "restart").items()} == {
        "nginx": "needrestart asks for it",
        "php8.2-fpm": "needrestart asks for it",
    }


def test_without_root_and_without_systemd_it_says_what_it_could_not_see() -> None:
    told = report(restart="user 1000\nmaps 7 /usr/lib/libc.so.6\nprocess 7 my job 0::/")
    assert "restart" not in told.examined
    assert "without root and without systemd" in told.problems[0]
    assert of_cause(told, "restart")["my job"].detail == "still runs the old libc.so.6"


def test_a_systemd_that_tells_of_no_service_proves_nothing() -> None:
    told = report(restart=f"user 1000\nboot {BOOT}")
    assert "restart" not in told.examined
    assert told.problems == ("services to restart: systemd told this account of no service",)


def test_more_replaced_files_than_the_script_sends_prove_nothing() -> None:
    """The services past the cut would count as not found again."""
    maps = [f"maps {number} /usr/lib/libc.so.6" for number in range(2000)]
    whole = report(restart="\n".join(("user 0", *maps[1:], "process 7 job 0::/")))
    cut = report(restart="\n".join(("user 0", *maps, "process 7 job 0::/")))
    assert ("restart" in whole.examined, whole.problems) == (True, ())
    assert "restart" not in cut.examined
    assert "more than 2000 replaced files are in use" in cut.problems[0]
    assert set(of_cause(cut, "restart")) == {"job"}
