"""Loading again and again: what changes, what is broken, what stays in force."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from opsrunner.config.loader import Loaded, SiteLoader, check_path
from opsrunner.model.routine import Routine

Site = Callable[[Mapping[str, str]], Path]
Load = Callable[[Mapping[str, str]], Loaded]
GOOD = "name: {name}\naccountable: sysadmin\nsteps:\n  - run: 'true'\n"
BROKEN = "name: Broken\naccountable: sysadmin\nsteps:\n  - run: 'true'\n    timout: 5m\n"


def write(root: Path, name: str, text: str) -> None:
    """Write a file as an editor does: another file that takes its name."""
    draft = root / f"{name}.new"
    draft.write_text(text, encoding="utf-8")
    draft.replace(root / name)


def names(loaded: Loaded) -> dict[str, str]:
    assert loaded.site is not None
    return {id_: routine.name for id_, routine in loaded.site.routines.items()}


def test_one_broken_file_among_twenty_stops_no_other(load: Load) -> None:
    files = {f"routines/r{number}.yaml": GOOD.format(name=f"R{number}") for number in range(19)}

    loaded = load({**files, "routines/broken.yaml": BROKEN})

    assert len(names(loaded)) == 20  # the nineteen and `other`
    assert list(loaded.broken) == ["broken"]
    assert loaded.site is not None
    assert loaded.site.broken == loaded.broken
    assert str(loaded.broken["broken"][0]) == (
        "routines/broken.yaml:5:5: steps[0].timout: unknown key, did you mean 'timeout'?"
    )


def test_the_last_good_version_stays_in_force_while_a_file_is_broken(full_site: Site) -> None:
    root = full_site({"routines/x.yaml": GOOD.format(name="Good")})
    loader = SiteLoader(root)
    loader.load()

    write(root, "routines/x.yaml", BROKEN)
    broken = loader.load()
    write(root, "routines/x.yaml", GOOD.format(name="Mended"))
    mended = loader.load()

    assert names(broken)["x"] == "Good"
    assert list(broken.broken) == ["x"]
    assert names(mended)["x"] == "Mended"
    assert mended.broken == {}


def test_a_file_that_is_broken_at_the_start_stays_in_force_as_it_was_before_the_stop(full_site: Site) -> None:
    root = full_site({"routines/x.yaml": BROKEN})
    before = Routine(id="x", name="From the ledger", accountable="sysadmin")

    with_memory = SiteLoader(root, last_good={"x": before, "gone": before}).load()
    without = SiteLoader(root).load()

    assert names(with_memory) == {"other": "Other", "x": "From the ledger"}
    assert names(without) == {"other": "Other"}


MISSING = "routines:1:1: the folder is missing, mount its disk or put it back; an empty one runs nothing"


def test_a_site_without_its_folder_of_routines_has_one_problem_and_keeps_what_was_in_force(full_site: Site) -> None:
    root = full_site({"routines/x.yaml": GOOD.format(name="Good"), "checklists/bad.yaml": "tasks: [\n"})
    loader = SiteLoader(root)
    loader.load()

    (root / "routines").rename(root / "elsewhere")
    write(root, "opsrunner.yaml", (root / "opsrunner.yaml").read_text().replace("Example Hosting", "Other Hosting"))
    missing = loader.load()
    (root / "elsewhere").rename(root / "routines")
    back = loader.load()

    assert [str(problem) for problem in missing.problems if problem.file == "routines"] == [MISSING]
    assert missing.problems[1].file == "checklists/bad.yaml"
    assert names(missing) == {"other": "Other", "x": "Good"}
    assert missing.site is not None
    assert missing.site.name == "Other Hosting"
    assert {id_: str(problem) for id_, (problem,) in missing.broken.items()} == {"other": MISSING, "x": MISSING}
    assert (names(back), back.broken) == ({"other": "Other", "x": "Good"}, {})


def test_a_folder_of_routines_that_is_missing_at_the_start_keeps_what_was_in_force_before_the_stop(
    full_site: Site,
) -> None:
    root = full_site({})
    before = Routine(id="x", name="From the ledger", accountable="sysadmin")
    (root / "routines/other.yaml").unlink()
    empty = SiteLoader(root, last_good={"x": before}).load()
    (root / "routines").rmdir()
    (root / "routines").symlink_to("/nowhere/at/all")
    linked = SiteLoader(root, last_good={"x": before}).load()
    (root / "routines").unlink()
    unknown = SiteLoader(root).load()

    assert (names(empty), empty.problems) == ({}, ())
    assert names(linked) == {"x": "From the ledger"}
    assert names(unknown) == {}
    assert [str(problem) for loaded in (linked, unknown) for problem in loaded.problems] == [MISSING, MISSING]


@pytest.mark.parametrize(
    ("before", "name"),
    [("site: Before\npeople: {b: {name: B, email: b@example.com, roles: owner}}\n", "Before"), ("", None), ("[", None)],
    ids=["known", "never in force", "cannot be read any more"],
)
def test_a_site_file_that_is_broken_at_the_start_stays_in_force_as_it_was_before_the_stop(
    full_site: Site, before: str, name: str | None
) -> None:
    root = full_site({})
    good = (root / "opsrunner.yaml").read_text()
    write(root, "opsrunner.yaml", "site: [")
    loader = SiteLoader(root, last_site=lambda: before)

    broken = loader.load()
    write(root, "opsrunner.yaml", good)
    mended = loader.load()

    assert (broken.site.name if broken.site else None) == name
    assert broken.site_text == (before if name else "")
    assert {problem.file for problem in broken.problems} >= {"opsrunner.yaml"}
    assert mended.site is not None
    assert (mended.site.name, mended.site_text, mended.problems) == ("Example Hosting", good, ())


@pytest.mark.parametrize(
    ("until", "said"),
    [
        ("2026-01-08", "lies in the past, so this is never due again, move it, or remove the rule"),
        ("2026-01-09", None),  # where days end late it may still be that day
        ("2026-01-10", None),
    ],
)
def test_a_rule_that_has_ended_is_hinted_at_and_holds(load: Load, until: str, said: str | None) -> None:
    over = f'{{every: day, at: "02:30", until: {until}}}'
    routine = GOOD.replace("steps:", f'schedule: [{{every: day, at: "03:30"}}, {over}]\nsteps:')

    loaded = load({"routines/x.yaml": routine.replace("{name}", "X")})

    assert loaded.problems == ()
    assert names(loaded)["x"] == "X"
    expected = [] if said is None else [f"routines/x.yaml:3:72: schedule[1].until: {until} {said}"]
    assert [str(warning) for warning in loaded.warnings] == expected


def test_a_folder_that_holds_no_site_at_all_lacks_only_its_site_file(tmp_path: Path) -> None:
    (problem,) = SiteLoader(tmp_path).load().problems

    assert problem.file == "opsrunner.yaml"


def test_a_broken_site_file_keeps_the_last_good_site_and_routines_still_change(full_site: Site) -> None:
    root = full_site({})
    loader = SiteLoader(root)
    loader.load()

    write(root, "opsrunner.yaml", "site: [")
    write(root, "routines/new.yaml", GOOD.format(name="New"))
    loaded = loader.load()

    assert names(loaded) == {"new": "New", "other": "Other"}
    assert loaded.site is not None
    assert loaded.site.name == "Example Hosting"
    assert [problem.file for problem in loaded.problems] == ["opsrunner.yaml"]


def test_without_any_good_site_file_there_is_no_site_and_all_mistakes_are_told(load: Load) -> None:
    loaded = load({"opsrunner.yaml": "site: X\n", "routines/x.yaml": BROKEN})

    assert loaded.site is None
    assert [problem.file for problem in loaded.problems] == ["opsrunner.yaml", "routines/x.yaml"]


def test_names_are_checked_also_in_a_site_whose_own_file_has_mistakes(load: Load) -> None:
    site = "site: X\nzone: y\npeople:\n  ann: {name: Ann, email: ann@example.com, roles: [owner]}\n"
    loaded = load({"opsrunner.yaml": site, "routines/x.yaml": GOOD.format(name="X")})

    assert [str(problem) for problem in loaded.problems if "unknown" in problem.message] == [
        "opsrunner.yaml:2:1: zone: unknown key, did you mean 'timezone'?",
        "routines/x.yaml:2:14: accountable: unknown role, roster or person 'sysadmin'",
    ]


def test_a_folder_without_a_site_file_says_so(tmp_path: Path) -> None:
    loaded = SiteLoader(tmp_path).load()

    assert loaded.site is None
    assert [str(problem) for problem in loaded.problems] == ["opsrunner.yaml:1:1: there is no such file"]


def test_a_file_that_disappears_is_no_longer_in_force(full_site: Site) -> None:
    root = full_site({"routines/x.yaml": GOOD.format(name="X")})
    loader = SiteLoader(root)
    loader.load()

    (root / "routines/x.yaml").unlink()

    assert names(loader.load()) == {"other": "Other"}


def test_a_person_who_leaves_breaks_the_routines_that_name_them(full_site: Site) -> None:
    root = full_site({"routines/x.yaml": GOOD.format(name="X").replace("sysadmin", "ops1")})
    loader = SiteLoader(root)
    site_file = (root / "opsrunner.yaml").read_text(encoding="utf-8")
    loader.load()

    renamed = site_file.replace("ops1", "ops2")
    write(root, "opsrunner.yaml", renamed)
    loaded = loader.load()

    assert [str(problem) for problem in loaded.problems] == [
        "routines/x.yaml:2:14: accountable: unknown role, roster or person 'ops1', did you mean 'ops2'?"
    ]
    assert names(loaded)["x"] == "X"


def test_another_zone_of_the_site_reaches_routines_that_did_not_change(full_site: Site) -> None:
    scheduled = GOOD.format(name="X") + 'schedule: {every: day, at: "02:30"}\n'
    root = full_site({"routines/x.yaml": scheduled})
    loader = SiteLoader(root)
    loader.load()

    write(root, "opsrunner.yaml", (root / "opsrunner.yaml").read_text().replace("Europe/Oslo", "Asia/Tokyo"))
    loaded = loader.load()

    assert loaded.site is not None
    assert loaded.site.routines["x"].schedule.rules[0].frame.timezone == "Asia/Tokyo"


def test_another_text_of_a_checklist_reaches_the_routines_that_use_it(full_site: Site) -> None:
    root = full_site(
        {
            "checklists/round.yaml": "tasks: [One]\n",
            "routines/x.yaml": "name: X\naccountable: sysadmin\nsteps: [{checklist: round}]\n",
        }
    )
    loader = SiteLoader(root)
    loader.load()

    write(root, "checklists/round.yaml", "tasks: [One, Two]\n")
    more = loader.load()
    write(root, "checklists/round.yaml", "tasks: [One, {tsk: Two}]\n")
    broken = loader.load()

    assert more.site is not None
    assert [task.title for task in more.site.routines["x"].steps[0].tasks] == ["One", "Two"]
    assert [str(problem) for problem in broken.problems] == [
        "checklists/round.yaml:1:15: tasks[1].tsk: unknown key, did you mean 'task'?",
        "routines/x.yaml:3:21: steps[0].checklist: the checklist has mistakes (checklists/round.yaml)",
    ]
    assert broken.site is not None
    assert len(broken.site.routines["x"].steps[0].tasks) == 2


def test_what_has_not_changed_is_not_read_again(full_site: Site) -> None:
    root = full_site({f"routines/r{number}.yaml": GOOD.format(name=f"R{number}") for number in range(300)})
    loader = SiteLoader(root)
    first = loader.load()
    again = loader.load()
    assert (first.changed, again.changed) == (True, False)
    assert again.site is first.site


def test_a_change_of_one_file_leaves_the_other_routines_the_same_objects(full_site: Site) -> None:
    root = full_site({f"routines/{name}.yaml": GOOD.format(name=name) for name in "abc"})
    loader = SiteLoader(root)
    before = loader.load().site

    write(root, "routines/b.yaml", GOOD.format(name="changed"))
    after = loader.load().site

    assert before is not None
    assert after is not None
    assert after.routines["b"].name == "changed"
    assert after.routines["a"] is before.routines["a"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("x.yml", "routines/x.yml:1:1: the ending must be .yaml, rename it to x.yaml"),
        (
            "My Routine.yaml",
            "routines/My Routine.yaml:1:1: the file's name is the routine's id, use small letters, digits and '-'",
        ),
    ],
)
def test_a_file_with_a_wrong_name_is_named(load: Load, name: str, message: str) -> None:
    loaded = load({f"routines/{name}": GOOD.format(name="X")})

    assert [str(problem) for problem in loaded.problems] == [message]
    assert list(loaded.broken) == [Path(name).stem]


@pytest.mark.parametrize("name", [".x.yaml.swp", ".hidden.yaml", "x.yaml~", "README.md", "#x.yaml#"])
def test_files_of_editors_and_notes_are_no_routines(load: Load, name: str) -> None:
    loaded = load({f"routines/{name}": "not: [yaml"})

    assert loaded.problems == ()
    assert names(loaded) == {"other": "Other"}


def test_offsets_that_go_in_a_circle_are_named_with_the_way_round(load: Load) -> None:
    offset = "schedule: {of: NAME, offset: -1d}\n"
    loaded = load(
        {
            "routines/a.yaml": GOOD.format(name="A") + offset.replace("NAME", "b"),
            "routines/b.yaml": GOOD.format(name="B") + offset.replace("NAME", "a"),
            "routines/c.yaml": GOOD.format(name="C") + offset.replace("NAME", "a"),
            "routines/self.yaml": GOOD.format(name="S") + offset.replace("NAME", "self"),
        }
    )

    assert [str(problem) for problem in loaded.problems] == [
        "routines/a.yaml:5:11: schedule: the offsets go in a circle: a → b → a",
        "routines/b.yaml:5:11: schedule: the offsets go in a circle: b → a → b",
        "routines/self.yaml:5:11: schedule: the offsets go in a circle: self → self",
    ]


def test_two_routines_cannot_both_have_been_the_same_one(load: Load) -> None:
    loaded = load({f"routines/{name}.yaml": GOOD.format(name=name) + "renamed_from: old\n" for name in "ab"})

    assert [str(problem) for problem in loaded.problems] == [
        "routines/b.yaml:5:15: renamed_from: 'a' says too that it was 'old'"
    ]


def test_a_mail_template_that_does_not_parse_is_named_with_its_line(load: Load) -> None:
    loaded = load({"reports/note.txt.j2": "Subject: Hello\n\n{% if row %}\nno end\n"})

    (problem,) = loaded.problems
    assert (problem.file, problem.path) == ("reports/note.txt.j2", "")
    assert "endif" in problem.message or "missing" in problem.message


def test_a_mail_can_use_a_template_of_the_site_or_a_packaged_one(load: Load) -> None:
    routine = "name: X\naccountable: owner\nsteps:\n" + "".join(
        f"  - email: {{to: owner, template: {name}}}\n" for name in ("note", "welcome")
    )

    loaded = load({"reports/note.txt.j2": "Subject: Hello\n\nYou\n", "routines/x.yaml": routine})

    assert loaded.problems == ()


class TestPermissions:
    """Configuration is code: whoever may write it decides what runs (C35)."""

    @pytest.mark.parametrize("path", [".", "routines", "checklists", "reports"])
    def test_a_folder_that_anybody_may_write_to_is_refused(self, full_site: Site, path: str) -> None:
        root = full_site({})
        (root / path).chmod(0o777)

        loaded = SiteLoader(root).load()

        folder = (root / path).resolve()
        assert loaded.site is None
        assert [str(problem) for problem in loaded.problems] == [
            f"{folder}:1:1: anybody on this machine may change it (mode 0777), run: chmod o-w {folder}"
        ]

    def test_a_folder_above_that_anybody_may_write_to_is_refused_unless_it_is_sticky(self, tmp_path: Path) -> None:
        above = tmp_path / "above"
        root = above / "site"
        root.mkdir(parents=True)
        (root / "opsrunner.yaml").write_text("site: X\npeople: {b: {name: B, email: b@example.com, roles: owner}}\n")
        above.chmod(0o777)
        open_to_all = SiteLoader(root).load()
        above.chmod(0o1777)

        assert open_to_all.site is None
        assert SiteLoader(root).load().site is not None

    @pytest.mark.parametrize("linked", ["opsrunner.yaml", "routines", "routines/x.yaml", "routines/over.yaml"])
    def test_what_links_lead_to_must_not_lie_where_anybody_may_put_another(
        self, full_site: Site, tmp_path: Path, linked: str
    ) -> None:
        root = full_site({"routines/x.yaml": GOOD.format(name="X")})
        (open_to_all := tmp_path / "open").mkdir()
        (hop := open_to_all / "hop").symlink_to(root / "routines/x.yaml")  # where it ends does not matter
        if linked == "routines/over.yaml":
            (root / linked).symlink_to(hop)
        else:
            (root / linked).rename(open_to_all / "moved")
            (root / linked).symlink_to(open_to_all / "moved")
        loader = SiteLoader(root)
        assert loader.load().problems == ()
        open_to_all.chmod(0o777)

        (problem,) = loader.load().problems

        folder = open_to_all.resolve()
        assert str(problem) == (
            f"{folder}:1:1: anybody on this machine may change it (mode 0777), run: chmod o-w {folder}"
        )
        open_to_all.chmod(0o1777)  # as /tmp: what stands there is its owner's
        assert loader.load().problems == ()

    def test_the_site_in_force_stays_as_it_was_while_its_folder_is_open(self, full_site: Site) -> None:
        root = full_site({"routines/x.yaml": GOOD.format(name="Good")})
        loader = SiteLoader(root)
        loader.load()

        (root / "routines").chmod(0o777)
        write(root, "routines/x.yaml", GOOD.format(name="From a stranger"))

        assert names(loader.load())["x"] == "Good"

    def test_a_site_file_that_anybody_may_write_to_is_refused(self, full_site: Site) -> None:
        root = full_site({})
        (root / "opsrunner.yaml").chmod(0o666)

        loaded = SiteLoader(root).load()

        assert loaded.site is None
        assert "anybody on this machine may change it" in loaded.problems[0].message

    def test_a_routine_that_anybody_may_write_to_is_broken_and_stops_no_other(self, full_site: Site) -> None:
        root = full_site({"routines/x.yaml": GOOD.format(name="X")})
        (root / "routines/x.yaml").chmod(0o602)

        loaded = SiteLoader(root).load()

        assert list(loaded.broken) == ["x"]
        assert names(loaded) == {"other": "Other"}

    def test_opening_a_file_to_all_counts_as_a_change(self, full_site: Site) -> None:
        root = full_site({"routines/x.yaml": GOOD.format(name="X")})
        loader = SiteLoader(root)
        loader.load()

        (root / "routines/x.yaml").chmod(0o666)

        assert list(loader.load().broken) == ["x"]

    def test_a_secret_that_the_group_may_read_gives_a_warning_and_is_not_read(self, full_site: Site) -> None:
        routine = GOOD.format(name="X") + "    env: {A: {file: secrets/a}, B: {file: secrets/none}}\n"
        root = full_site({"routines/x.yaml": routine, "secrets/a": "canary"})
        (root / "secrets/a").chmod(0o640)

        loaded = SiteLoader(root).load()

        assert loaded.problems == ()
        (warning,) = loaded.warnings
        assert str(warning) == (
            "routines/x.yaml:5:14: steps[0].env.A: others may read secrets/a (mode 0640), "
            f"run: chmod 600 {root.resolve() / 'secrets/a'}"
        )


ON_HOLIDAYS = (
    "name: Review\naccountable: sysadmin\nschedule:\n"
    "  - {{every: day, at: '09:00'}}\n"
    "  - {{every: week, on: monday, at: '10:00', calendar: {calendar}, on_holiday: {on_holiday}}}\n"
    "  - {{every: week, on: friday, at: '11:00', calendar: {calendar}, on_holiday: skip}}\n"
    "steps:\n  - run: 'true'\n"
)


class TestHolidaysThatNoCalendarKnows:
    """`on_holiday` with a calendar that has none is only a warning, said once a routine."""

    @pytest.mark.parametrize(
        ("name", "calendars"),
        [
            ("business", ""),  # the calendar that is always there
            ("desk", "calendars:\n  business: {country: NO}\n  desk: {working_hours: '08:00-12:00'}\n"),
        ],
    )
    def test_an_on_holiday_that_does_nothing_says_what_to_write(
        self, full_site: Site, name: str, calendars: str
    ) -> None:
        root = full_site({"routines/x.yaml": ON_HOLIDAYS.format(calendar=name, on_holiday="next business day")})
        with (root / "opsrunner.yaml").open("a", encoding="utf-8") as file:
            file.write(calendars)

        loaded = SiteLoader(root).load()

        assert (loaded.problems, list(names(loaded))) == ((), ["other", "x"])
        (warning,) = loaded.warnings
        column = len(f"  - {{every: week, on: monday, at: '10:00', calendar: {name}, on_holiday: ") + 1
        assert str(warning) == (
            f"routines/x.yaml:5:{column}: schedule[1].on_holiday: does nothing, as the calendar '{name}' has neither "
            f"country nor days_off, write calendars: {{{name}: {{country: NO}}}} in opsrunner.yaml, "
            "with your own country"
        )

    @pytest.mark.parametrize("keys", ["{country: NO}", "{days_off: [2026-12-24]}"])
    def test_a_calendar_with_any_day_off_is_enough(self, full_site: Site, keys: str) -> None:
        root = full_site({"routines/x.yaml": ON_HOLIDAYS.format(calendar="business", on_holiday="skip")})
        with (root / "opsrunner.yaml").open("a", encoding="utf-8") as file:
            file.write(f"calendars:\n  business: {keys}\n")
        loader = SiteLoader(root)

        assert (loader.load().problems, loader.load().warnings) == ((), ())

        write(root, "opsrunner.yaml", (root / "opsrunner.yaml").read_text(encoding="utf-8").replace(keys, "{}"))
        assert [warning.file for warning in loader.load().warnings] == ["routines/x.yaml"]


class TestCheckPath:
    """`check` on a folder, and on one file."""

    def test_a_folder_is_checked_as_a_site(self, full_site: Site) -> None:
        root = full_site({"routines/x.yaml": BROKEN})

        assert [problem.file for problem in check_path(root).problems] == ["routines/x.yaml"]

    def test_one_file_is_checked_within_its_site(self, full_site: Site) -> None:
        root = full_site(
            {"routines/x.yaml": BROKEN, "routines/y.yaml": GOOD.format(name="Y").replace("sysadmin", "nobody")}
        )

        (problem,) = check_path(root / "routines/y.yaml").problems

        assert str(problem) == "routines/y.yaml:2:14: accountable: unknown role, roster or person 'nobody'"
        assert check_path(root / "routines/other.yaml").problems == ()

    def test_a_file_without_a_site_is_checked_alone(self, tmp_path: Path) -> None:
        path = tmp_path / "x.yaml"
        path.write_text(BROKEN, encoding="utf-8")

        (problem,) = check_path(path).problems

        assert str(problem) == "x.yaml:5:5: steps[0].timout: unknown key, did you mean 'timeout'?"

    def test_a_file_that_cannot_be_read_says_so(self, full_site: Site) -> None:
        root = full_site({})
        (root / "routines/x.yaml").symlink_to(root / "nowhere")

        (problem,) = SiteLoader(root).load().problems

        assert str(problem) == "routines/x.yaml:1:1: there is no such file"
