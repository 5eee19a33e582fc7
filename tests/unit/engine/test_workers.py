"""The pool of threads, over walks that a test scripts."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import cast

import pytest

from opsrunner.engine.course import Pause
from opsrunner.engine.runner import Runner, Walk
from opsrunner.engine.stopping import StopWord
from opsrunner.engine.workers import Work, Workers
from opsrunner.model.run import Run, RunStatus, Trigger

from ...patience import until

NOW = datetime(2026, 11, 22, tzinfo=UTC)


class Scripted:
    """A runner whose walks a test writes, by the number of the run."""

    def __init__(self) -> None:
        self.walks: dict[int, Callable[[StopWord], Walk]] = {}
        self.ends: list[tuple[int, str]] = []

    def again(self, run_id: int, stop: StopWord) -> Walk:
        return self.walks[run_id](stop)

    def left(self, run_id: int, stop: StopWord) -> Run:
        self.ends.append((run_id, stop.reason))
        status = RunStatus.SUCCEEDED
        return Run(
            id=run_id,
            routine="r",
            nominal_at=None,
            planned_at=None,
            trigger=Trigger.MANUAL,
            status=status,
            created_at=NOW,
        )


@pytest.fixture
def scripted() -> Scripted:
    return Scripted()


@pytest.fixture
def pool(scripted: Scripted) -> Iterator[Callable[[int], Workers]]:
    made: list[Workers] = []

    def make(size: int) -> Workers:
        made.append(Workers(cast("Runner", scripted), size=lambda: size))
        return made[-1]

    yield make
    for workers in made:
        workers.close(grace_seconds=0, hurry=threading.Event())


def work(scripted: Scripted, run_id: int) -> Work:
    stop = StopWord()
    return Work(run_id=run_id, stop=stop, walk=scripted.again(run_id, stop))


def test_what_is_due_is_entered_before_the_ends_of_others_are_written(
    scripted: Scripted, pool: Callable[[int], Workers], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("opsrunner.engine.workers.LONGEST_UNWRITTEN_SECONDS", 60)
    told: list[str] = []

    def walk(number: int) -> Callable[[StopWord], Walk]:
        def steps(stop: StopWord) -> Walk:
            told.append(f"enter {number}")
            yield Pause.WORKED
            told.append(f"end {number}")

        return steps

    scripted.walks = {number: walk(number) for number in range(20)}
    workers = pool(1)
    assert workers.hand_over([work(scripted, number) for number in range(20)]) == 20
    until(lambda: not workers.busy())
    assert told[:20] == [f"enter {number}" for number in range(20)]
    assert sorted(told[20:]) == sorted(f"end {number}" for number in range(20))


def test_an_end_does_not_wait_for_ever_for_starts(scripted: Scripted, pool: Callable[[int], Workers]) -> None:
    told: list[str] = []

    def walk(number: int) -> Callable[[StopWord], Walk]:
        def steps(stop: StopWord) -> Walk:
            told.append("enter")
            threading.Event().wait(0.03)
            yield Pause.WORKED
            told.append("end")

        return steps

    scripted.walks = {number: walk(number) for number in range(30)}
    workers = pool(1)
    workers.hand_over([work(scripted, number) for number in range(30)])
    until(lambda: not workers.busy())
    assert told.index("end") < 25


def test_an_end_does_not_wait_for_a_long_step_that_took_its_thread(
    scripted: Scripted, pool: Callable[[int], Workers], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("opsrunner.engine.workers.LONGEST_UNWRITTEN_SECONDS", 4)
    told: list[str] = []
    held = threading.Event()

    def short(stop: StopWord) -> Walk:
        told.append("enter the short one")
        yield Pause.WORKED
        told.append("end the short one")
        yield Pause.READY
        told.append("enter its second step")

    def long(stop: StopWord) -> Walk:
        held.wait(60)
        yield Pause.WORKED

    scripted.walks = {1: short, 2: long}
    workers = pool(1)
    workers.hand_over([work(scripted, 1), work(scripted, 2)])
    until(lambda: "end the short one" in told)
    assert not held.wait(0.3)
    assert told[-1] == "end the short one"  # its second step waits for a thread, as all do
    held.set()
    until(lambda: not workers.busy())
    assert told[-1] == "enter its second step"


def test_a_late_end_is_no_start_that_is_left_behind_when_the_pool_closes(
    scripted: Scripted, pool: Callable[[int], Workers]
) -> None:
    closing, long_began, told = threading.Event(), threading.Event(), list[str]()

    def short(stop: StopWord) -> Walk:
        yield Pause.WORKED
        closing.wait(20)
        yield Pause.READY
        told.append("left")

    def long(stop: StopWord) -> Walk:
        long_began.set()
        while not stop.is_set():
            stop.wait(1)
        yield Pause.WORKED

    scripted.walks = {1: short, 2: long}
    workers = pool(1)
    workers.hand_over([work(scripted, 1), work(scripted, 2)])
    assert long_began.wait(5)
    threading.Timer(0.5, closing.set).start()  # the late end is being written when the pool closes
    threading.Event().wait(0.3)
    assert workers.close(grace_seconds=1, hurry=threading.Event())
    assert told == ["left"]


def test_one_thread_at_most_works_on_a_run(scripted: Scripted, pool: Callable[[int], Workers]) -> None:
    held = threading.Event()

    def steps(stop: StopWord) -> Walk:
        held.wait(5)
        yield Pause.WORKED

    scripted.walks = {1: steps}
    workers = pool(4)
    assert workers.start(1)
    assert not workers.start(1)
    held.set()
    until(lambda: not workers.busy())


def test_the_pool_grows_with_what_is_asked_of_it_and_not_beyond_its_size(
    scripted: Scripted, pool: Callable[[int], Workers]
) -> None:
    held, inside = threading.Event(), threading.Semaphore(0)

    def steps(stop: StopWord) -> Walk:
        inside.release()
        held.wait(5)
        yield Pause.WORKED

    scripted.walks = dict.fromkeys(range(10), steps)
    workers = pool(3)
    for number in range(10):
        workers.start(number)
    assert all(inside.acquire(timeout=5) for _ in range(3))
    assert not inside.acquire(timeout=0.2)
    held.set()
    until(lambda: not workers.busy())


def test_a_smaller_size_is_taken_over_without_a_restart(scripted: Scripted) -> None:
    sizes = [4]
    workers = Workers(cast("Runner", scripted), size=lambda: sizes[0])

    def steps(stop: StopWord) -> Walk:
        threading.Event().wait(0.05)
        yield Pause.WORKED

    scripted.walks = dict.fromkeys(range(20), steps)
    for number in range(8):
        workers.start(number)
    assert len(workers._threads) == 4
    sizes[0] = 1
    for number in range(8, 16):
        workers.start(number)
    until(lambda: not workers.busy())
    until(lambda: len(workers._threads) == 1)
    assert workers.close(grace_seconds=0, hurry=threading.Event())


def test_a_word_to_stop_reaches_the_run_as_long_as_it_is_busy(
    scripted: Scripted, pool: Callable[[int], Workers]
) -> None:
    def steps(stop: StopWord) -> Walk:
        stop.wait(5)
        yield Pause.WORKED

    scripted.walks = {1: steps}
    workers = pool(1)
    workers.start(1)
    assert workers.stop(1)
    until(lambda: scripted.ends)
    assert scripted.ends == [(1, "asked")]
    assert not workers.stop(1)


def test_a_thread_that_does_not_come_back_is_told_of_at_the_close(scripted: Scripted) -> None:
    held, inside = threading.Event(), threading.Event()

    def steps(stop: StopWord) -> Walk:
        inside.set()
        held.wait(60)
        yield Pause.WORKED

    scripted.walks = {1: steps}
    workers = Workers(cast("Runner", scripted), size=lambda: 1)
    workers.start(1)
    assert inside.wait(5)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("opsrunner.engine.workers.LAST_SECONDS", 0.2)
        assert not workers.close(grace_seconds=0, hurry=threading.Event())
    assert workers.busy() == [1]
    held.set()
    until(lambda: not workers.busy())


def test_a_fault_in_one_run_ends_no_thread(
    scripted: Scripted, pool: Callable[[int], Workers], caplog: pytest.LogCaptureFixture
) -> None:
    def breaks(stop: StopWord) -> Walk:
        yield Pause.READY
        raise RuntimeError("a fault")

    def works(stop: StopWord) -> Walk:
        yield Pause.WORKED

    scripted.walks = {1: breaks, 2: works}
    workers = pool(1)
    workers.start(1)
    workers.start(2)
    until(lambda: not workers.busy())
    assert scripted.ends == [(1, ""), (2, "")]
    assert "run 1 stopped by a fault of opsrunner" in caplog.text
