"""The schema's description: committed as it is, and complete."""

from pathlib import Path

import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    build_schema,
)

from schema import export


def test_the_committed_schema_is_fresh() -> None:
    assert export.main(["--check"]) == 0


def test_a_stale_schema_is_told_and_rewritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(export, "TARGET", tmp_path / "schema.graphql")
    assert export.main(["--check"]) == 1
    assert "is stale: run python -m schema.export" in capsys.readouterr().err
    assert export.main([]) == 0
    assert export.main(["--check"]) == 0


def test_every_type_field_argument_and_value_is_described() -> None:
    types = build_schema(export.text()).type_map
    silent = [path for name, found in types.items() if not name.startswith("__") for path in _silent(found)]
    assert silent == []


def test_every_list_is_a_relay_connection_and_every_mutation_has_one_input_and_a_payload() -> None:
    types = build_schema(export.text()).type_map
    mutation = types["Mutation"]
    assert isinstance(mutation, GraphQLObjectType)
    for name, field in mutation.fields.items():
        assert list(field.args) == ["input"], name
        assert str(field.type).endswith("Payload!"), name
        payload = types[str(field.type).rstrip("!")]
        assert isinstance(payload, GraphQLObjectType)
        assert str(payload.fields["errors"].type) == "[UserError!]!"
        request = types[str(field.args["input"].type).rstrip("!")]
        assert isinstance(request, GraphQLInputObjectType)
        assert str(request.fields["idempotencyKey"].type) == "String"
    for name, found in types.items():
        if name.endswith("Connection"):
            assert isinstance(found, GraphQLObjectType)
            assert list(found.fields) == ["edges", "nodes", "pageInfo"]


def _silent(found: GraphQLNamedType) -> list[str]:
    """Return what of a type has no description."""
    parts = [] if found.description else [found.name]
    if isinstance(found, GraphQLEnumType):
        parts += [f"{found.name}.{name}" for name, value in found.values.items() if not value.description]
    if isinstance(found, (GraphQLObjectType, GraphQLInterfaceType, GraphQLInputObjectType)):
        for name, field in found.fields.items():
            parts += [] if field.description else [f"{found.name}.{name}"]
            arguments = getattr(field, "args", {})
            parts += [f"{found.name}.{name}({argument})" for argument, item in arguments.items() if not item.description]
    return parts
