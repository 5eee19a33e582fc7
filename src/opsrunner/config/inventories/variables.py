"""The variables of an Ansible inventory that say how a host is reached, and what stands in them."""

from __future__ import annotations

from typing import Any

from opsrunner.config.inventories.found import Place
from opsrunner.records import dataclass

READ_AS = {
    "ansible_host": "address",
    "ansible_ssh_host": "address",
    "ansible_port": "port",
    "ansible_ssh_port": "port",
    "ansible_user": "user",
    "ansible_ssh_user": "user",
    "ansible_private_key_file": "key_file",
    "ansible_ssh_private_key_file": "key_file",
    "ansible_connection": "connection",
    "ansible_ssh_args": "arguments",
    "ansible_ssh_common_args": "arguments",
    "ansible_ssh_extra_args": "arguments",
}
"""What each variable says. Of two that say the same, the later one in this table is used, as Ansible does."""
PRIORITY = "ansible_group_priority"
KEPT = frozenset({*READ_AS, PRIORITY})
"""All other variables are nothing to us, whatever they hold."""
_TEMPLATE = ("{{", "{%", "{#")


@dataclass(frozen=True, kw_only=True)
class Variable:
    """What a file says. `wrong` is why it cannot be used here; what is not in effect is not complained about."""

    name: str
    value: str
    """Empty where the file says that there is none."""
    place: Place
    wrong: str = ""
    hint: str = ""


def variable(name: str, value: Any, *, written: str, place: Place) -> Variable:
    """Return a variable from what Ansible makes of it, and from how it stands in the file."""
    if value is None:
        return Variable(name=name, value="", place=place)
    wrong, hint = _why_not(value, written)
    return Variable(name=name, value="" if wrong else str(value), place=place, wrong=wrong, hint=hint)


def _why_not(value: Any, written: str) -> tuple[str, str]:
    written = written[:60]
    if isinstance(value, bool):
        return f"'{written}' is {str(value).lower()} to Ansible", "put quotes around it if it is a text"
    if isinstance(value, int):
        if str(value) == written:
            return "", ""
        return f"'{written}' is the number {value} to Ansible", f"write {value}, or put quotes around it"
    if not isinstance(value, str):
        return f"'{written}' is no text", "write one value"
    if any(sign in value for sign in _TEMPLATE):
        return "is a template, and cannot be read without Ansible", "write the value itself"
    return "", ""
