"""What was admitted, on its way into execution: nothing of it is parsed, validated or charged again."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from graphql import GraphQLError, OperationType
from strawberry.extensions import SchemaExtension

from schema.cost import MAX_COST
from schema.documents import Document, Documents
from schema.limits import MAX_TOKENS


@dataclass(frozen=True, slots=True)
class Admitted:
    """An operation that may run. `query` is its text, also where only a hash was sent; `extensions` belong to its answer."""

    query: str
    variables: dict[str, Any] | None
    name: str | None
    document: Document
    type: OperationType
    cost: int
    extensions: dict[str, Any]


def too_dear(cost: int, most: int = MAX_COST) -> GraphQLError:
    hint = "Ask for fewer items, or for less of each."
    extensions = {"code": "COST_LIMIT", "cost": {"requested": cost, "maximum": most}, "hint": hint}
    return GraphQLError(f"The operation costs {cost} points, and {most} are the most.", extensions=extensions)


class Handover(SchemaExtension):
    """Gives the admitted document to Strawberry. An operation that nobody admitted is judged here, so that no way goes around
    the limits.
    """

    def on_parse(self) -> Iterator[None]:
        admitted: Admitted | None = self.execution_context.context.admitted
        if admitted is None:
            self.execution_context.parse_options["max_tokens"] = MAX_TOKENS
        else:
            self.execution_context.graphql_document = admitted.document.ast
        yield

    def on_validate(self) -> Iterator[None]:
        running = self.execution_context
        running.pre_execution_errors = [] if running.context.admitted is not None else self._judge(running.variables)
        yield

    def _judge(self, variables: Mapping[str, Any] | None) -> list[GraphQLError]:
        running = self.execution_context
        documents = Documents(running.schema._schema)
        try:
            document = documents.read(running.query or "", known=True)
            cost = document.operation(running.operation_name).cost(variables)
        except GraphQLError as error:
            return [error]
        return document.validate() if cost <= MAX_COST else [too_dear(cost)]
