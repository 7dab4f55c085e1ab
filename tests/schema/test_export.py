"""The schema's description: committed as it is, and complete."""

import re
from pathlib import Path

import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    build_schema,
    find_breaking_changes,
)

from schema import export

DATE = re.compile(r"\b\d{4}-\d{2}-\d{2}\b")


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


def test_a_change_that_breaks_clients_of_the_last_release_fails_unless_it_is_allowed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    promised = export.text().replace("type Query {", "type Query {\n  gone(id: ID!): Job\n") + "type Job { id: ID! }\n"
    monkeypatch.setattr(export, "RELEASED", tmp_path / "released.graphql")
    export.RELEASED.write_text(promised)
    assert export.main(["--check"]) == 1
    assert "is broken: Field Query.gone was removed." in capsys.readouterr().err
    reasons = {"Field Query.gone was removed.": "nobody asked for it", "Job was removed.": "nobody asked for it"}
    monkeypatch.setattr(export, "ALLOWED", reasons)
    assert export.main(["--check"]) == 0


def test_a_change_that_may_surprise_clients_is_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(export, "RELEASED", tmp_path / "released.graphql")
    value = '  """What happens."""\n  INFO\n\n'
    assert export.text().count(value) == 1
    export.RELEASED.write_text(export.text().replace(value, ""))
    assert export.main(["--check"]) == 0
    assert capsys.readouterr().out == "since the last release, with care: Enum value LogLevel.INFO was added.\n"


def test_a_release_makes_the_schema_the_promise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "TARGET", tmp_path / "schema.graphql")
    monkeypatch.setattr(export, "RELEASED", tmp_path / "released.graphql")
    assert export.main(["--release"]) == 0
    assert export.RELEASED.read_text() == export.TARGET.read_text() == export.text()
    assert export.breaking() == export.dangerous() == []


def test_every_allowed_break_is_one() -> None:
    found = {change.description for change in find_breaking_changes(*export._both())}
    assert set(export.ALLOWED) <= found


def test_every_deprecation_has_a_date() -> None:
    types = build_schema(export.text()).type_map
    undated = [path for found in types.values() for path, reason in _deprecated(found) if not DATE.search(reason)]
    assert undated == []


def test_deprecations_are_found_wherever_they_are() -> None:
    text = """type Query { a(b: Int @deprecated(reason: "2026-01-31: c")): Int @deprecated(reason: "no date") }
    enum E { V @deprecated(reason: "x") } input I { f: Int @deprecated(reason: "y") }"""
    found = [pair for item in build_schema(text).type_map.values() for pair in _deprecated(item)]
    assert found == [("Query.a", "no date"), ("Query.a(b)", "2026-01-31: c"), ("E.V", "x"), ("I.f", "y")]


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


def _deprecated(found: GraphQLNamedType) -> list[tuple[str, str]]:
    """Return (path, reason) of what of a type is deprecated."""
    parts: list[tuple[str, str | None]] = []
    if isinstance(found, GraphQLEnumType):
        parts += [(f"{found.name}.{name}", value.deprecation_reason) for name, value in found.values.items()]
    if isinstance(found, (GraphQLObjectType, GraphQLInterfaceType, GraphQLInputObjectType)):
        for name, field in found.fields.items():
            parts.append((f"{found.name}.{name}", field.deprecation_reason))
            arguments = getattr(field, "args", {})
            parts += [(f"{found.name}.{name}({argument})", item.deprecation_reason) for argument, item in arguments.items()]
    return [(path, reason) for path, reason in parts if reason is not None]


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
