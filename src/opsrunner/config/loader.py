"""Loads a site again and again: only what has changed is read, and what is good stays in force."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import field, replace
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import TypeAlias

from opsrunner import packaged
from opsrunner.clock import Clock, SystemClock
from opsrunner.config.choice import Candidates, Choice, choose
from opsrunner.config.cross_checks import Known, idle_holidays, list_problems, routine_problems
from opsrunner.config.folder import FOLDERS, MAINTENANCE_FILE, SITE_FILE, TOP_FILES, Folder, look_at
from opsrunner.config.inventories.reading import Inventories
from opsrunner.config.maintenance_file import NONE, MaintenanceContext, MaintenanceDraft, MaintenanceFile
from opsrunner.config.permissions import folder_problems
from opsrunner.config.references import Noun
from opsrunner.config.report_templates import FOLDER as TEMPLATES
from opsrunner.config.report_templates import ReportTemplates, mail_names
from opsrunner.config.routine_file import RoutineContext
from opsrunner.config.routine_files import RoutineFiles, missing_folder, read_routine_file
from opsrunner.config.shelf import Shelf, read_list
from opsrunner.config.site_file import SiteDraft, read_site, read_site_text
from opsrunner.config.yaml12 import BadYaml
from opsrunner.model.routine import Routine
from opsrunner.model.site import Problem, Site
from opsrunner.model.window import Maintenance
from opsrunner.records import dataclass
from opsrunner.schedules.reckoning import routines_of

Problems: TypeAlias = tuple[Problem, ...]


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """What a look at the site's files came to.

    `site` is what is in force: the last good form of everything, None where there never was a good
    `opsrunner.yaml`. `broken` maps the ids of routines to why their files cannot be taken: each on its own, or all
    of them where their folder is missing.
    """

    site: Site | None
    found: Problems = ()
    """What is wrong, but for mail templates."""
    of_templates: Callable[[], Problems] = tuple
    """Tells what is wrong with mail templates. Looked for when it is asked: most verbs do not, and it takes as long as
    all else."""
    warnings: Problems = ()
    broken: Mapping[str, Problems] = field(default_factory=dict)
    changed: bool = True
    site_text: str = ""
    """The text of `opsrunner.yaml` that is in force; empty without `site`."""
    inventory_text: str = ""
    """The hosts of inventories that are in force, as `last_inventory` takes them; empty without any."""
    maintenance_text: str = ""
    """The text of `maintenance.yaml` that is in force; empty without one."""

    @cached_property
    def problems(self) -> Problems:
        """All that is wrong."""
        return (*self.found, *self.of_templates())

    @property
    def broken_files(self) -> int:
        """How many files do not check, of whatever kind; what they held before stays in force."""
        return len({problem.file for problem in self.problems})


class SiteLoader:
    """Keeps what it has read, and the last good form of every routine.

    `last_good` are routines as they were last in force, for files that are broken at the start; `last_site` returns
    the text of `opsrunner.yaml` as it was then, `last_inventory` the hosts of inventories; empty where not known.
    """

    def __init__(
        self,
        root: Path,
        *,
        last_good: Mapping[str, Routine] | None = None,
        last_site: Callable[[], str] | None = None,
        last_inventory: Callable[[], str] | None = None,
        last_maintenance: Callable[[], str] | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._root = Path(os.path.realpath(root))
        self._clock = clock or SystemClock()
        self._last_good: Mapping[str, Routine] = {} if last_good is None else last_good
        self._last_site = last_site
        self._seen: Folder | None = None
        self._loaded = Loaded(site=None)
        self._draft: SiteDraft | None = None
        self._good: SiteDraft | None = None
        self._shelf = Shelf(self._root, packaged=packaged.library() / "checklists")
        self._reports = ReportTemplates(self._root)
        self._inventories = Inventories(self._root, last_good=last_inventory)
        self._routines = RoutineFiles(self._root)
        self._maintenance = MaintenanceFile(self._root, last_text=last_maintenance)
        self._windows = NONE

    def load(self) -> Loaded:
        """Return the site as its files are now; cheap where nothing has changed."""
        seen = look_at(self._root, beside=self._inventories.watched)
        if seen == self._seen:
            return replace(self._loaded, changed=False)
        draft = self._site_draft(seen)
        seen = self._with_inventories(seen)
        self._shelf.refresh(seen)
        self._reports.refresh(seen)
        self._routines.refresh(seen, within=self._context())
        self._windows = self._maintenance.read(seen.files.get(MAINTENANCE_FILE), within=self._of_windows())
        self._loaded = self._judged(seen, draft)
        self._seen = seen
        return self._loaded

    def _with_inventories(self, seen: Folder) -> Folder:
        """Return what was seen together with the inventories, where other files belong to them than before."""
        watched = self._inventories.watched
        if seen.beside.keys() == watched.keys():
            return seen
        return replace(seen, beside=watched, modes=look_at(self._root, beside=watched).modes)

    def _context(self) -> RoutineContext:
        timezone = self._good_site.timezone if self._good_site else "UTC"
        return RoutineContext(timezone=timezone, today=self._clock.now().date(), checklists=self._shelf)

    def _of_windows(self) -> MaintenanceContext:
        within = self._context()
        return MaintenanceContext(timezone=within.timezone, today=within.today, checklists=within.checklists)

    def _site_draft(self, seen: Folder) -> SiteDraft:
        if self._draft is None or self._seen is None or not _is_same_site(seen, self._seen):
            self._draft = read_site(self._root, signature=seen.files.get(SITE_FILE), inventories=self._inventories)
        if self._draft.site is not None:
            self._good = self._draft
        elif self._good is None:
            self._good = self._site_before()
        return self._draft

    def _site_before(self) -> SiteDraft | None:
        """Return the site's file as it was last in force, where that is known and can still be read."""
        text = self._last_site() if self._last_site is not None else ""
        try:
            draft = read_site_text(text, self._root, inventories=self._inventories)
        except BadYaml:
            return None
        return draft if draft.site is not None else None

    @property
    def _good_site(self) -> Site | None:
        return None if self._good is None else self._good.site

    def _judged(self, seen: Folder, draft: SiteDraft) -> Loaded:
        lists, among, of_windows = self._among_each_other()
        missing = missing_folder(seen)
        windows = self._maintenance.in_force(self._windows, is_sound=not of_windows, within=self._of_windows())
        broken = dict.fromkeys(self._last_good, missing) if missing else self._broken(among)
        choice = self._chosen(broken, windows)
        for id_ in choice.waiting:  # those that others go by come first
            broken[id_] = self._why_waiting(id_, broken, of_windows) or draft.problems
        unsafe = folder_problems(self._root, seen)
        site = self._loaded.site if unsafe else self._in_force(choice, broken, windows)
        text = self._loaded.site_text if unsafe or self._good is None else self._good.text
        own_lists = (checklist.problems for checklist in self._shelf.own.values())
        of_lists = chain(*own_lists, *lists.values())
        others = (of_lists, self._windows.problems, of_windows)
        problems = chain(unsafe, missing, draft.problems, *others, *broken.values())
        drafts = self._routines.drafts.values()
        warnings = chain(draft.warnings, *(routine.warnings for routine in drafts), self._idle_holidays())
        return Loaded(
            site=site,
            found=tuple(dict.fromkeys(problems)),
            of_templates=self._reports.problems,
            warnings=tuple(warnings),
            broken=broken,
            site_text=text,
            inventory_text=self._loaded.inventory_text if unsafe else self._inventories.kept,
            maintenance_text=self._loaded.maintenance_text if unsafe else windows.text,
        )

    def _idle_holidays(self) -> Iterator[Problem]:
        if self._good_site is None:
            return iter(())
        calendars = {"business": self._good_site.business, **self._good_site.calendars}
        return idle_holidays(self._routines.drafts.values(), calendars)

    def _among_each_other(self) -> tuple[dict[str, Problems], dict[str, Problems], Problems]:
        """Return what is wrong with checklists, routines and windows where they name what the site does not have."""
        site = self._good or self._draft
        if site is None or site.names is None:
            return {}, {}, ()
        mails = self._reports.mails | mail_names(path.name for path in (packaged.library() / "reports").glob("*.j2"))
        windows: dict[Noun, Collection[str]] = {}
        if self._windows.names is not None:
            windows["window"] = self._windows.names
        routines = self._routines.drafts
        known = Known(names={**site.names.defined(), "mail template": mails, "routine": routines, **windows})
        lists = list_problems(self._shelf.own.values(), known)
        report = self._windows.report()
        has_hosts = bool(site.names.sections["hosts"] or site.names.inventory)
        meant = [one for one in self._windows.references if one.noun != "host" or has_hosts]
        known.note_unknown(meant, report)  # without an inventory the hosts of windows are those of customers' data
        return lists, routine_problems(routines, known), report.problems()

    def _broken(self, among: Mapping[str, Problems]) -> dict[str, Problems]:
        broken = dict(self._routines.stray)
        for id_, draft in self._routines.drafts.items():
            found = (*draft.problems, *among.get(id_, ()))
            if found:
                broken[id_] = found
        return broken

    def _chosen(self, broken: Mapping[str, Problems], windows: MaintenanceDraft) -> Choice:
        maintenance = windows.maintenance or Maintenance()
        candidates = Candidates(
            good=dict(self._routines.good()),
            last_good=self._last_good,
            windows={name: window.schedule for name, window in maintenance.windows.items()},
            calendars=self._good_site.calendars if self._good_site else (),
        )
        return choose(candidates, broken=broken)

    def _why_waiting(self, id_: str, broken: Mapping[str, Problems], of_windows: Problems) -> Problems:
        """Return what is wrong elsewhere that a routine goes by: the routine itself has no mistake."""
        routine = self._routines.drafts[id_].routine
        others = routines_of(routine.schedule) if routine else ()
        found = tuple(chain.from_iterable(broken.get(other, ()) for other in others))
        return found or (*self._windows.problems, *of_windows)

    def _in_force(self, choice: Choice, broken: Mapping[str, Problems], windows: MaintenanceDraft) -> Site | None:
        self._last_good = choice.known
        if self._good_site is None:
            return None
        maintenance = windows.maintenance or Maintenance()
        return replace(self._good_site, routines=choice.sound, broken=broken, maintenance=maintenance)


