"""What a routine may say of the rows that it runs for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field, field_validator, model_validator

from opsrunner.config.fields import Keys, Text
from opsrunner.model.rows import OnRows
from opsrunner.steps.fields import Seconds

LEAST_SECONDS = 10
MOST_SECONDS = 7 * 86400


class OnRowsKeys(Keys):
    """A run for each new row of a source. The first look is a baseline: nothing runs for what is there already."""

    source: Text = Field(description="A source of the site.")
    key: Text = Field(description="The column that tells one row from another, for good: number.")
    where: Mapping[str, Any] = Field(default_factory=dict, description="As in a query: which rows count.")
    sql: Text | None = Field(default=None, description="Instead of `where`, for sources that speak SQL.")
    params: Mapping[str, str | bool | int | float | None] = Field(
        default_factory=dict, description="The values of `sql`."
    )
    every: Seconds = Field(default=300, description="How often to look. Default: 5m.")

    @field_validator("every")
    @classmethod
    def _of_a_sane_length(cls, seconds: int) -> int:
        if not LEAST_SECONDS <= seconds <= MOST_SECONDS:
            raise ValueError("must be from 10s to 7d")
        return seconds

    @field_validator("sql")
    @classmethod
    def _is_no_template(cls, sql: str | None) -> str | None:
        if sql is not None and ("{{" in sql or "{%" in sql):
            raise ValueError("is never a template\nwrite :name where a value goes, and give it in params")
        return sql

    @model_validator(mode="after")
    def _sql_or_where(self) -> OnRowsKeys:
        if self.sql is not None and self.where:
            raise ValueError("has sql and where; put the conditions into the SQL, with :name and params")
        if self.params and self.sql is None:
            raise ValueError("params are the values of sql, and there is no sql")
        return self

    def to_on_rows(self) -> OnRows:
        """Return what the checked keys say."""
        return OnRows(
            source=self.source,
            key=self.key,
            where=self.where,
            sql=self.sql,
            params=self.params,
            every_seconds=self.every,
        )
