"""Who follows what happens, and goes in the middle of it."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import anyio
import pytest

from opsrunner.ledger.database import Ledger
from opsrunner.web import live
from opsrunner.web.live import Changes

FOLLOWERS = 20
T = TypeVar("T")


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    found = Ledger(tmp_path / "ledger.db")
    yield found
    found.close()


def played(scene: Coroutine[Any, Any, T]) -> T:
    """Play a scene in a thread of its own: this one's loop may belong to a browser that other tests look through."""
    with ThreadPoolExecutor(1) as threads:
        return threads.submit(asyncio.run, scene).result()


async def left(changes: Changes, *, after_turns: int) -> None:
    """Follow, and be gone so many turns of the loop after something was written, told so as the page's server does."""
    number = changes.number
    with anyio.CancelScope() as scope:

        async def go() -> None:
            while changes.number == number:
                await asyncio.sleep(0)
            for _ in range(after_turns):
                await asyncio.sleep(0)
            scope.cancel()

        going = asyncio.create_task(go())
        await changes.after(number + 1)
        await going


@pytest.mark.parametrize("after_turns", range(8))
def test_who_goes_while_others_are_told_takes_nothing_from_them(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch, after_turns: int
) -> None:
    monkeypatch.setattr(live, "LOOK_SECONDS", 0.01)

    async def follow_all() -> int:
        changes = Changes(ledger)
        leaving = [asyncio.create_task(left(changes, after_turns=after_turns)) for _ in range(FOLLOWERS)]
        staying = [asyncio.create_task(changes.after(changes.number)) for _ in range(FOLLOWERS)]
        await asyncio.sleep(0.05)
        ledger.change("INSERT OR REPLACE INTO kept_texts(name, text, tried_at) VALUES ('a', 'b', 'c')")
        await asyncio.gather(*leaving)
        numbers = await asyncio.gather(*staying)
        await changes.end()
        return min(numbers)

    assert played(follow_all()) > 0


def test_who_follows_is_let_go_when_nothing_happens_and_when_the_page_ends(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "QUIET_SECONDS", 0.05)

    async def follow() -> tuple[int, int]:
        changes = Changes(ledger)
        await asyncio.sleep(0)
        await changes.after(-1)
        quiet = await changes.after(changes.number)
        monkeypatch.setattr(live, "QUIET_SECONDS", 60)
        following = asyncio.create_task(changes.after(changes.number))
        await asyncio.sleep(0)
        await changes.end()
        with suppress(TimeoutError):
            return quiet, await asyncio.wait_for(following, 5)
        return quiet, -1

    quiet, last = played(follow())
    assert last == quiet >= 0
