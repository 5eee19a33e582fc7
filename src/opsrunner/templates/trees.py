"""What a template reads as: its tree of nodes, walked once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import TypeVar, cast

from jinja2 import nodes
from jinja2.exceptions import TemplateAssertionError

_Node = TypeVar("_Node", bound=nodes.Node)

DEEPEST = 64
"""Levels of a tree: compiling takes their third power."""
_PLAIN = (
    *(nodes.Template, nodes.Output, nodes.TemplateData, nodes.Const, nodes.Name, nodes.Getattr, nodes.Getitem),
    *(nodes.Slice, nodes.Call, nodes.Filter, nodes.Test, nodes.If, nodes.For, nodes.Assign, nodes.CondExpr),
    *(nodes.And, nodes.Or, nodes.Not, nodes.Compare, nodes.Operand, nodes.Concat, nodes.Neg, nodes.Pos),
    *(nodes.Add, nodes.Sub, nodes.Mul, nodes.Div, nodes.FloorDiv, nodes.Mod),
    *(nodes.List, nodes.Tuple, nodes.Dict, nodes.Pair, nodes.Keyword, nodes.Block, nodes.Extends, nodes.Include),
    *(nodes.Macro, nodes.CallBlock, nodes.FilterBlock, nodes.AssignBlock, nodes.With),
)
_PLAIN_KINDS = frozenset(_PLAIN)
_TAKEN = frozenset({"caller", "_loop_vars", "_block_vars", "__debug__"})
_LARGEST_BITS = 14_000
"""Of an integer: Python writes out 4,300 digits."""
_PLAIN_DEPTH = 24
"""Python's own parser has bounds too; what is so flat never comes near them."""


class Tree:
    """The tree of a template or of an expression, with every node of it by its kind."""

    def __init__(self, root: nodes.Node, by_kind: Mapping[type[nodes.Node], Sequence[nodes.Node]], depth: int) -> None:
        self._root, self._by_kind, self._depth = root, by_kind, depth

    def every(self, *kinds: type[_Node]) -> Iterator[_Node]:
        """Yield the nodes of these kinds."""
        for kind in kinds:
            yield from cast("Sequence[_Node]", self._by_kind.get(kind, ()))

    @property
    def is_plain(self) -> bool:
        """Whether compiling can find no mistake in it that reading it did not find.

        Beside what `_is_odd` tells, Jinja's compiler refuses filters and tests that are not there: whoever asks looks
        those up. Python's own has bounds on depth.
        """
        return self._depth <= _PLAIN_DEPTH and _PLAIN_KINDS.issuperset(self._by_kind) and not self._is_odd()

    def _is_odd(self) -> bool:
        """Tell of what reading lets pass, and a compiler may not.

        Jinja's refuses a block that is there twice, `extends` within something, a value written to `loop`, and
        `caller` as a parameter; Python's refuses two parameters or keywords of one name, those that Jinja's own calls
        use, a slice among other items, and a number that it cannot write out.
        """
        blocks = [block.name for block in self.every(nodes.Block)]
        above = {id(node) for node in getattr(self._root, "body", ())}
        return (
            len(blocks) != len(set(blocks))
            or any(id(node) not in above for node in self.every(nodes.Extends))
            or any(map(_is_reserved, self.every(nodes.Name)))
            or any(_are_odd(_keywords(call)) for call in self.every(nodes.Call, nodes.Filter, nodes.Test))
            or any(_are_odd([one.name for one in macro.args]) for macro in self.every(nodes.Macro))
            or any(_are_odd([one.name for one in block.args]) for block in self.every(nodes.CallBlock))
            or any(isinstance(item, nodes.Slice) for items in self.every(nodes.Tuple) for item in items.items)
            or any(
                isinstance(one.value, int) and one.value.bit_length() > _LARGEST_BITS for one in self.every(nodes.Const)
            )
        )


def _is_reserved(name: nodes.Name) -> bool:
    return name.ctx == "store" and name.name == "loop"


def _keywords(call: nodes.Expr) -> list[str]:
    return [keyword.key for keyword in getattr(call, "kwargs", ())]


def _are_odd(names: list[str]) -> bool:
    return len(names) != len(set(names)) or any(map(_is_odd_name, names))


def _is_odd_name(name: str) -> bool:
    """Tell of a name that Python reads as another one, or that Jinja gives to calls by itself."""
    return not name.isascii() or name in _TAKEN


def tree_of(root: nodes.Node) -> Tree:
    """Return a tree with its nodes. Raises TemplateAssertionError for one of more than DEEPEST levels."""
    by_kind: defaultdict[type[nodes.Node], list[nodes.Node]] = defaultdict(list)
    level, depth = [root], 1
    while True:
        below: list[nodes.Node] = []
        for node in level:
            by_kind[type(node)].append(node)
            for name in node.fields:  # as `iter_child_nodes` goes, in a third of its time
                value = getattr(node, name, None)
                if isinstance(value, list):
                    below += [item for item in value if isinstance(item, nodes.Node)]
                elif isinstance(value, nodes.Node):
                    below.append(value)
        if not below:
            return Tree(root, by_kind, depth)
        if depth == DEEPEST:
            raise TemplateAssertionError("it is nested too deeply", below[0].lineno)
        level, depth = below, depth + 1
