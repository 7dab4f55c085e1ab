"""GraphQL carries everything the platform does: a resolver, an input field or a REST route without its place there fails here."""

import inspect
import json
import pkgutil
import re
from collections.abc import Iterable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from graphql import GraphQLInputObjectType, GraphQLInterfaceType, GraphQLObjectType, build_schema

import resolvers
from resolvers.inputs import Input
from schema import export
from tests.schema.places import FIELDS, INPUTS, NOT_FIELDS, NOT_INPUTS, ROUTES, SAME_AS

SCHEMA = Path(export.__file__).parent
OPENAPI = SCHEMA.parent / "rest_compat" / "openapi.json"


def public_resolvers() -> Iterator[str]:
    """Yield what a module of the resolvers offers: coroutines, streams, and whatever takes a caller or the core."""
    for name in sorted(found.name for found in pkgutil.iter_modules(resolvers.__path__)):
        module = import_module(f"resolvers.{name}")
        for word, value in sorted(vars(module).items()):
            if not word.startswith("_") and _is_offered(value, module.__name__):
                yield f"{name}.{word}"


def _is_offered(value: Any, module: str) -> bool:
    if not inspect.ismethod(value) and not (inspect.isfunction(value) and value.__module__ == module):
        return False
    takes_caller = next(iter(inspect.signature(value).parameters), None) in ("ctx", "core")
    return takes_caller or inspect.iscoroutinefunction(value) or inspect.isasyncgenfunction(value)


def schema_fields() -> set[str]:
    """Return all `Type.field` of the schema."""
    types = build_schema(export.text()).type_map.values()
    kinds = (GraphQLObjectType, GraphQLInterfaceType, GraphQLInputObjectType)
    return {f"{found.name}.{field}" for found in types if isinstance(found, kinds) for field in found.fields}


def input_models(base: type[Input] = Input) -> Iterator[type[Input]]:
    for model in base.__subclasses__():
        if model.__module__.startswith("resolvers."):
            yield model
        yield from input_models(model)


def check_places(found: Iterable[str], *placed: Iterable[str]) -> None:
    """Assert that each of what was found has exactly one place, and that no place is of something that is gone."""
    places = [name for names in placed for name in names]
    assert sorted(found) == sorted(places)


def test_every_resolver_has_a_field() -> None:
    check_places(public_resolvers(), FIELDS, SAME_AS, NOT_FIELDS)


def test_a_new_resolver_fails_until_it_has_a_field(monkeypatch: pytest.MonkeyPatch) -> None:
    async def pause(ctx: Any, job_id: str) -> None: ...

    pause.__module__ = "resolvers.jobs"
    monkeypatch.setattr("resolvers.jobs.pause", pause, raising=False)
    assert "jobs.pause" in public_resolvers()
    with pytest.raises(AssertionError):
        test_every_resolver_has_a_field()


def test_the_fields_of_resolvers_are_there_and_call_them() -> None:
    sources = "\n".join(file.read_text() for file in SCHEMA.glob("*.py"))
    assert {field for fields in FIELDS.values() for field in fields} <= schema_fields()
    assert set(SAME_AS.values()) <= set(FIELDS)
    assert [name for name in FIELDS if not re.search(rf"\b{re.escape(name)}\b", sources)] == []


def test_every_field_of_an_input_can_be_given() -> None:
    models = {f"{model.__module__.removeprefix('resolvers.')}.{model.__name__}": model for model in input_models()}
    check_places(models, INPUTS, [name for name in NOT_INPUTS if name in models])
    there = schema_fields()
    missing = []
    for name, (input_name, renamed) in INPUTS.items():
        for field in models[name].model_fields:
            shown = f"{input_name}.{renamed.get(field, _camel(field))}"
            if shown not in there and f"{name}.{field}" not in NOT_INPUTS:
                missing.append(f"{name}.{field}")
    assert missing == []
    assert "HardwareInput.provider" in there


def test_every_rest_route_has_its_counterpart() -> None:
    paths = json.loads(OPENAPI.read_text())["paths"]
    check_places([f"{method.upper()} {path}" for path, methods in paths.items() for method in methods], ROUTES)
    named = {field for fields in ROUTES.values() if not isinstance(fields, str) for field in fields}
    assert named <= schema_fields()


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)
