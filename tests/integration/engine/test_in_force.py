"""What is in force changes as a whole, while other threads read it."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from opsrunner.engine.in_force import InForce, SiteInForce
from opsrunner.errors import ConfigurationError
from opsrunner.ledger.books import Books

from ...patience import until

ROUTINE = "name: Hello\naccountable: sysadmin\nschedule: {every: day, at: '02:00'}\nsteps:\n  - run: echo {number}\n"
MISSING = "routines:1:1: the folder is missing, mount its disk or put it back; an empty one runs nothing"


@pytest.fixture
def books(tmp_path: Path) -> Iterator[Books]:
    opened = Books.open(tmp_path / "ledger.db")
    yield opened
    opened.ledger.close()


def write(root: Path, number: int) -> None:
    for name in (f"hello-{number}", "always"):
        path = root / "routines" / f"{name}.yaml"
        path.write_text(ROUTINE.replace("{number}", str(number)), encoding="utf-8")
        path.chmod(0o600)


def fits(now: InForce) -> bool:
    return now.site is now.loaded.site and set(now.almanac.schedules) == set(now.site.routines)


def test_its_parts_fit_together_at_every_moment(make_site: Callable[..., Path]) -> None:
    root = make_site({})
    write(root, 0)
    force = SiteInForce(root)
    over = threading.Event()
    seen: list[bool] = []

    def read() -> None:
        while not over.is_set():
            seen.append(fits(force.now))

    reader = threading.Thread(target=read)
    reader.start()
    until(lambda: len(seen) > 5)
    for number in range(1, 6):
        write(root, number)
        assert force.refresh()
    over.set()
    reader.join()
    assert len(seen) > 5
    assert all(seen)


def test_what_was_read_before_a_change_stays_as_it_was(make_site: Callable[..., Path]) -> None:
    root = make_site({})
    write(root, 1)
    force = SiteInForce(root)
    before = force.now
    write(root, 2)
    force.refresh()

    assert set(before.site.routines) == set(before.almanac.schedules) == {"always", "hello-1"}
    assert set(force.site.routines) == set(force.almanac.schedules) == {"always", "hello-1", "hello-2"}
    assert force.site.routines["always"] is not before.site.routines["always"]
    assert force.site.routines["hello-1"] is before.site.routines["hello-1"]  # what did not change is not frozen again


def test_a_site_that_was_never_good_is_refused(make_site: Callable[..., Path]) -> None:
    with pytest.raises(ConfigurationError, match=r"opsrunner\.yaml"):
        SiteInForce(make_site({"opsrunner.yaml": "site: [\n"}))


def test_a_site_that_is_broken_at_the_start_is_in_force_as_the_ledger_knows_it(
    make_site: Callable[..., Path], books: Books
) -> None:
    root = make_site({})
    write(root, 0)
    force = SiteInForce(root, books=books)
    books.service.keep_site_file(force.loaded.site_text)
    (root / "opsrunner.yaml").write_text("site: [\n", encoding="utf-8")

    broken = SiteInForce(root, books=books)
    books.service.keep_site_file("site: of another version\n")
    with pytest.raises(ConfigurationError, match=r"opsrunner\.yaml:2:1"):
        SiteInForce(root, books=books)

    assert (broken.site.name, broken.site.people) == (force.site.name, force.site.people)
    assert set(broken.site.routines) == {"hello-0", "always"}
    assert [problem.file for problem in broken.loaded.problems] == ["opsrunner.yaml"]
    assert broken.loaded.site_text == force.loaded.site_text
    assert not broken.refresh()


def test_a_site_that_anybody_may_change_is_not_taken_from_the_ledger_either(
    make_site: Callable[..., Path], books: Books
) -> None:
    root = make_site({})
    books.service.keep_site_file(SiteInForce(root, books=books).loaded.site_text)
    root.chmod(0o777)

    with pytest.raises(ConfigurationError, match="anybody on this machine may change it"):
        SiteInForce(root, books=books)


def test_a_folder_of_routines_that_is_missing_unschedules_nothing_and_an_empty_one_is_meant(
    make_site: Callable[..., Path],
) -> None:
    root = make_site({})
    write(root, 0)
    force = SiteInForce(root)
    routines = root / "routines"
    routines.rename(root / "elsewhere")

    before = dict(force.site.routines)
    assert force.refresh()
    assert not force.refresh(), "said once"
    assert force.site.routines == before
    assert [str(problem) for problem in force.loaded.problems] == [MISSING]
    assert set(force.site.broken) == {"hello-0", "always"}

    routines.mkdir(0o700)
    write(root, 1)
    assert force.refresh()
    assert set(force.site.routines) == {"hello-1", "always"}
    assert force.loaded.problems == ()
    for path in routines.iterdir():
        path.unlink()
    assert force.refresh()
    assert not force.site.routines
    assert force.loaded.problems == ()
