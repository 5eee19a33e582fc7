"""One run of a `restore_drill` step whose copies another tool makes: a command restores, and we look at what came."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

from opsrunner.archives.choosing import path_matches
from opsrunner.archives.watched import Watched
from opsrunner.errors import NotFound, SecretUnavailable, StepFailed, StoreFailed
from opsrunner.model.foreign import ForeignDrill, Found, KnownForeign
from opsrunner.model.outcome import Outcome, StepStatus
from opsrunner.model.sizes import size_words
from opsrunner.steps.base import Means, StepCall
from opsrunner.steps.drill_bench import DrillBench, NoRoom
from opsrunner.steps.restore_drill import Options
from opsrunner.steps.step_time import StepTime

_NEVER = datetime.min.replace(tzinfo=UTC)
_HOUR = 3600


class ForeignDrillRun:
    """Restores the newest backup of the one that was tried longest ago: in time, each has its turn."""

    def __init__(self, call: StepCall, means: Means) -> None:
        self._call, self._means = call, means
        self._options: Options = call.options
        routine, _, self._step = self._options.of.rpartition("/")
        self._routine = means.history_of(routine) or call.routine
        self._time = StepTime(call, means)
        self._bench = DrillBench(call, means, self._time)

    def run(self) -> Outcome:
        """Restore, look, check, and tell the catalogue. Raises StepFailed."""
        chosen = self._choose()
        assert chosen.newest is not None  # noqa: S101 - only such are chosen
        started = self._means.clock.monotonic()
        try:
            with self._bench:
                self._bench.say(f"{chosen.newest.name} of {chosen.key}")
                env = {"OPS_KEY": chosen.key, "OPS_COPY": self._copy(chosen.newest)}
                seconds, files, size = self._prove(chosen, env=env, started=started)
        except StoreFailed as exc:
            raise self._not_tried(chosen, exc.message, permanent=exc.permanent) from exc
        except (NotFound, SecretUnavailable) as exc:  # its store, which the site may have no more
            raise self._not_tried(chosen, exc.message, permanent=True) from exc
        except _NoProof as exc:
            raise StepFailed(f"{chosen.key}: {exc.message}", facts={"key": chosen.key}) from exc
        except StepFailed as exc:  # trouble of ours, and nobody knows whether the backup is right
            raise self._not_tried(chosen, exc.message, permanent=exc.permanent, status=exc.status) from exc
        self._note(chosen, seconds=seconds, files=files, size=size)
        return self._bench.judged(self._outcome(chosen, files=files, size=size, seconds=seconds))

    def _prove(self, chosen: KnownForeign, *, env: Mapping[str, str], started: float) -> tuple[float, int, int]:
        """Return the seconds, files and bytes of what was restored. Raises _NoProof where that is not right."""
        try:
            what = "the command that restores"
            self._bench.run(self._options.with_, env=env, called=what, failed=what)
            seconds = self._means.clock.monotonic() - started
            files, size = self._look()
            self._bench.check(self._options.then, env=env)
        except StepFailed as exc:
            if exc.status != StepStatus.FAILED or isinstance(exc, NoRoom):
                raise  # what was stopped, or took too long, proves nothing either way
            self._note(chosen, seconds=self._means.clock.monotonic() - started, problem=exc.message)
            raise _NoProof(exc.message) from exc
        return seconds, files, size

    def _not_tried(
        self, chosen: KnownForeign, message: str, *, permanent: bool, status: str = StepStatus.FAILED
    ) -> StepFailed:
        self._note(chosen, seconds=0, problem=message, is_theirs=False)
        return StepFailed(f"{chosen.key}: {message}", permanent=permanent, status=status, facts={"key": chosen.key})

    def _choose(self) -> KnownForeign:
        """Return the one that the row is about, where the step goes on for each, else who was tried longest ago."""
        key = self._call.row_key
        found = self._means.copies.foreign(self._routine, self._step)
        known = [one for one in found if one.newest is not None and key in ("", one.key)]
        if not known:
            of_key = f" of {key}" if key else ""
            raise StepFailed(f"{self._options.of} has found no backup{of_key} yet: nothing can be restored")
        oldest = min(one.tried_at or _NEVER for one in known)
        return random.Random(self._call.run_id).choice(  # noqa: S311 (a sample, no secret)
            [one for one in known if (one.tried_at or _NEVER) == oldest]
        )

    def _copy(self, found: Found) -> str:
        """Return what the command is told to restore. Raises StepFailed, StoreFailed."""
        if found.store:
            return str(self._fetch(found))
        if found.name.startswith("-"):
            raise StepFailed(
                f"{found.name!r} begins with '-', which a command would take for an option", permanent=True
            )
        return found.name

    def _fetch(self, found: Found) -> Path:
        """Fetch a backup, a file or a whole folder, and return where it lies here. Raises StepFailed, StoreFailed."""
        name = found.name
        with Watched(self._means.open_store(found.store), require_time=self._time.require) as store:
            stored = [
                one
                for one in store.survey(name, may_hold=lambda folder: f"{folder}/".startswith(f"{name}/"))
                if one.name == name or one.name.startswith(f"{name}/")
            ]
            if not stored:
                raise StepFailed(f"{name} lies in {found.store} no more")
            self._bench.require_room(sum(one.size_bytes for one in stored))
            for one in stored:
                self._bench.fetch(store, one.name)
        return self._bench.fetched / name

    def _look(self) -> tuple[int, int]:
        """Return how many files came, and their bytes. Raises StepFailed where nothing did, or something is missing."""
        files = list(_files(self._bench.folder))
        size = sum(path.lstat().st_size for path in files)
        if not size:
            raise StepFailed("the command went well, and nothing was restored")
        names = [path.relative_to(self._bench.folder).as_posix() for path in files]
        for wanted in self._options.must_include:
            if not any(map(path_matches([wanted]), names)):
                raise StepFailed(f"what was restored has nothing of {wanted}")
        return len(files), size

    def _note(
        self,
        chosen: KnownForeign,
        *,
        seconds: float,
        files: int = 0,
        size: int = 0,
        problem: str = "",
        is_theirs: bool = True,
    ) -> None:
        self._means.note(
            ForeignDrill(
                routine=self._routine,
                step=self._step,
                key=chosen.key,
                at=self._means.clock.now(),
                by=f"run {self._call.run_id}",
                name=chosen.newest.name if chosen.newest else "",
                files=files,
                bytes=size,
                seconds=round(seconds, 3),
                problem=problem,
                is_theirs=is_theirs,
            )
        )

    def _outcome(self, chosen: KnownForeign, *, files: int, size: int, seconds: float) -> Outcome:
        assert chosen.newest is not None  # noqa: S101 - only such are chosen
        age = (self._means.clock.now() - chosen.newest.made_at).total_seconds() / _HOUR
        checked = ", and the check went well" if self._options.then else ""
        count = f"{files:,} file{'' if files == 1 else 's'}"
        return Outcome(
            status=StepStatus.SUCCEEDED,
            message=f"restored {count}, {size_words(size)} in {seconds:.1f} s of {chosen.key}{checked}",
            facts={
                "key": chosen.key,
                "name": chosen.newest.name,
                "age_hours": round(age, 1),
                "files": files,
                "bytes": size,
                "seconds": round(seconds, 3),
            },
        )


class _NoProof(StepFailed):
    """What was restored, or should have been, is not right."""


def _files(folder: Path) -> Iterator[Path]:
    def refuse(error: OSError) -> None:
        raise error

    for above, _, names in os.walk(folder, onerror=refuse):
        for name in names:
            path = Path(above) / name
            if path.is_file() and not path.is_symlink():
                yield path
