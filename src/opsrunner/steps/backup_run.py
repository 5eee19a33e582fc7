"""One run of a `backup` step: the stream into the stores, the judgement of it, the proofs, and what may go."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from functools import cached_property

from opsrunner.archives.copying import Copying, Order
from opsrunner.archives.frames import Packing
from opsrunner.archives.reader import fetch_manifest, read_again, read_stored
from opsrunner.archives.sources import TAR_CHANGED, TAR_FAILED, named, read_tar_words, tar_command
from opsrunner.archives.versions import archive_versions
from opsrunner.archives.watched import Watched
from opsrunner.archives.writer import Written
from opsrunner.errors import ArchiveDamaged, SecretUnavailable, StepFailed, StoreFailed
from opsrunner.model.backup import CopyState, Gone, NewCopy, Reread
from opsrunner.model.fleet import HostAnswer
from opsrunner.model.outcome import Outcome
from opsrunner.model.site import Host
from opsrunner.model.sizes import size_words
from opsrunner.steps.backup import STATE_NAME, Options
from opsrunner.steps.backup_findings import Findings
from opsrunner.steps.base import Means, StepCall
from opsrunner.steps.copies_kept import note_at_once, remove_beyond, tidy_up
from opsrunner.steps.environment import host_environment
from opsrunner.steps.host_end import end_words
from opsrunner.steps.output import OutputSink
from opsrunner.steps.step_time import StepTime
from opsrunner.steps.usual_size import COMPARED_WITH, is_small, usual_size
from opsrunner.stores.base import READ_BYTES, Store


def run(call: StepCall, means: Means) -> Outcome:
    """Make the copy, prove it, and keep as many as were asked for. Raises StepFailed."""
    return BackupRun(call, means).run()


class BackupRun:
    """Makes one copy."""

    def __init__(self, call: StepCall, means: Means) -> None:
        self._call, self._means = call, means
        self._options: Options = call.options
        self._findings = Findings()
        self._missed: list[Gone | Reread] = []
        self._time = StepTime(call, means)

    def run(self) -> Outcome:
        """Make it. Raises StepFailed where no copy came of it, with what else was to be told."""
        try:
            return self._run()
        except StepFailed as exc:
            told = "; ".join([exc.message, *self._findings.remarks])
            raise StepFailed(told, permanent=exc.permanent, status=exc.status, facts=exc.facts) from exc

    def _run(self) -> Outcome:
        try:
            with ExitStack() as stack:
                stores = self._open_all(stack)
                for name, store in stores.items():
                    self._tidy_up(name, store)
                copying = Copying(self._order, stores, clock=self._means.clock)
                stack.callback(copying.close)
                return self._copy(copying, stores)
        except StoreFailed as exc:
            raise StepFailed(exc.message, permanent=exc.permanent) from exc
        except ArchiveDamaged as exc:
            raise StepFailed(f"what was to be copied is cut short: {exc.message}") from exc

    def _copy(self, copying: Copying, stores: Mapping[str, Store]) -> Outcome:
        try:
            if self._options.state:
                self._take_state(copying)
            else:
                self._judge_end(self._stream(copying), copying)
            written = copying.store_archive()
            self._judge_content(written)
            copies = copying.finish(written, doubts=self._findings.doubts, made_by=archive_versions())
        except BaseException:
            copying.abort()
            raise
        for store, failure in copying.together.failures.items():
            self._findings.fail(f"{store} has no copy: {failure.message}")
        copies = self._prove_all(copies, stores)
        self._remove_old(copies, stores)
        for note in self._missed:  # the outcome tells of them, as no failure before it did for good
            self._means.note(note)
        return self._outcome(copies, written)

    def _tidy_up(self, name: str, store: Store) -> None:
        keep = self._options.keep.to_keep()
        tidied = tidy_up(store, name, self._order, keep=keep, means=self._means, zone=self._zone)
        self._missed += tidied.missed
        for remark in tidied.remarks:
            self._findings.warn(remark)

    def _open_all(self, stack: ExitStack) -> dict[str, Watched]:
        """Open the stores; one that cannot be opened takes the copy from no other. Raises the failure of the last."""
        stores: dict[str, Watched] = {}
        failures: dict[str, StoreFailed | SecretUnavailable] = {}
        for name in self._store_names:
            try:
                stores[name] = stack.enter_context(self._open(name))
            except (StoreFailed, SecretUnavailable) as exc:
                failures[name] = exc
        if not stores:
            raise list(failures.values())[-1]
        for name, failure in failures.items():
            self._findings.fail(f"{name} has no copy: {failure.message}")
        return stores

    def _open(self, name: str) -> Watched:
        return Watched(self._means.open_store(name), require_time=self._time.require)

    @property
    def _store_names(self) -> tuple[str, ...]:
        return (self._options.to, *self._options.also_to)

    @cached_property
    def _host(self) -> Host:
        try:
            return self._means.hosts[self._options.host]
        except KeyError:
            raise StepFailed(f"there is no host '{self._options.host}'", permanent=True) from None

    @cached_property
    def _order(self) -> Order:
        options = self._options
        return Order(
            site=str(self._call.context.get("site", {}).get("name", "")),
            routine=self._call.routine,
            step=self._call.step,
            run=self._call.run_id,
            ledger=self._call.run_token.rpartition("-")[0],
            key=self._call.row_key,
            of=self._means.vault.mask(options.what),
            form="tar" if options.paths else "stream",
            stream_name="" if options.paths else STATE_NAME if options.state else options.as_,
            recipients=options.encrypt_to,
            is_trial=self._means.is_trial,
            packing=Packing(level=options.compress.level, threads=options.compress.threads),
        )

    def _command(self) -> str:
        options = self._options
        if not options.paths:
            return options.from_ if isinstance(options.from_, str) else shlex.join(options.from_)
        return tar_command(
            options.paths,
            exclude=options.exclude,
            one_file_system=options.one_file_system,
            base=str(self._call.site_root) if self._host.is_local else "/",
        )

    def _stream(self, copying: Copying) -> HostAnswer:
        sink = OutputSink(self._call.output, limit_bytes=self._call.output_limit_bytes, vault=self._means.vault)
        sink.write(f"{self._order.of} → {', '.join(self._store_names)}: {copying.name}\n".encode())
        try:
            answer = self._means.fleet.stream(
                self._host,
                self._command(),
                env=host_environment(self._host, self._call, self._means.vault),
                timeout_seconds=self._time.left_seconds,
                stopping=self._means.stopping,
                take=copying.take,
            )
            sink.write(answer.stderr)
        finally:
            sink.close()
        return answer

    def _take_state(self, copying: Copying) -> None:
        """Copy the ledger into the run's folder, and from there. Raises StateError."""
        draft = self._call.workdir / STATE_NAME
        try:
            self._means.copy_state(draft)
            with draft.open("rb") as file:
                while piece := file.read(READ_BYTES):
                    copying.take(piece)
        finally:
            draft.unlink(missing_ok=True)

    def _judge_end(self, answer: HostAnswer, copying: Copying) -> None:
        """See what the command's end says of the stream. Raises StepFailed where it is cut short."""
        if answer.status is not None:
            raise StepFailed(answer.message, status=answer.status.value)
        if self._options.paths:
            return self._judge_tar(answer)
        if answer.exit_code != 0:
            raise StepFailed(f"the dump was cut short: {end_words(answer, self._means.vault)}")
        wanted = self._options.expect_end
        if wanted and wanted.encode() not in copying.tail:
            raise StepFailed(f"the dump was cut short: its end does not say '{wanted}'")
        return None

    def _judge_tar(self, answer: HostAnswer) -> None:
        words = read_tar_words(answer.stderr)
        if answer.exit_code not in (0, TAR_CHANGED, TAR_FAILED):
            raise StepFailed(f"tar: {end_words(answer, self._means.vault)}")
        if answer.exit_code == TAR_FAILED and not words.unreadable:
            raise StepFailed(f"tar: {end_words(answer, self._means.vault)}", permanent=True)
        if words.changed or answer.exit_code == TAR_CHANGED:
            told = f"changed while it was read: {named(words.changed)}"
            what = told if words.changed else end_words(answer, self._means.vault)
            self._findings.judge(self._options.doubt.changed, what)
        if words.unreadable:
            self._findings.judge(self._options.doubt.unreadable, f"could not be read: {named(words.unreadable)}")

    def _judge_content(self, written: Written) -> None:
        doubt = self._options.doubt
        if written.plain_size == 0 or written.files == 0:
            self._findings.judge(doubt.empty, "there is nothing in it")
            return
        before = self._sizes_before()
        size = sum(part.size for part in written.archive)
        if is_small(size, usual_size(before)):
            last = "the one before" if len(before) == 1 else f"the last {len(before)}"
            had = f"{last} had {size_words(usual_size(before))}"
            self._findings.judge(doubt.small, f"it has {size_words(size)}, and {had}")

    def _sizes_before(self) -> list[int]:
        """Return the sizes of the last good copies, index included: a few kB that decide nothing."""
        copies = self._means.copies.lying(
            routine=self._call.routine, step=self._call.step, store=self._options.to, key=self._call.row_key
        )
        return [copy.size_bytes for copy in copies if copy.state is CopyState.GOOD][:COMPARED_WITH]

    def _prove_all(self, copies: list[NewCopy], stores: Mapping[str, Store]) -> list[NewCopy]:
        """Return the copies with what `verify` asks for; the catalogue knows of each, also where the time is over."""
        proven: dict[str, NewCopy] = {copy.store: copy for copy in copies}
        try:
            for copy in copies:
                proven[copy.store] = self._proven(copy, stores[copy.store])
        finally:
            note_at_once(list(proven.values()), means=self._means)
        return list(proven.values())

    def _proven(self, copy: NewCopy, store: Store) -> NewCopy:
        """Return the copy with what `verify` asks for, or with the doubt that it is not what was sent."""
        if self._options.verify == "received":
            return copy
        try:
            manifest = fetch_manifest(store, copy.name)
            if self._options.verify == "full":
                read_again(store, manifest)
                return replace(copy, reread_at=self._means.clock.now())
            for _ in read_stored(store, (manifest.index,)):
                pass
        except ArchiveDamaged as exc:
            self._findings.fail(f"{copy.store}: {exc.message}")
            return replace(copy, doubts=(*copy.doubts, exc.message))
        except StoreFailed as exc:
            self._findings.fail(f"{copy.store} has a copy that could not be read again: {exc.message}")
        return copy

    def _remove_old(self, copies: list[NewCopy], stores: Mapping[str, Store]) -> None:
        keep, missed = self._options.keep.to_keep(), {note.copy for note in self._missed}
        for copy in copies:
            store = stores[copy.store]
            if problem := remove_beyond(store, copy, keep, missed=missed, means=self._means, zone=self._zone):
                self._findings.warn(problem)

    @property
    def _zone(self) -> str:
        return str(self._call.context.get("site", {}).get("timezone", "UTC"))

    def _outcome(self, copies: list[NewCopy], written: Written) -> Outcome:
        first, findings = copies[0], self._findings
        files = f"{written.files:,} file{'' if written.files == 1 else 's'}, " if self._options.paths else ""
        proof = f"received whole ({first.checked_by})" + (", read again" if first.reread_at else "")
        where = ", ".join(copy.store for copy in copies)
        told = f"{files}{size_words(written.plain_size)} as {size_words(first.size_bytes)} in {where}, {proof}"
        return Outcome(
            status=findings.status,
            reason="doubt" if findings.doubts else "",
            message="; ".join([*findings.doubts, told, *findings.remarks]),
            facts={
                "name": first.name,
                "store": first.store,
                "size_bytes": first.size_bytes,
                "plain_bytes": written.plain_size,
                "files": written.files,
                "doubts": list(findings.doubts),
            },
        )
