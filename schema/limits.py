"""What an operation may be at most, judged before it runs.

Depth and aliases are counted with one look at each fragment: counting along every path, as Strawberry's own rules do, lets a
short document of fragments that spread each other twice keep a core busy for ever. Introspection is not counted here; how deep
its lists may nest is a rule of graphql-core's own, under which the standard introspection query passes.
"""

from dataclasses import dataclass

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
    ValidationContext,
    ValidationRule,
)
from strawberry.extensions import AddValidationRules, MaxTokensLimiter

MAX_TOKENS = 2000
MAX_DEPTH = 12
MAX_ALIASES = 50
MAX_BODY_BYTES = 100_000


@dataclass(frozen=True)
class Size:
    """Levels of fields, and aliases, fragments counted wherever they are spread."""

    depth: int = 0
    aliases: int = 0


class SizeRule(ValidationRule):
    """Refuses a document with an operation that is too deep or has too many aliases."""

    def __init__(self, context: ValidationContext) -> None:
        super().__init__(context)
        sizes = sizes_of(context.document)
        if any(size.depth > MAX_DEPTH for size in sizes):
            self.report_error(GraphQLError(f"The operation is deeper than {MAX_DEPTH} levels."))
        if sum(size.aliases for size in sizes) > MAX_ALIASES:
            self.report_error(GraphQLError(f"The document has more than {MAX_ALIASES} aliases."))


def sizes_of(document: DocumentNode) -> list[Size]:
    """Return the size of each operation."""
    measure = _Measure(document)
    return [measure.selections(item.selection_set) for item in document.definitions if isinstance(item, OperationDefinitionNode)]


class _Measure:
    def __init__(self, document: DocumentNode) -> None:
        definitions = [item for item in document.definitions if isinstance(item, FragmentDefinitionNode)]
        self._fragments = {item.name.value: item for item in definitions}
        self._known: dict[str, Size] = {}

    def selections(self, selection_set: SelectionSetNode) -> Size:
        parts = [self._selection(item) for item in selection_set.selections]
        return Size(max(part.depth for part in parts), sum(part.aliases for part in parts))

    def _selection(self, node: object) -> Size:
        if isinstance(node, FieldNode):
            return self._field(node)
        if isinstance(node, InlineFragmentNode):
            return self.selections(node.selection_set)
        return self._fragment(node.name.value) if isinstance(node, FragmentSpreadNode) else Size()

    def _field(self, node: FieldNode) -> Size:
        aliases = int(node.alias is not None)
        if node.selection_set is None or node.name.value.startswith("__"):
            return Size(1, aliases)
        below = self.selections(node.selection_set)
        return Size(below.depth + 1, below.aliases + aliases)

    def _fragment(self, name: str) -> Size:
        if name not in self._known:
            # Entered before it is measured, so that fragments in a circle end here; another rule says that there is a circle.
            self._known[name] = Size()
            found = self._fragments.get(name)
            self._known[name] = Size() if found is None else self.selections(found.selection_set)
        return self._known[name]


EXTENSIONS = (
    lambda: MaxTokensLimiter(max_token_count=MAX_TOKENS),
    lambda: AddValidationRules([SizeRule]),
)
