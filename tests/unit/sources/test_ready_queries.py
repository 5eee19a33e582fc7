"""Every query that comes with opsrunner says what it gives, reads only, and stands in the docs."""

from pathlib import Path

import pytest

from opsrunner.sources.ready_queries import ready_names, ready_query
from opsrunner.sources.sql_text import require_reading

DOCS = (Path(__file__).parents[3] / "docs/sources.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ready_names())
def test_each_is_whole(name: str) -> None:
    query = ready_query(name)

    assert query.columns
    assert {*query.entities} <= {column.name for column in query.columns}
    require_reading(query.sql, "mysql", name=name)
    assert ";" not in query.sql
    assert "--" not in query.sql
    assert f"| `{name}` |" in DOCS


def test_an_unknown_one_is_named_with_the_nearest_or_all() -> None:
    with pytest.raises(ValueError, match=r"there is no ready query 'whmcs/domain'\ndid you mean 'whmcs/domains'\?"):
        ready_query("whmcs/domain")
    with pytest.raises(ValueError, match="there are: whmcs/accounts, whmcs/credits, whmcs/customers"):
        ready_query("../../etc/passwd")
