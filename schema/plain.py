"""Fields without a resolver read an attribute, and nothing else happens on the way: most of what a list gives is such fields."""

from collections.abc import Callable
from typing import Any

from graphql import GraphQLInterfaceType, GraphQLObjectType, GraphQLSchema
from strawberry.schema.schema_converter import GraphQLCoreConverter


def read_plainly(schema: GraphQLSchema) -> None:
    """Have the fields that Strawberry resolves by its default read their attribute directly."""
    for found in schema.type_map.values():
        if isinstance(found, (GraphQLObjectType, GraphQLInterfaceType)):
            for field in found.fields.values():
                if getattr(field.resolve, "_is_default", False):
                    field.resolve = _reader(field.extensions[GraphQLCoreConverter.DEFINITION_BACKREF].python_name)


def _reader(name: str) -> Callable[[Any, Any], Any]:
    def read(source: Any, _info: Any) -> Any:
        return getattr(source, name)

    return read
