"""One run of a `restore_drill` step."""

from __future__ import annotations

import random
import shlex
import shutil

from opsrunner.archives.drilling import Drilled, drill_all, drill_sample
from opsrunner.archives.reader import fetch_manifest
from opsrunner.archives.watched import Watched
from opsrunner.errors import ArchiveDamaged, NotStored, StepFailed, StoreFailed
from opsrunner.model.backup import Copy, Drill
from opsrunner.model.outcome import Outcome, StepStatus
from opsrunner.model.sizes import size_words
from opsrunner.steps.base import Means, StepCall
from opsrunner.steps.environment import host_environment
from opsrunner.steps.host_end import end_words
from opsrunner.steps.output import OutputSink
from opsrunner.steps.restore_drill import Options
from opsrunner.steps.step_time import StepTime

SCRATCH = "restored"
HOUR = 3600


class DrillRun:
    """Proves one copy, or finds out that it is none."""

    def __init__(self, call: StepCall, means: Means) -> None:
        self._call, self._means = call, means
        self._options: Options = call.options
        self._time = StepTime(call, means)
        self._scratch = call.workdir / f"{SCRATCH}-{call.step}"
        self._sink = OutputSink(call.output, limit_bytes=call.output_limit_bytes, vault=means.vault)

    def run(self) -> Outcome:
        """Restore, compare, check, and tell the catalogue. Raises StepFailed."""
        copy = self._choose_copy()
        started = self._means.clock.monotonic()
        try:
            self._scratch.mkdir(mode=0o700)
            drilled = self._drill(copy)
            seconds = self._means.clock.monotonic() - started
            self._check()
        except (ArchiveDamaged, NotStored) as exc:
            self._note(copy, Drilled(), seconds=self._means.clock.monotonic() - started, problem=exc.message)
            raise StepFailed(f"{copy.name} in {copy.store}: {exc.message}", permanent=True, facts=_facts(copy)) from exc
        except StoreFailed as exc:
            raise StepFailed(exc.message, permanent=exc.permanent) from exc
        except OSError as exc:
            raise StepFailed(f"{self._scratch}: {(exc.strerror or str(exc)).lower()}") from exc
        finally:
            shutil.rmtree(self._scratch, ignore_errors=True)
            self._sink.close()
        self._note(copy, drilled, seconds=seconds)
        return self._outcome(copy, drilled, seconds=seconds)

    def _choose_copy(self) -> Copy:
        routine, _, step = self._options.of.rpartition("/")
        copies = self._means.copies.lying(
            routine=routine or self._call.routine, step=step, store=self._options.store, key=self._call.row_key or None
        )
        if not copies:
            where = f" in {self._options.store}" if self._options.store else ""
            raise StepFailed(f"there is no copy of {self._options.of}{where} yet: nothing can be restored")
        return self._dice.choice(copies) if self._options.which == "random" else copies[0]

    @property
    def _dice(self) -> random.Random:
        """The same for each try of a run, so that what it found can be found again."""
        return random.Random(self._call.run_id)  # noqa: S311 (a sample, no secret)

    def _drill(self, copy: Copy) -> Drilled:
        with Watched(self._means.open_store(copy.store), require_time=self._time.require) as store:
            manifest = fetch_manifest(store, copy.name, sha256=copy.manifest_sha256)
            self._require_room(manifest.plain_size if self._is_whole(manifest.form) else 0)
            self._say(f"{copy.name} in {copy.store}, made {copy.made_at:%Y-%m-%d %H:%M} UTC")
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

    @property
    def _identities(self) -> tuple[str, ...]:
        identity = self._options.identity
        return () if identity is None else (self._means.vault.resolve(identity),)

    def _is_whole(self, form: str) -> bool:
        return self._options.sample == "all" or form == "stream"

    def _require_room(self, needed: int) -> None:
        free = shutil.disk_usage(self._scratch).free
        if needed > free:
            room = f"{self._scratch.parent} has {size_words(free)} free, and it takes {size_words(needed)}"
            raise StepFailed(f"no room for the drill: {room}")

    def _check(self) -> None:
        """Run `then` over what was restored. Raises StepFailed where it does not go well."""
        then = self._options.then
        if not then:
            return
        answer = self._means.fleet.run(
            self._means.hosts["local"],
            then if isinstance(then, str) else shlex.join(then),
            env={
                **host_environment(self._means.hosts["local"], self._call, self._means.vault),
                "OPS_RESTORED": str(self._scratch),
            },
            timeout_seconds=self._time.left_seconds,
            stopping=self._means.stopping,
        )
        self._sink.write(answer.stdout + answer.stderr)
        if answer.status is not None:
            raise StepFailed(f"the check: {answer.message}", status=answer.status.value)
        if answer.exit_code != 0:
            raise StepFailed(f"what was restored does not pass the check: {end_words(answer, self._means.vault)}")

    def _say(self, line: str) -> None:
        self._sink.write(f"{line}\n".encode())

    def _note(self, copy: Copy, drilled: Drilled, *, seconds: float, problem: str = "") -> None:
        self._means.note(
            Drill(
                copy=copy.id,
                at=self._means.clock.now(),
                files=drilled.files,
                bytes=drilled.bytes,
                seconds=round(seconds, 3),
                is_whole=drilled.is_whole,
                problem=problem,
            )
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
        facts = {
            **_facts(copy),
            "age_hours": round(age, 1),
            "files": drilled.files,
            "bytes": drilled.bytes,
            "seconds": round(seconds, 3),
            "left_out": drilled.left_out,
        }
        return Outcome(status=StepStatus.SUCCEEDED, message=message, facts=facts)


def _facts(copy: Copy) -> dict[str, object]:
    return {"name": copy.name, "store": copy.store}
