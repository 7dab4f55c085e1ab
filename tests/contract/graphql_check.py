"""Loaded by Schemathesis: what a GraphQL answer must never be. Refusals are answers; our own faults are not."""

from typing import Any

import graphql
import schemathesis
from hypothesis import strategies
from schemathesis.graphql import nodes

FAULTS = {"INTERNAL"}
NUMBERS = strategies.decimals(-10, 10**12, allow_nan=False, places=7).map(str)
OBJECTS = strategies.dictionaries(
    strategies.from_regex(r"\A[a-z]{1,8}\Z"), strategies.floats(allow_nan=False, allow_infinity=False)
)


def _object(value: dict[str, float]) -> graphql.ObjectValueNode:
    fields = [
        graphql.ObjectFieldNode(name=graphql.NameNode(value=key), value=nodes.Float(number)) for key, number in value.items()
    ]
    return graphql.ObjectValueNode(fields=tuple(fields))


schemathesis.graphql.scalar("Decimal", NUMBERS.map(nodes.String))
schemathesis.graphql.scalar("JSON", OBJECTS.map(_object))


@schemathesis.check
def no_fault(ctx: Any, response: Any, case: Any) -> None:
    assert response.status_code < 500, response.text
    said = response.json()
    codes = {error.get("extensions", {}).get("code") for error in said.get("errors", [])}
    assert not codes & FAULTS, response.text
