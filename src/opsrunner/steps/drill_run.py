"""One run of a `restore_drill` step."""

from __future__ import annotations

import random
import shutil
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

from opsrunner.archives.drilling import Drilled, Lacking, drill_all, drill_sample
from opsrunner.archives.reader import fetch_manifest
from opsrunner.archives.vanished import NOT_THERE, has_vanished
from opsrunner.archives.watched import Watched
from opsrunner.errors import ArchiveDamaged, NotFound, NotStored, SecretUnavailable, StepFailed, StoreFailed
from opsrunner.model.backup import Copy, CopyState, Doubted, Drill, Gone
from opsrunner.model.outcome import Outcome, StepStatus
from opsrunner.model.sizes import size_words
from opsrunner.steps.base import Means, StepCall
from opsrunner.steps.drill_bench import DrillBench, NotPassed
from opsrunner.steps.foreign_drill_run import ForeignDrillRun
from opsrunner.steps.restore_drill import Options
from opsrunner.steps.step_time import StepTime

HOUR = 3600
NEVER = datetime.min.replace(tzinfo=UTC)


def run(call: StepCall, means: Means) -> Outcome:
    """Restore, compare, check, clean up. Raises StepFailed."""
    return ForeignDrillRun(call, means).run() if call.options.with_ else DrillRun(call, means).run()