def _is_same_site(seen: Folder, before: Folder) -> bool:
    """Tell whether the site's own file and the inventories that it names are as they were."""
    return seen.same(before, SITE_FILE) and seen.beside == before.beside


def check_path(path: Path) -> Loaded:
    """Return the problems of a site's folder, or those of one of its files within its site.

    A file that lies in no site is checked alone: as a checklist or a site's own file by its name, else as a
    routine; names that it uses are not looked up.
    """
    path = Path(os.path.realpath(path))  # unlike resolve, content with links that lead round in a circle
    if path.is_dir():
        return SiteLoader(path).load()
    root = path.parent.parent if path.parent.name in FOLDERS else path.parent
    if not (root / SITE_FILE).is_file() or not (path.name in TOP_FILES or root != path.parent):
        return _check_alone(path)
    loaded = SiteLoader(root).load()
    file = path.relative_to(root).as_posix()
    found = loaded.problems if file.startswith(f"{TEMPLATES}/") else loaded.found
    return replace(
        loaded,
        found=tuple(problem for problem in found if problem.file == file),
        of_templates=tuple,
        warnings=tuple(warning for warning in loaded.warnings if warning.file == file),
    )


def _check_alone(path: Path) -> Loaded:
    if path.suffix == ".md" or path.parent.name == "checklists":
        return Loaded(site=None, found=read_list(path, file=path.name).problems)
    shelf = Shelf(path.parent, packaged=packaged.library() / "checklists")
    today = SystemClock().now().date()
    within = RoutineContext(timezone="UTC", today=today, checklists=shelf)
    draft = read_routine_file(path, file=path.name, within=within)
    return Loaded(site=None, found=draft.problems, warnings=draft.warnings)
