"""What `inventory` of `opsrunner.yaml` may say."""

from __future__ import annotations

from pydantic import Field, model_validator

from opsrunner.config.fields import Keys, Text


class ColumnsKeys(Keys):
    """What the columns of a CSV file are called. By default a column has the name of its key."""

    name: Text = "name"
    address: Text = "address"
    user: Text = "user"
    port: Text = "port"
    groups: Text = "groups"
    key_file: Text = "key_file"
    jump: Text = "jump"


class InventoryKeys(Keys):
    """A file with hosts; one of `ansible` and `csv`."""

    ansible: Text | None = Field(default=None, description="Path of an Ansible inventory: INI, YAML, or JSON.")
    csv: Text | None = Field(default=None, description="Path of a CSV file with a header.")
    columns: ColumnsKeys = Field(default_factory=ColumnsKeys, description="What the columns of the CSV are called.")

    @model_validator(mode="after")
    def _exactly_one(self) -> InventoryKeys:
        if len(self.model_fields_set & {"ansible", "csv"}) != 1:
            raise ValueError("must be one of: ansible, csv")
        if self.ansible is not None and "columns" in self.model_fields_set:
            raise ValueError("'columns' does not go with ansible")
        return self

    @property
    def file(self) -> str:
        """The path as it was given."""
        return self.ansible or self.csv or ""
