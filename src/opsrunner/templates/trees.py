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
_PLAIN_DEPTH = 24
"""Python's own parser has bounds too; what is so flat never comes near them."""


class Tree:
    """The tree of a template or of an expression, with every node of it by its kind."""

    def __init__(self, root: nodes.Node, by_kind: Mapping[type[nodes.Node], Sequence[nodes.Node]], depth: int) -> None:
        self.root, self._by_kind, self._depth = root, by_kind, depth

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
        """Tell of a block that is there twice, of an `extends` within something, of the name `loop` where something is
        written, of `caller` as a parameter, and of a keyword that a call has twice."""
        blocks = [block.name for block in self.every(nodes.Block)]
        if len(blocks) != len(set(blocks)) or any(map(_is_reserved, self.every(nodes.Name))):
            return True
        above = {id(node) for node in getattr(self.root, "body", ())}
        if any(id(node) not in above for node in self.every(nodes.Extends)):
            return True
        return any(map(_has_a_keyword_twice, self.every(nodes.Call, nodes.Filter, nodes.Test)))


def _is_reserved(name: nodes.Name) -> bool:
    return (name.ctx == "store" and name.name == "loop") or (name.ctx == "param" and name.name == "caller")


def _has_a_keyword_twice(call: nodes.Expr) -> bool:
    keywords = [keyword.key for keyword in getattr(call, "kwargs", ())]
    return len(keywords) != len(set(keywords))


def tree_of(root: nodes.Node) -> Tree:
    """Return a tree with its nodes. Raises TemplateAssertionError for one of more than DEEPEST levels."""
    by_kind: defaultdict[type[nodes.Node], list[nodes.Node]] = defaultdict(list)
    level, depth = [root], 1
    while True:
        below: list[nodes.Node] = []
        for node in level:
            by_kind[type(node)].append(node)
            for name in node.fields:
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
