"""The invented company: the same each time it is asked about a day, and never without work."""

import csv
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from opsrunner.sample import DAYS_UNTIL_CANCELLED, Order, orders_until, write_samples

NOW = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)


def is_open(order: Order) -> bool:
    return order.activated_at is None and order.cancelled_at is None


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as sheet:
        return list(csv.DictReader(sheet))


def test_it_writes_a_few_hundred_orders_and_their_accounts_that_only_we_can_read(tmp_path: Path) -> None:
    paths = write_samples(tmp_path, Path("var"), seed=2026, now=NOW)

    assert [path.name for path in paths] == ["orders.csv", "accounts.csv", "templates.csv"]
    orders, accounts, templates = (rows_of(path) for path in paths)
    assert 200 < len(orders) < 600
    assert {"Debian 12", "AlmaLinux 9"} <= {row["system"] for row in templates}
    assert {row["order"] for row in accounts} == {row["number"] for row in orders if row["activated_at"]}
    assert all(path.stat().st_mode & 0o077 == 0 for path in (*paths, paths[0].parent))


def test_it_writes_the_same_for_the_same_moment_and_leaves_the_files_alone(tmp_path: Path) -> None:
    first = write_samples(tmp_path, tmp_path / "state", seed=2026, now=NOW)
    before = [(path.stat().st_ino, path.read_text()) for path in first]

    second = write_samples(tmp_path, tmp_path / "state", seed=2026, now=NOW)

    assert [(path.stat().st_ino, path.read_text()) for path in second] == before


def test_it_lives_on_so_that_an_order_keeps_its_number_and_moves_forward_only() -> None:
    earlier = {order.number: order for order in orders_until(NOW, seed=2026)}
    later = {order.number: order for order in orders_until(NOW + timedelta(days=5), seed=2026)}

    kept = earlier.keys() & later.keys()
    assert len(kept) > 200
    for number in kept:
        then, now = earlier[number], later[number]
        assert (then.customer, then.product, then.placed_at) == (now.customer, now.product, now.placed_at)
        assert then.paid_at in (None, now.paid_at)
        assert then.activated_at in (None, now.activated_at)
    assert any(is_open(earlier[number]) and not is_open(later[number]) for number in kept)


@pytest.mark.parametrize("offset_days", range(0, 365, 7))
def test_it_always_has_an_order_to_look_after_and_none_from_the_future(offset_days: int) -> None:
    now = NOW + timedelta(days=offset_days, hours=offset_days % 24)
    orders = list(orders_until(now, seed=2026))

    waiting = [order for order in orders if is_open(order)]
    assert waiting
    assert max(order.placed_at for order in orders) < now
    oldest = now - timedelta(days=DAYS_UNTIL_CANCELLED)
    assert all(order.paid_at or order.placed_at >= oldest for order in waiting)


def test_it_draws_other_orders_from_another_seed() -> None:
    assert list(orders_until(NOW, seed=1)) != list(orders_until(NOW, seed=2))
