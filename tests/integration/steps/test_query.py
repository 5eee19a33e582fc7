import dataclasses
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from opsrunner.errors import StepFailed
from opsrunner.model.outcome import Outcome, StepStatus
from opsrunner.model.site import Column, Source
from opsrunner.sources.reading import read_source
from opsrunner.sources.request import MOST_ROWS
from opsrunner.steps.base import Means, StepCall
from opsrunner.steps.query import KIND, Options, preview, run

ORDERS = Source(
    name="orders",
    kind="csv",
    where={"path": "orders.csv"},
    columns=(Column(name="paid_at", type="moment", optional=True), Column(name="amount", type="number")),
)
Work = Callable[..., Outcome]


@pytest.fixture
def work(means: Means, make_call: Callable[..., StepCall], tmp_path: Path) -> Work:
    """Run the step on a site with three orders: `work(source="orders", where={…})`."""
    (tmp_path / "orders.csv").write_text(
        "number,paid_at,amount\n1001,2026-11-20T10:00Z,99.5\n1002,,5\n1003,,12\n", encoding="utf-8"
    )
    now = datetime(2026, 11, 21, tzinfo=UTC)

    def do(**options: Any) -> Outcome:
        own = dataclasses.replace(
            means,
            sources={"orders": ORDERS},
            read_source=lambda source, wanted: read_source(
                source, wanted, vault=means.vault, site_root=tmp_path, now=now
            ),
        )
        return run(make_call(Options(**options)), own)

    return do


def test_it_gives_the_rows_and_counts_them(work: Work) -> None:
    outcome = work(source="orders", where={"paid_at": None}, order_by="-amount")

    assert outcome.status is StepStatus.SUCCEEDED
    assert outcome.message == "2 rows from orders"
    assert outcome.facts == {"count": 2}
    assert [row["number"] for row in outcome.rows] == ["1003", "1002"]


def test_it_keeps_the_rows_as_lines_of_json(work: Work, tmp_path: Path) -> None:
    work(source="orders", limit=1)

    written = (tmp_path / "output.log").read_text()
    assert written == '{"number": "1001", "paid_at": "2026-11-20T10:00:00+00:00", "amount": 99.5}\n'


@pytest.mark.parametrize("more", [{}, {"order_by": "-amount"}, {"rank": {"words": ["100*"], "columns": ["number"]}}])
@pytest.mark.parametrize(("limit", "told"), [(2, {"truncated": True}), (3, {}), (4, {})])
def test_a_limit_that_leaves_rows_out_says_so_and_is_no_fault(
    work: Work, more: dict[str, Any], limit: int, told: dict[str, Any]
) -> None:
    outcome = work(source="orders", limit=limit, **more)

    count = min(limit, 3)
    assert (outcome.status, outcome.message) == (StepStatus.SUCCEEDED, f"{count} rows from orders")
    assert outcome.facts == {"count": count, **told}


def test_a_limit_of_as_many_rows_as_a_step_may_keep_is_no_error(work: Work, tmp_path: Path) -> None:
    lines = "".join(f"{number},,1\n" for number in range(MOST_ROWS + 2))
    (tmp_path / "orders.csv").write_text(f"number,paid_at,amount\n{lines}", encoding="utf-8")

    outcome = work(source="orders", limit=MOST_ROWS)

    assert outcome.facts == {"count": MOST_ROWS, "truncated": True}


def test_no_rows_are_a_success(work: Work) -> None:
    outcome = work(source="orders", where={"number": "none"})

    assert (outcome.status, outcome.message) == (StepStatus.SUCCEEDED, "0 rows from orders")


def test_a_bad_value_fails_the_step_by_its_place(work: Work, tmp_path: Path) -> None:
    (tmp_path / "orders.csv").write_text("number,paid_at,amount\n1,31.02.2026,1\n")

    with pytest.raises(StepFailed, match=r"^orders\.csv:2: column 'paid_at': '31\.02\.2026' is not a moment$"):
        work(source="orders")


def test_an_unknown_source_is_named_with_the_nearest(work: Work) -> None:
    with pytest.raises(StepFailed, match="there is no source 'order', did you mean 'orders'"):
        work(source="order")


def test_reading_twice_changes_nothing_and_sql_is_no_template() -> None:
    assert KIND.reads_only
    assert KIND.verbatim == {"sql"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"source": "orders", "sql": "select 1", "where": {"a": 1}}, "has sql and where"),
        ({"source": "orders", "params": {"a": 1}}, "params are the values of sql, and there is no sql"),
        ({"source": "orders", "limit": 0}, "greater than or equal to 1"),
        ({"source": ""}, "at least 1 character"),
        ({"source": "orders", "were": {}}, "Extra inputs are not permitted"),
    ],
)
def test_options_that_cannot_be_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Options(**options)


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"source": "orders"}, "orders"),
        (
            {"source": "orders", "where": {"paid_at": None}, "order_by": ["-amount", "number"], "limit": 5},
            'orders; where {"paid_at": null}; ordered by -amount, number; at most 5',
        ),
        ({"source": "billing", "sql": "select *\n  from orders"}, "billing; select * from orders"),
    ],
)
def test_the_preview_is_one_line(options: dict[str, Any], line: str) -> None:
    assert preview(Options(**options)) == line
