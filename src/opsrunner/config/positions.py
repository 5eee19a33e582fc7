"""Where in its file a value stands. Worked out only when there is something to report."""

from __future__ import annotations

from typing import TypeAlias

import yaml

Path: TypeAlias = tuple[str | int, ...]
LONGEST_KEY = 60
"""Characters of a key that are shown."""
Place: TypeAlias = tuple[int, int]
"""Line and column, both counted from 1."""


def shown(path: Path) -> str:
    """Return a path as people read it: `steps[1].timeout`."""
    text = ""
    for part in path:
        word = part if isinstance(part, int) or len(part) <= LONGEST_KEY else f"{part[: LONGEST_KEY - 1]}…"
        text += f"[{word}]" if isinstance(word, int) else f".{word}" if text else word
    return text


class Positions:
    """The places of one file's values; `text` has been read by `read_yaml` before, so it is harmless."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._root: yaml.Node | None = None

    def of(self, path: Path, *, on_key: bool = False) -> Place:
        """Return where the value of `path` begins, or its key; of what is not there, the nearest around it."""
        node = self._compose()
        place = _place(node) if node is not None else (1, 1)
        for position, part in enumerate(path):
            key, node = _child(node, part)
            if node is None:
                return place
            wants_key = on_key and position == len(path) - 1
            place = _place(key if wants_key and key is not None else node)
        return place

    def written(self, path: Path) -> Path:
        """Return `path` without the position in a list where the file has one value instead."""
        node = self._compose()
        real: list[str | int] = []
        for part in path:
            if isinstance(part, int) and node is not None and not isinstance(node, yaml.SequenceNode):
                continue
            real.append(part)
            _, node = _child(node, part)
        return tuple(real)

    def _compose(self) -> yaml.Node | None:
        if self._root is None:
            self._root = yaml.compose(self._text, Loader=yaml.CSafeLoader)
        return self._root


def _place(node: yaml.Node) -> Place:
    return node.start_mark.line + 1, node.start_mark.column + 1


def _child(node: yaml.Node | None, part: str | int) -> tuple[yaml.Node | None, yaml.Node | None]:
    if isinstance(node, yaml.MappingNode):
        return next(((key, value) for key, value in node.value if key.value == str(part)), (None, None))
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        return None, node.value[part]
    return None, None
