"""What an operation costs, told from its text and variables before anything runs.

A point is about 0.1 ms of one core. A field whose resolver waits, or gives a node, costs a point each time it runs, an item of
a list a fifth (it is serialised, not fetched), a mutation ten, everything else nothing. A list multiplies what is inside it: by
`first`, of the field or of the connection around it, or by how many items are assumed. `RULES` holds what differs; whatever it
does not name is priced by its definition, so that a new field needs no rule. Of fragments on different types only the dearest
type counts, and `@skip` and `@include` change nothing.
"""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from graphql import (
    ArgumentNode,
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLArgument,
    GraphQLCompositeType,
    GraphQLError,
    GraphQLField,
    GraphQLSchema,
    InlineFragmentNode,
    IntValueNode,
    ListValueNode,
    NullValueNode,
    OperationDefinitionNode,
    SelectionNode,
    SelectionSetNode,
    VariableNode,
    get_named_type,
    get_nullable_type,
    is_abstract_type,
    is_composite_type,
    is_list_type,
    is_object_type,
)
from strawberry.schema.schema_converter import GraphQLCoreConverter

MAX_COST = 1000
READ = 1.0
WRITE = 10.0
ITEM = 0.2
# The schema itself is at hand.
INTROSPECTED_ITEM = 0.05
# Through tens of thousands of log lines, and through hundreds of thousands.
LOOKING = 20.0
LOOKING_FAR = 100.0
ASSUMED_ITEMS = 10
MOST = 10**9


class Rule(NamedTuple):
    """How a field differs: `price` each time it runs; `items` of its list, where no argument says how many; `page`, the
    argument that does, a number or a list, unless `back`, another, is given; each of `points`, an argument, adds `point_price`;
    `search`, arguments, adds `search_price` where one of them is there.
    """

    price: float | None = None
    items: int | None = None
    page: str = "first"
    back: str | None = "last"
    search: tuple[str, ...] = ()
    search_price: float = 0.0
    points: str | None = None
    point_price: float = 0.02


RULES: dict[str, Rule] = {
    "Batch.causes": Rule(price=LOOKING),
    "Checkpoint.files": Rule(items=20),
    "Dataset.rendered": Rule(price=LOOKING),
    "Dataset.rows": Rule(search=("search",), search_price=LOOKING_FAR),
    "Deployment.decisions": Rule(price=LOOKING, page="last", back=None),
    "Deployment.loads": Rule(price=LOOKING, points="points"),
    "Deployment.logCount": Rule(price=LOOKING_FAR),
    "Deployment.logs": Rule(search=("filter",), search_price=LOOKING),
    "Deployment.versions": Rule(items=3),
    "ComparedEvalItem.a": Rule(items=4),
    "ComparedEvalItem.b": Rule(items=4),
    "EvalItem.scores": Rule(items=3),
    "EvalRunComparison.figures": Rule(price=LOOKING),
    "EvalRunComparison.items": Rule(price=LOOKING),
    "JobComparison.metrics": Rule(items=10, points="maxPoints", point_price=0.4),
    "JobComparison.settings": Rule(items=30),
    "LogBatch.lines": Rule(items=100),
    "Query.compareJobs": Rule(page="ids"),
    "Query.hardwareTypes": Rule(items=12),
    "RenderedRow.pieces": Rule(items=10),
    "Rollout.components": Rule(items=3),
    "RolloutGroup.completions": Rule(items=8),
    "Subscription.jobRollouts": Rule(page="sampleGroups"),
    "TrainingJob.deployments": Rule(items=2),
    "TrainingJob.logCount": Rule(price=LOOKING_FAR),
    "TrainingJob.logs": Rule(search=("filter",), search_price=LOOKING),
    "TrainingJob.metrics": Rule(points="maxPoints"),
    "TrainingJob.rolloutGroups": Rule(search=("filter", "datasetRow"), search_price=LOOKING_FAR),
    "TrainingJob.rolloutSteps": Rule(items=4, points="maxPoints"),
    "__Field.args": Rule(items=2),
    "__Schema.directives": Rule(items=6),
    "__Schema.types": Rule(items=150),
    "__Type.enumValues": Rule(items=5),
    "__Type.inputFields": Rule(items=5),
    "__Type.interfaces": Rule(items=2),
    "__Type.possibleTypes": Rule(items=5),
}
NONE = Rule()


