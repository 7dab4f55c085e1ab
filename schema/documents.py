"""Documents that have been read: parsed, measured, priced and validated once, however often they are sent.

What a document is refused for comes in the order of what finding it costs, and validation, the dearest, last. Only documents
that are valid and come from somebody with a key are kept, up to so many characters in all, the least used going first.
"""

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, NamedTuple

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLSchema,
    InlineFragmentNode,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    parse,
    specified_rules,
    validate,
    value_from_ast_untyped,
)
from graphql.validation.rules import overlapping_fields_can_be_merged
from strawberry.schema.validation_rules.maybe_null import MaybeNullValidationRule
from strawberry.schema.validation_rules.one_of import OneOfInputValidationRule

from schema.cost import Pricer, Pricing, Selection
from schema.limits import MAX_TOKENS, MAX_TOKENS_OF_STRANGERS, check_sizes, check_text

MAX_KEPT = 250_000
MAX_ERRORS = 3
# Fields of the roots that need no caller.
OPEN = frozenset({"signIn"})
RULES = (*specified_rules, MaybeNullValidationRule, OneOfInputValidationRule)
# Comparisons of fields that may overlap, which a short document can make quadratic: one with many fragments needs 200.
overlapping_fields_can_be_merged.MAX_COMPLEXITY_BUDGET = 400


class Operation(NamedTuple):
    """One operation of a document; `roots` are the names of the fields it selects at the root."""

    type: OperationType
    roots: frozenset[str]
    selection: Selection
    defaults: Mapping[str, Any]

    def cost(self, variables: Mapping[str, Any] | None) -> int:
        return Pricing({**self.defaults, **(variables or {})}).total(self.selection)

    @property
    def introspects(self) -> bool:
        return not self.roots.isdisjoint(("__schema", "__type"))

    @property
    def is_open(self) -> bool:
        """Whether anybody may ask for it: the schema itself, and to be signed in."""
        return all(name.startswith("__") or name in OPEN for name in self.roots)


class Document:
    """A parsed document within the limits of `schema.limits`; `validate` tells whether it is one of the schema's."""

    def __init__(self, schema: GraphQLSchema, text: str, tokens: int) -> None:
        self.text = text
        self.tokens = tokens
        self.ast = parse(text)
        self._schema = schema
        check_sizes(self.ast)
        pricer = Pricer(schema, self.ast)
        found = [node for node in self.ast.definitions if isinstance(node, OperationDefinitionNode)]
        self._operations = {node.name.value if node.name else None: _operation(node, self.ast, pricer) for node in found}

    def operation(self, name: str | None) -> Operation:
        """Return the operation to run; GraphQLError where the name does not say which."""
        if not self._operations:
            raise GraphQLError("The document has no operation.")
        if name is None:
            if len(self._operations) > 1:
                raise GraphQLError("The document has several operations: operationName says which to run.")
            return next(iter(self._operations.values()))
        if name not in self._operations:
            raise GraphQLError("The document has no operation of this name.")
        return self._operations[name]

    def validate(self) -> list[GraphQLError]:
        return validate(self._schema, self.ast, RULES, max_errors=MAX_ERRORS, hide_suggestions=True)


class Documents:
    """The documents of one schema that this process has read lately."""

    def __init__(self, schema: GraphQLSchema) -> None:
        self._schema = schema
        self._kept: OrderedDict[str, Document] = OrderedDict()
        self._characters = 0

    def find(self, text: str) -> Document | None:
        """Return a valid document that was kept."""
        found = self._kept.get(text)
        if found is not None:
            self._kept.move_to_end(text)
        return found

    def read(self, text: str, *, known: bool) -> Document:
        """Parse a document of somebody with a key or without; GraphQLError where it is none or goes beyond a limit."""
        tokens = check_text(text, MAX_TOKENS if known else MAX_TOKENS_OF_STRANGERS)
        try:
            return Document(self._schema, text, tokens)
        except RecursionError:
            raise GraphQLError("The document is nested too deeply.") from None

    def keep(self, document: Document) -> None:
        if document.text in self._kept:
            return
        self._kept[document.text] = document
        self._characters += len(document.text)
        while self._characters > MAX_KEPT:
            text, _ = self._kept.popitem(last=False)
            self._characters -= len(text)


def _operation(node: OperationDefinitionNode, document: DocumentNode, pricer: Pricer) -> Operation:
    defaults = {
        definition.variable.name.value: value_from_ast_untyped(definition.default_value)
        for definition in node.variable_definitions or ()
        if definition.default_value is not None
    }
    fragments = {item.name.value: item for item in document.definitions if isinstance(item, FragmentDefinitionNode)}
    roots: set[str] = set()
    _collect(node.selection_set, fragments, roots, set())
    return Operation(node.operation, frozenset(roots), pricer.operation(node), defaults)


def _collect(
    selections: SelectionSetNode, fragments: Mapping[str, FragmentDefinitionNode], roots: set[str], seen: set[str]
) -> None:
    """Add the names of the fields that a selection has at its own level."""
    for node in selections.selections:
        if isinstance(node, FieldNode):
            roots.add(node.name.value)
        elif isinstance(node, InlineFragmentNode):
            _collect(node.selection_set, fragments, roots, seen)
        elif isinstance(node, FragmentSpreadNode) and node.name.value not in seen and node.name.value in fragments:
            seen.add(node.name.value)
            _collect(fragments[node.name.value].selection_set, fragments, roots, seen)