class DrillRun:
    """Proves one copy, or finds out that it is none."""

    def __init__(self, call: StepCall, means: Means) -> None:
        self._call, self._means = call, means
        self._options: Options = call.options
        self._time = StepTime(call, means)
        self._bench = DrillBench(call, means, self._time)
        self._scratch = self._bench.folder

    def run(self) -> Outcome:
        """Restore, compare, check, and tell the catalogue. Raises StepFailed."""
        copy = self._choose_copy()
        started = self._means.clock.monotonic()
        drilled = Drilled()
        try:
            with self._bench:
                drilled = self._drill(copy)
                seconds = self._means.clock.monotonic() - started
                self._bench.check(self._options.then)
        except (ArchiveDamaged, NotStored) as exc:
            self._require_lying(copy)
            self._means.note(self._told(copy, Drilled(), started=started, problem=exc.message))
            raise StepFailed(f"{copy.name} in {copy.store}: {exc.message}", permanent=True, facts=_facts(copy)) from exc
        except (Lacking, NotPassed) as exc:
            self._means.note(Doubted(drill=self._told(copy, drilled, started=started, problem=exc.message)))
            raise StepFailed(exc.message, permanent=isinstance(exc, Lacking), facts=_facts(copy)) from exc
        except (StepFailed, StoreFailed, SecretUnavailable) as exc:  # trouble of ours: it says nothing of the copy
            raise _not_tried(copy, exc) from exc
        except NotFound as exc:  # its store, which the site may have no more
            message = f"{exc.message}; if it is no more: opsrunner backups adopt {copy.store} --moved"
            raise StepFailed(message, permanent=True, facts=_facts(copy)) from exc
        told = self._told(copy, drilled, started=started)
        self._means.note(replace(told, seconds=round(seconds, 3)))  # the check is no part of restoring
        return self._bench.judged(self._outcome(copy, drilled, seconds=seconds))

    def _choose_copy(self) -> Copy:
        routine, _, step = self._options.of.rpartition("/")
        copies = self._means.copies.lying(
            routine=self._means.history_of(routine) or self._call.routine,
            step=step,
            store=self._options.store,
            key=self._call.row_key or None,
        )
        if not copies:
            where = f" in {self._options.store}" if self._options.store else ""
            raise StepFailed(f"there is no copy of {self._options.of}{where} yet: nothing can be restored")
        now = self._means.clock.now()
        copies.sort(key=lambda copy: copy.is_ahead(now))  # what is dated ahead is no newest one while there is another
        copies = _in_turn(copies, tried_at=self._tried_at())
        if self._options.which == "newest":
            return copies[0]
        older = [copy for copy in copies[1:] if copy.state is not CopyState.DAMAGED]
        return self._dice.choice(older or copies[:1])  # others prove the newest, and what is damaged is known

    def _tried_at(self) -> dict[str, datetime]:
        """Return when this step last went to a copy of each store, however that ended."""
        found: dict[str, datetime] = {}
        for at, outcome in self._means.ends(self._call.routine, self._call.step):
            of_row = [part.facts for part in outcome.parts if part.key == self._call.row_key]
            for facts in of_row or [outcome.facts]:
                found.setdefault(str(facts.get("store", "")), at)
        return found

    @property
    def _dice(self) -> random.Random:
        """The same for each try of a run, so that what it found can be found again."""
        return random.Random(self._call.run_id)  # noqa: S311 (a sample, no secret)

    def _drill(self, copy: Copy) -> Drilled:
        with Watched(self._means.open_store(copy.store), require_time=self._time.require) as store:
            if has_vanished(store, copy.name):
                self._require_lying(copy)
                self._means.note(Gone(copy=copy.id, at=self._means.clock.now(), why=NOT_THERE))
                message = f"{copy.name}: nothing of it lies in {copy.store} any more; it counts as gone"
                raise StepFailed(message, permanent=True, facts=_facts(copy))
            manifest = fetch_manifest(store, copy.name, sha256=copy.manifest_sha256)
            self._bench.require_room(manifest.plain_size if self._is_whole(manifest.form) else 0)
            self._bench.say(f"{copy.name} in {copy.store}, made {copy.made_at:%Y-%m-%d %H:%M} UTC")
            if self._is_whole(manifest.form):
                return drill_all(
                    store,
                    manifest,
                    self._scratch,
                    must_include=self._options.must_include,
                    identities=self._identities,
                )
            assert isinstance(self._options.sample, int)  # noqa: S101  else it is whole
            return drill_sample(
                store,
                manifest,
                self._scratch,
                count=self._options.sample,
                must_include=self._options.must_include,
                dice=self._dice,
                identities=self._identities,
                room_bytes=shutil.disk_usage(self._scratch).free,
            )

    def _require_lying(self, copy: Copy) -> None:
        """Raise StepFailed where it was removed since it was chosen: that it is not there says nothing of it."""
        lying = self._means.copies.lying(routine=copy.routine, step=copy.step, store=copy.store)
        if copy.id not in {one.id for one in lying}:
            message = f"{copy.name} was removed from {copy.store} meanwhile: nothing was proven"
            raise StepFailed(message, facts=_facts(copy))

    @property
    def _identities(self) -> tuple[str, ...]:
        identity = self._options.identity
        return () if identity is None else (self._means.vault.resolve(identity),)

    def _is_whole(self, form: str) -> bool:
        return self._options.sample == "all" or form == "stream"

    def _told(self, copy: Copy, drilled: Drilled, *, started: float, problem: str = "") -> Drill:
        return Drill(
            copy=copy.id,
            at=self._means.clock.now(),
            files=drilled.files,
            bytes=drilled.bytes,
            seconds=round(self._means.clock.monotonic() - started, 3),
            is_whole=drilled.is_whole,
            problem=problem,
        )

    def _outcome(self, copy: Copy, drilled: Drilled, *, seconds: float) -> Outcome:
        age = (self._means.clock.now() - copy.made_at).total_seconds() / HOUR
        files = f"{drilled.files:,} file{'' if drilled.files == 1 else 's'}"
        what = f"all of it, {files}" if drilled.is_whole else files
        left = (
            f"; {drilled.left_out:,} devices, links that lead out and what lies too deep were not made"
            if drilled.left_out
            else ""
        )
        checked = ", and the check went well" if self._options.then else ""
        message = f"restored {what}, {size_words(drilled.bytes)} in {seconds:.1f} s from {copy.store}{checked}{left}"
        if copy.state is CopyState.DAMAGED and not drilled.is_whole:
            verify = f"opsrunner backups verify {copy.name} --store {copy.store}"
            message += f"; the copy stays damaged until all of it is right: {verify}"
        facts = {
            **_facts(copy),
            "age_hours": round(age, 1),
            "files": drilled.files,
            "bytes": drilled.bytes,
            "seconds": round(seconds, 3),
            "left_out": drilled.left_out,
        }
        return Outcome(status=StepStatus.SUCCEEDED, message=message, facts=facts)


def _in_turn(copies: list[Copy], *, tried_at: Mapping[str, datetime]) -> list[Copy]:
    """Return the copies of one store, newest first: of those that have the newest, the one tried the longest ago.

    A try that failed is one too: a store that cannot be proven takes no other's turn.
    """
    stores = dict.fromkeys(copy.store for copy in copies if copy.name == copies[0].name)

    def last_at(store: str) -> datetime:
        proven = [copy.restored_at for copy in copies if copy.store == store and copy.restored_at]
        return max([*proven, tried_at.get(store, NEVER)])

    turn = min(stores, key=last_at)
    return [copy for copy in copies if copy.store == turn]


def _not_tried(copy: Copy, error: StepFailed | StoreFailed | SecretUnavailable) -> StepFailed:
    status = error.status if isinstance(error, StepFailed) else StepStatus.FAILED
    is_permanent = isinstance(error, SecretUnavailable) or error.permanent
    return StepFailed(error.message, permanent=is_permanent, status=status, facts=_facts(copy))


def _facts(copy: Copy) -> dict[str, object]:
    return {"name": copy.name, "store": copy.store}
