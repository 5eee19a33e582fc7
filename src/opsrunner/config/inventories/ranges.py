"""Names of hosts as Ansible inventories write them: `web[01:50].example.com`, `db-[a:c]`, `web1:2222`.

The rules are those of Ansible's guide "How to build your inventory", section "Adding ranges of hosts", and were
held against `ansible-inventory`.
"""

from __future__ import annotations

import re
import string

from opsrunner.config.inventories.found import MOST_HOSTS

_WITH_PORT = re.compile(r"(?P<name>\[.+\]|(?:[^:\[\]]|\[[^\]]*\])*):(?P<port>[0-9]+)\Z")
_WHOLE = re.compile(r"[0-9]{1,9}\Z", re.ASCII)


def split_port(written: str) -> tuple[str, str]:
    """Return the name and the port of `web1:2222`, of `[2001:db8::1]:22`; the port is empty where there is none."""
    found = _WITH_PORT.match(written)
    if found is None:
        return written, ""
    name = found["name"]
    is_address = name.startswith("[") and name.endswith("]") and name.count(":") > 2
    return (name[1:-1] if is_address else name), found["port"]


def expand(written: str) -> list[str]:
    """Return the names that a pattern stands for. Raises ValueError with the reason, and a hint on a second line."""
    names = [""]
    for part in re.split(r"(\[[^\[\]]*\])", written):
        if part.startswith("[") and part.endswith("]"):
            names = _product(names, _bounds(part))
        elif "[" in part or "]" in part:
            raise ValueError(f"'{written[:60]}' has a bracket that is not closed")
        else:
            names = [name + part for name in names]
    return names


def _product(names: list[str], values: list[str]) -> list[str]:
    if len(names) * len(values) > MOST_HOSTS:
        raise ValueError(f"stands for more than {MOST_HOSTS} hosts")
    return [name + value for name in names for value in values]


def _bounds(part: str) -> list[str]:
    """Return what one `[begin:end]` or `[begin:end:step]` stands for; both ends are part of it."""
    bounds = part[1:-1].split(":")
    if len(bounds) not in (2, 3):
        raise ValueError(f"the range {part} must be [begin:end] or [begin:end:step]")
    begin, end = bounds[0] or "0", bounds[1]
    step = bounds[2] if len(bounds) == 3 else "1"
    if not _WHOLE.match(step) or int(step) == 0:
        raise ValueError(f"the step of the range {part} must be a whole number from 1")
    if _WHOLE.match(begin) and _WHOLE.match(end):
        return _numbers(part, begin, end, int(step))
    letters = string.ascii_letters
    if len(begin) != 1 or len(end) != 1 or begin not in letters or end not in letters:
        raise ValueError(f"the range {part} must go from one number or letter to another")
    first, last = letters.index(begin), letters.index(end)
    if first > last:
        raise ValueError(f"the range {part} ends before it begins")
    return list(letters[first : last + 1 : int(step)])


def _numbers(part: str, begin: str, end: str, step: int) -> list[str]:
    width = len(begin) if len(begin) > 1 and begin.startswith("0") else 0
    if width and len(end) != width:
        raise ValueError(f"both ends of the range {part} must have as many digits")
    numbers = range(int(begin), int(end) + 1, step)
    if not numbers:
        raise ValueError(f"the range {part} ends before it begins")
    if len(numbers) > MOST_HOSTS:
        raise ValueError(f"the range {part} stands for more than {MOST_HOSTS} hosts")
    return [str(number).zfill(width) for number in numbers]
