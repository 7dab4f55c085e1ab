"""Looking ahead: what the items of a list are asked for is fetched with the list, so that their fields answer at once.

A loader gives the same rows, but each field then waits for it in a task of its own, which for fifty items costs more than the
statement does.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from graphql import FieldNode, FragmentSpreadNode, GraphQLResolveInfo, InlineFragmentNode, SelectionSetNode

from schema.context import Info


def asked(info: Info, names: Iterable[str]) -> set[str]:
    """Return those of the fields that the items of this connection are asked for, whatever a directive then leaves out."""
    raw: GraphQLResolveInfo[Any] = info._raw_info
    page = list(_fields(raw, (node.selection_set for node in raw.field_nodes)))
    items = [node.selection_set for node in page if node.name.value == "nodes"]
    edges = (node.selection_set for node in page if node.name.value == "edges")
    items += [node.selection_set for node in _fields(raw, edges) if node.name.value == "node"]
    return {node.name.value for node in _fields(raw, items)}.intersection(names)


def _fields(raw: GraphQLResolveInfo[Any], sets: Iterable[SelectionSetNode | None]) -> Iterator[FieldNode]:
    """Yield the fields of selections, those of fragments too; validation has seen to it that no fragment spreads itself."""
    for found in sets:
        for node in () if found is None else found.selections:
            if isinstance(node, FieldNode):
                yield node
            elif isinstance(node, InlineFragmentNode):
                yield from _fields(raw, [node.selection_set])
            elif isinstance(node, FragmentSpreadNode):
                spread: Any = raw.fragments[node.name.value]
                yield from _fields(raw, [spread.selection_set])
