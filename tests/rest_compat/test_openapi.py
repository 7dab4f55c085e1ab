"""The description of the API: valid, fresh, and of every route there is."""

import httpx2
import pytest
from openapi_spec_validator import validate

from rest_compat import export, openapi
from rest_compat.openai.routes import routes as openai_routes
from rest_compat.operation import Unmatched
from rest_compat.veri.routes import routes as veri_routes
from tests.rest_compat.described import DESCRIPTION

pytestmark = pytest.mark.anyio


async def test_the_description_is_valid_and_served_without_a_key(client: httpx2.AsyncClient) -> None:
    validate(DESCRIPTION)
    async with httpx2.AsyncClient(base_url=client.base_url) as anybody:
        assert (await anybody.get("/v1/openapi.json")).json() == DESCRIPTION


def test_every_route_is_described() -> None:
    described = {(method.upper(), path) for path, operations in DESCRIPTION["paths"].items() for method in operations}
    routes = [route for route in (*veri_routes(), *openai_routes()) if not isinstance(route, Unmatched)]
    there_are = {
        (method, route.path_format)  # type: ignore[attr-defined]
        for route in routes
        for method in route.methods  # type: ignore[attr-defined]
        if method != "HEAD"
    }
    assert described == there_are


def test_every_operation_says_what_it_does() -> None:
    for operations in DESCRIPTION["paths"].values():
        for operation in operations.values():
            assert operation["summary"][0].isupper()
            assert operation["responses"]


def test_a_stale_description_is_found(
    tmp_path: object, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert export.main(["--check"]) == 0
    monkeypatch.setattr(openapi, "ABOUT", "Something new.")
    assert export.main(["--check"]) == 1
    assert capsys.readouterr().err == "openapi.json is stale: run `python -m rest_compat.export`.\n"