class Amount(NamedTuple):
    """A number that an argument gives, or a variable; or what `otherwise` says where the variable is null."""

    value: int
    variable: str | None = None
    otherwise: "Amount | None" = None

    def of(self, given: Mapping[str, Any]) -> int:
        found = given.get(self.variable) if self.variable is not None else None
        if found is None and self.otherwise is not None:
            return self.otherwise.of(given)
        if isinstance(found, list):
            return len(found)
        # GraphQL takes 100.0 for an Int too.
        return max(0, math.ceil(min(found, MOST))) if isinstance(found, (int, float)) else self.value


class Field(NamedTuple):
    """A field that costs something, or has something inside that does."""

    price: float
    point_price: float
    points: Amount | None
    page: Amount | None
    item: float | None
    items: int | None
    inside: "Selection | None"


class Selection:
    """Priced fields, and selections that count for some types only."""

    __slots__ = ("branches", "fields")

    def __init__(self) -> None:
        self.fields: list[Field] = []
        self.branches: list[tuple[frozenset[str], Selection]] = []


class Pricing:
    """Adds up under given variables. A selection is looked at once for each page size around it, however often it is spread."""

    def __init__(self, given: Mapping[str, Any]) -> None:
        self._given = given
        self._known: dict[tuple[int, int | None], float] = {}

    def total(self, selection: Selection) -> int:
        return math.ceil(min(max(self._selection(selection, None), 1.0), MOST))

    def _selection(self, selection: Selection, page: int | None) -> float:
        key = (id(selection), page)
        if key not in self._known:
            found = sum(self._field(field, page) for field in selection.fields)
            self._known[key] = found + self._dearest(selection, page) if selection.branches else found
        return self._known[key]

    def _dearest(self, selection: Selection, page: int | None) -> float:
        of_type: dict[str, float] = {}
        for types, branch in selection.branches:
            cost = self._selection(branch, page)
            for name in types:
                of_type[name] = of_type.get(name, 0.0) + cost
        return max(of_type.values(), default=0.0)

    def _field(self, field: Field, around: int | None) -> float:
        given = self._given
        page = None if field.page is None else field.page.of(given)
        own = field.price if field.points is None else field.price + field.point_price * field.points.of(given)
        if field.item is None:
            return own if field.inside is None else own + self._selection(field.inside, page)
        size = next((number for number in (page, field.items, around) if number is not None), ASSUMED_ITEMS)
        return own + size * (field.item + (0.0 if field.inside is None else self._selection(field.inside, None)))


