"""Every field of the roots, with a key of each scope alone: what it may do, and that it changes nothing of what it may not."""

from typing import Any

import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLScalarType,
    build_schema,
    get_named_type,
    is_leaf_type,
    is_required_argument,
    is_required_input_field,
)

from schema import export
from tests.conftest import Server, Tenant
from tests.rest_compat import things
from tests.schema.conftest import Api, Sockets

pytestmark = pytest.mark.anyio
SCHEMA = build_schema(export.text())
PLAIN = {"ID": "job_unknown", "String": "x", "Int": 1, "Float": 1.0, "Boolean": True, "Decimal": "1", "BigInt": 1, "JSON": {}}
PLAIN |= {"DateTime": "2026-01-31T09:00:00Z", "Cursor": "eDp5"}
# What any key may ask.
ANY = ("rateLimit",)
# Mutations that change nothing: they need `read`.
READING = ("planTrainingJob",)
# Mutations that need no scope, and what they say to a key that asks with nothing to go by.
SCOPELESS = {"signIn": "FieldError", "signOut": "InvalidStateError"}


def value(kind: Any) -> Any:
    """Return something of a type, with what it needs and no more."""
    if isinstance(kind, GraphQLNonNull):
        return value(kind.of_type)
    if isinstance(kind, GraphQLList):
        return [value(kind.of_type)]
    if isinstance(kind, GraphQLEnumType):
        return next(iter(kind.values))
    if isinstance(kind, GraphQLScalarType):
        return PLAIN[kind.name]
    assert isinstance(kind, GraphQLInputObjectType)
    if kind.is_one_of:
        name, field = next(iter(kind.fields.items()))
        return {name: value(field.type)}
    return {name: value(field.type) for name, field in kind.fields.items() if is_required_input_field(field)}


def operation(root: str, name: str, field: GraphQLField) -> dict[str, Any]:
    """Return the payload of an operation that asks for one field, with the arguments that it needs."""
    wanted = {argument: found for argument, found in field.args.items() if is_required_argument(found)}
    declared = ", ".join(f"${argument}: {found.type}" for argument, found in wanted.items())
    given = ", ".join(f"{argument}: ${argument}" for argument in wanted)
    inside = "errors { __typename }" if root == "mutation" else "__typename"
    selection = "" if is_leaf_type(get_named_type(field.type)) else f"{{ {inside} }}"
    head = f"{root}({declared})" if declared else root
    query = f"{head} {{ {name}{f'({given})' if given else ''} {selection} }}"
    return {"query": query, "variables": {argument: value(found.type) for argument, found in wanted.items()}}


def fields(root: str) -> dict[str, dict[str, Any]]:
    kind = {"query": SCHEMA.query_type, "mutation": SCHEMA.mutation_type, "subscription": SCHEMA.subscription_type}[root]
    assert kind is not None
    return {name: operation(root, name, field) for name, field in kind.fields.items()}


async def with_only(api: Api, scope: str) -> Api:
    answer = await api.data(
        "mutation($input: ApiKeyInput!) { createApiKey(input: $input) { secret } }", input={"name": scope, "scopes": [scope]}
    )
    return Api(api.server, Tenant(api.tenant.account, answer["createApiKey"]["secret"]))


@pytest.mark.parametrize("scope", ["read", "inference"])
async def test_a_key_that_may_not_write_changes_nothing(api: Api, server: Server, scope: str) -> None:
    other = await with_only(api, scope)
    before = await things.everything(server)
    for name, payload in fields("mutation").items():
        if name in READING and scope == "read":
            continue
        answer = (await other.post(payload)).json()
        error = {"__typename": SCOPELESS.get(name, "ForbiddenError")}
        assert answer == {"data": {name: {"errors": [error]}}, "extensions": answer["extensions"]}
    assert await things.everything(server) == before


@pytest.mark.parametrize("scope", ["write", "inference"])
async def test_a_key_that_may_not_read_reads_nothing(api: Api, server: Server, scope: str) -> None:
    other = await with_only(api, scope)
    for name, payload in fields("query").items():
        answer = (await other.post(payload)).json()
        if name in ANY:
            assert "errors" not in answer
            continue
        assert [error["extensions"]["code"] for error in answer.get("errors", [])] == ["FORBIDDEN"], name
        assert not any((answer["data"] or {}).values()), name


@pytest.mark.parametrize("scope", ["write", "inference"])
async def test_a_key_that_may_not_read_follows_nothing(api: Api, sockets: Sockets, scope: str) -> None:
    other = await with_only(api, scope)
    async with sockets(other.tenant) as live:
        for name, payload in fields("subscription").items():
            message = await (await live.ask(payload)).next()
            found = message["payload"] if message["type"] == "error" else message["payload"]["errors"]
            assert [error["extensions"]["code"] for error in found] == ["FORBIDDEN"], name
