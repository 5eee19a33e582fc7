"""The ledgers that benchmarks make are ledgers of today's form, and of the forms that are migrated there."""

from __future__ import annotations

import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from opsrunner.ledger.books import Books
from opsrunner.ledger.migrations import MIGRATIONS

REPOSITORY = Path(__file__).parents[3]
MAKE = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from benchmarks.made_ledger import Made, write_ledger
write_ledger(Path(sys.argv[1]), Made(runs=3_000, end=datetime(2026, 11, 1, tzinfo=UTC), form=int(sys.argv[2])))
"""


@pytest.mark.parametrize("form", range(1, len(MIGRATIONS) + 1))
def test_a_made_ledger_opens(form: int, tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    subprocess.run([sys.executable, "-c", MAKE, str(path), str(form)], cwd=REPOSITORY, check=True)
    books = Books.open(path)
    with closing(books.ledger):
        assert books.ledger.is_intact()
        assert books.runs.get(3_000).id == 3_000
        assert {task.kind.value for task in books.tasks.opened()} == {"routine", "follow_up"}