class Pricer:
    """Prices the selections of one document; GraphQLError where it selects what there is not, or a fragment spreads itself."""

    def __init__(self, schema: GraphQLSchema, document: DocumentNode) -> None:
        self._schema = schema
        self._fragments = {item.name.value: item for item in document.definitions if isinstance(item, FragmentDefinitionNode)}
        self._known: dict[str, Selection | None] = {}

    def operation(self, node: OperationDefinitionNode) -> Selection:
        root = self._schema.get_root_type(node.operation)
        if root is None:
            raise GraphQLError(f"The schema has no {node.operation.value}.", node)
        return self._selections(node.selection_set, root)

    def _selections(self, node: SelectionSetNode, parent: GraphQLCompositeType) -> Selection:
        made = Selection()
        for item in node.selections:
            self._add(made, item, parent)
        return made

    def _add(self, made: Selection, node: SelectionNode, parent: GraphQLCompositeType) -> None:
        if isinstance(node, FieldNode):
            field = self._field(node, parent)
            if field is not None:
                made.fields.append(field)
        elif isinstance(node, InlineFragmentNode):
            condition = parent if node.type_condition is None else self._type(node.type_condition.name.value, node)
            made.branches.append((self._types(condition), self._selections(node.selection_set, condition)))
        elif isinstance(node, FragmentSpreadNode):
            made.branches.append(self._spread(node))

    def _field(self, node: FieldNode, parent: GraphQLCompositeType) -> Field | None:
        definition = self._schema.get_field(parent, node.name.value)
        if definition is None:
            raise GraphQLError(f"Cannot query field '{node.name.value}' on type '{parent.name}'.", node)
        kind = get_named_type(definition.type)
        inside = self._selections(node.selection_set, kind) if node.selection_set and is_composite_type(kind) else None
        made = _priced(f"{parent.name}.{node.name.value}", definition, node, inside)
        return made if made.price or made.points or made.item or made.inside else None

    def _spread(self, node: FragmentSpreadNode) -> tuple[frozenset[str], Selection]:
        name = node.name.value
        fragment = self._fragments.get(name)
        if fragment is None:
            raise GraphQLError(f"Unknown fragment '{name}'.", node)
        condition = self._type(fragment.type_condition.name.value, fragment)
        if name not in self._known:
            self._known[name] = None
            self._known[name] = self._selections(fragment.selection_set, condition)
        selection = self._known[name]
        if selection is None:
            raise GraphQLError(f"Cannot spread fragment '{name}' within itself.", node)
        return self._types(condition), selection

    def _type(self, name: str, node: InlineFragmentNode | FragmentDefinitionNode) -> GraphQLCompositeType:
        found = self._schema.get_type(name)
        if not is_composite_type(found):
            raise GraphQLError(f"There is no type '{name}' to select from.", node)
        return found

    def _types(self, condition: GraphQLCompositeType) -> frozenset[str]:
        kinds = self._schema.get_possible_types(condition) if is_abstract_type(condition) else [condition]
        return frozenset(kind.name for kind in kinds)


def _priced(name: str, definition: GraphQLField, node: FieldNode, inside: Selection | None) -> Field:
    rule = RULES.get(name, NONE)
    is_list = inside is not None and is_list_type(get_nullable_type(definition.type))
    given = {argument.name.value: argument for argument in node.arguments or ()}
    price = _price(name, definition) if rule.price is None else rule.price
    return Field(
        price=price + (rule.search_price if not given.keys().isdisjoint(rule.search) else 0.0),
        point_price=rule.point_price,
        points=_amount(rule.points, definition, given),
        page=_page(rule, definition, given),
        item=None if not is_list else INTROSPECTED_ITEM if name.startswith("__") else ITEM,
        items=rule.items,
        inside=inside,
    )


def _page(rule: Rule, definition: GraphQLField, given: Mapping[str, ArgumentNode]) -> Amount | None:
    forwards = _amount(rule.page, definition, given)
    backwards = _amount(rule.back, definition, given) if rule.back in given else None
    if backwards is None or isinstance(given[str(rule.back)].value, NullValueNode):
        return forwards
    return backwards if backwards.variable is None else backwards._replace(otherwise=forwards)


def _price(name: str, definition: GraphQLField) -> float:
    if name.startswith("Mutation."):
        return WRITE
    made_of = (definition.extensions or {}).get(GraphQLCoreConverter.DEFINITION_BACKREF)
    resolver = None if made_of is None else made_of.base_resolver
    if resolver is None:
        return 0.0
    kind = get_named_type(definition.type)
    is_node = is_object_type(kind) and any(interface.name == "Node" for interface in kind.interfaces)
    return READ if resolver.is_async or is_node else 0.0


def _amount(name: str | None, definition: GraphQLField, given: Mapping[str, ArgumentNode]) -> Amount | None:
    argument = definition.args.get(name) if name is not None else None
    if argument is None or name is None:
        return None
    node = given[name].value if name in given else None
    if isinstance(node, VariableNode):
        return Amount(_default(argument), node.name.value)
    if isinstance(node, ListValueNode):
        return Amount(len(node.values))
    if isinstance(node, IntValueNode):
        return Amount(max(0, int(node.value)) if len(node.value) < 10 else MOST)
    return Amount(_default(argument))


def _default(argument: GraphQLArgument) -> int:
    default = argument.default_value
    return default if isinstance(default, int) else ASSUMED_ITEMS
