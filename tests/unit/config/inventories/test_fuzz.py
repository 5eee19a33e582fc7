"""Whatever stands in an inventory, reading it ends with hosts or with sentences, and never with a traceback."""

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from opsrunner.config.inventories.ansible_yaml import read_ansible_yaml, read_tree
from opsrunner.config.inventories.connection import hosts_of
from opsrunner.config.inventories.csv_table import read_csv
from opsrunner.config.inventories.found import Findings
from opsrunner.config.inventories.ini import read_ini
from opsrunner.config.inventories.keys import ColumnsKeys
from opsrunner.config.yaml_scalars import BadYaml

PARTS = [
    "[",
    "]",
    ":",
    "=",
    "[web]",
    "[web:vars]",
    "[all:children]",
    "[a:children]",
    "web",
    "a",
    "web[1:3]",
    "[01:03]",
    "[a:c:2]",
    "ansible_host",
    "ansible_port",
    "ansible_user",
    "ansible_ssh_common_args='-J",
    "x'",
    "ansible_connection=local",
    "ansible_group_priority=x",
    "{{",
    "x",
    "}}",
    "'",
    '"',
    "#",
    ";",
    "\\",
    "None",
    "0x1",
    "1_0",
    "-",
    "--",
    "---",
    "all:",
    "hosts:",
    "vars:",
    "children:",
    "_meta",
    "hostvars",
    "<<:",
    "*",
    "&",
    "!",
    "!vault",
    "|",
    ">",
    "-",
    ",",
    "{",
    "}",
    "name",
    "address",
    "port",
    "groups",
    "user",
    "22",
    "x@y",
    "::1",
    "é",
]
LINES = st.lists(
    st.lists(st.sampled_from([*PARTS, "  ", " "]), max_size=8).map(" ".join) | st.text(max_size=20), max_size=12
).map("\n".join)


@settings(max_examples=200)
@given(LINES)
def test_ini_of_any_kind_is_read_or_told(text: str) -> None:
    hosts_of(read_ini(text, file="hosts", findings=Findings()))


@settings(max_examples=200)
@given(LINES)
def test_yaml_of_any_kind_is_read_or_told(text: str) -> None:
    try:
        data = read_ansible_yaml(text)
    except BadYaml:
        return
    hosts_of(read_tree(data, file="hosts.yaml", findings=Findings()))


@settings(max_examples=100)
@given(LINES)
def test_csv_of_any_kind_is_read_or_told(text: str) -> None:
    read_csv(f"name,address\n{text}", file="hosts.csv", columns=ColumnsKeys(), findings=Findings())


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from([*PARTS, "hosts", "vars", "children", "a", "b"]), inner, max_size=4)
    ),
    max_leaves=20,
)


@settings(max_examples=200)
@given(st.dictionaries(st.sampled_from(["all", "_meta", "a", "b", "ungrouped"]), JSON, max_size=4))
def test_json_of_any_shape_is_read_or_told(data: object) -> None:
    try:
        read = read_ansible_yaml(json.dumps(data))
    except BadYaml:
        return
    hosts_of(read_tree(read, file="hosts.json", findings=Findings()))
