"""The description of the API: valid, fresh, and of every route there is."""

import json
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from openapi_spec_validator import validate

from rest_compat import about, export, glossary
from rest_compat.dialects import routes as all_routes
from rest_compat.openapi import PATH
from rest_compat.operation import Unmatched
from tests.rest_compat.described import DESCRIPTION

pytestmark = pytest.mark.anyio


async def test_the_description_is_valid_and_served_without_a_key(client: httpx2.AsyncClient) -> None:
    validate(DESCRIPTION)
    async with httpx2.AsyncClient(base_url=client.base_url) as anybody:
        assert (await anybody.get("/v1/openapi.json")).json() == DESCRIPTION


def test_every_route_is_described() -> None:
    described = {(method.upper(), path) for path, operations in DESCRIPTION["paths"].items() for method in operations}
    routes = [route for route in all_routes() if not isinstance(route, Unmatched)]
    there_are = {
        (method, route.path_format)  # type: ignore[attr-defined]
        for route in routes
        for method in route.methods  # type: ignore[attr-defined]
        if method != "HEAD"
    }
    assert described == there_are


def undescribed() -> Iterator[str]:
    """Yield the name of everything that the description shows and does not explain."""
    for path, operations in DESCRIPTION["paths"].items():
        for method, operation in operations.items():
            if not (operation["summary"] and operation["description"] and operation["tags"]):
                yield f"{method} {path}"
            yield from (f"{path}.{one['name']}" for one in operation.get("parameters", []) if not one["description"])
            for content in operation.get("requestBody", {}).get("content", {}).values():
                yield from unexplained(path, content["schema"])
    for name, model in DESCRIPTION["components"]["schemas"].items():
        if not model["description"]:
            yield name
        yield from unexplained(name, model)


def unexplained(name: str, model: dict[str, Any]) -> Iterator[str]:
    for part in (model, *model.get("anyOf", ())):
        yield from (f"{name}.{field}" for field, schema in part.get("properties", {}).items() if not schema.get("description"))


def test_every_operation_field_and_parameter_is_described() -> None:
    missing = sorted(set(undescribed()))
    assert not missing, "\n".join(["describe these where they are defined, or in rest_compat/glossary.py:", *missing])


def test_the_glossary_holds_nothing_that_is_not_used() -> None:
    shown = PATH.read_text()
    words = [*glossary.WORDS.values(), *glossary.OWN.values()]
    assert [text for text in words if json.dumps(text, ensure_ascii=False) not in shown] == []


def test_a_stale_description_is_found(
    tmp_path: object, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert export.main(["--check"]) == 0
    monkeypatch.setattr(about, "ABOUT", "Something new.")
    assert export.main(["--check"]) == 1
    assert capsys.readouterr().err == "openapi.json is stale: run `python -m rest_compat.export`.\n"
