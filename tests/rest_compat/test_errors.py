"""Errors that belong to no noun: routes, methods, bodies, limits, and our own faults."""

import errno
from typing import Any

import httpx2
import pytest
from sqlalchemy.exc import OperationalError

from burnish.kit.errors import RateLimited, Unavailable
from tests.conftest import Server
from tests.rest_compat import things

pytestmark = pytest.mark.anyio


def error(answer: httpx2.Response) -> dict[str, Any]:
    found: dict[str, Any] = answer.json()["error"]
    return found


async def test_an_unknown_route_is_404_in_the_usual_body(client: httpx2.AsyncClient) -> None:
    for method, path in (("GET", "/v1/nothing"), ("POST", "/v1"), ("GET", "/v1/datasets/"), ("GET", "/v1/training_jobs/a/b")):
        answer = await client.request(method, path)
        assert answer.status_code == 404
        assert error(answer) == {
            "type": "not_found_error",
            "code": "route_not_found",
            "message": f"No such route: {method} {path}",
            "param": None,
        }


async def test_a_wrong_method_is_405_with_those_that_there_are(client: httpx2.AsyncClient) -> None:
    for method, path, allowed in (
        ("DELETE", "/v1/datasets", "GET, HEAD, POST"),
        ("PUT", "/v1/training_jobs/x", "DELETE, GET, HEAD"),
        ("GET", "/v1/training_jobs/x/cancel", "POST"),
        ("GET", "/v1/chat/completions", "POST"),
        ("POST", "/v1/models", "GET, HEAD"),
    ):
        answer = await client.request(method, path)
        assert (answer.status_code, answer.headers["allow"]) == (405, allowed)
        assert (error(answer)["type"], error(answer)["code"]) == ("invalid_request_error", "method_not_allowed")


async def test_a_path_beside_the_api_is_not_answered_by_it(client: httpx2.AsyncClient) -> None:
    answer = await client.get("/v12/nothing")
    assert (answer.status_code, answer.json()["error"]["message"]) == (404, "Not found")


async def test_a_body_that_is_no_json_object_is_422(client: httpx2.AsyncClient, server: Server) -> None:
    json = {"content-type": "application/json"}
    bodies: list[tuple[bytes, dict[str, str], str, str]] = [
        (b"", json, "body", "The body is empty; it must be a JSON object."),
        (b"[1]", json, "body", "The body must be a JSON object."),
        (b"{", json, "body", "The body is not JSON: "),
        (b'{"name": NaN}', json, "body", "The body is not JSON: "),
        (b'{"name": "\xff"}', json, "body", "The body is not JSON: "),
        (b'{"name": "\\ud800"}', json, "body", "The body is not JSON: "),
        (b"[" * 100_000, json, "body", "The body is not JSON: "),
        (b"name=a", {"content-type": "application/x-www-form-urlencoded"}, "Content-Type", "The body is JSON: send it as "),
    ]
    before = await things.everything(server)
    for content, headers, param, message in bodies:
        answer = await client.post("/v1/api_keys", content=content, headers=headers)
        assert (answer.status_code, error(answer)["code"], error(answer)["param"]) == (422, "schema_validation", param)
        assert error(answer)["message"].startswith(message)
    assert await things.everything(server) == before


async def test_json_may_come_without_a_content_type_and_with_a_charset(client: httpx2.AsyncClient) -> None:
    for headers in ({}, {"content-type": "application/json; charset=utf-8"}, {"content-type": "application/vnd.api+json"}):
        answer = await client.post("/v1/api_keys", content=b'{"name": "a"}', headers=headers)
        assert answer.status_code == 201


async def test_a_body_past_the_limit_is_413(client: httpx2.AsyncClient, server: Server) -> None:
    server.platform.core.settings.max_body_bytes = 1000
    for path in ("/v1/api_keys", "/v1/training_jobs", "/v1/chat/completions"):
        answer = await client.post(path, json={"name": "a" * 1000})
        assert (answer.status_code, error(answer)["code"]) == (413, "payload_too_large")
        assert error(answer)["message"] == "A request body has at most 1000 bytes."


@pytest.mark.parametrize(
    ("path", "kind"), [("/v1/datasets", "api_error"), ("/v1/models", "server_error")], ids=["veri", "openai"]
)
async def test_our_own_fault_is_masked_and_found_by_its_request_id(
    client: httpx2.AsyncClient,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    path: str,
    kind: str,
) -> None:
    async def broken(*args: object, **options: object) -> None:
        raise RuntimeError("the password is hunter2")

    monkeypatch.setattr("resolvers.datasets.page", broken)
    monkeypatch.setattr("resolvers.deployments.serving", broken)
    answer = await client.get(path, headers={"x-request-id": "my-own-id"})
    assert answer.status_code == 500
    assert answer.headers["x-request-id"] == "my-own-id"
    assert error(answer) == {
        "type": kind,
        "code": None,
        "message": "Something went wrong on our side. Request id: my-own-id",
        "param": None,
    }
    logged = "".join(capsys.readouterr())
    assert "my-own-id" in logged
    assert "hunter2" in logged


@pytest.mark.parametrize(
    "cause",
    [OperationalError("select", {}, Exception("gone")), ConnectionRefusedError("gone"), OSError(errno.ENOSPC, "full")],
    ids=["database", "connection", "disk"],
)
async def test_what_will_pass_is_503_with_the_time_to_wait(
    client: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch, cause: Exception
) -> None:
    async def broken(*args: object, **options: object) -> None:
        raise cause

    monkeypatch.setattr("resolvers.datasets.page", broken)
    answer = await client.get("/v1/datasets")
    assert (answer.status_code, error(answer)["type"], error(answer)["code"]) == (503, "api_error", "upstream_unavailable")
    assert int(answer.headers["retry-after"]) > 0
    assert "gone" not in answer.text


@pytest.mark.parametrize(
    ("path", "raised", "status", "kind", "code"),
    [
        ("/v1/datasets", RateLimited("Slow down.", retry_after_s=7), 429, "rate_limit_error", "RATE_LIMITED"),
        ("/v1/datasets", RateLimited("x", retry_after_s=7, code="CONCURRENT_JOB_LIMIT"), 429, "rate_limit_error", None),
        ("/v1/models", RateLimited("Slow down.", retry_after_s=7), 429, "rate_limit_exceeded", "rate_limit_exceeded"),
        ("/v1/datasets", Unavailable("x", retry_after_s=7, code="deployment_waking"), 503, "api_error", "deployment_waking"),
        ("/v1/models", Unavailable("x", retry_after_s=7), 503, "server_error", "upstream_unavailable"),
    ],
)
async def test_who_should_wait_is_told_how_long(
    client: httpx2.AsyncClient,
    monkeypatch: pytest.MonkeyPatch,
    path: str,
    raised: RateLimited | Unavailable,
    status: int,
    kind: str,
    code: str | None,
) -> None:
    async def refuses(*args: object, **options: object) -> None:
        raise raised

    monkeypatch.setattr("resolvers.datasets.page", refuses)
    monkeypatch.setattr("resolvers.deployments.serving", refuses)
    async with httpx2.AsyncClient(base_url=client.base_url, headers=client.headers) as plain:
        answer = await plain.get(path)
    assert (answer.status_code, answer.headers["retry-after"]) == (status, "7")
    assert (error(answer)["type"], error(answer)["code"]) == (kind, code or raised.code)


async def test_every_answer_carries_a_request_id(client: httpx2.AsyncClient) -> None:
    for path in ("/v1/datasets", "/v1/nothing", "/v1/datasets/ds_unknown"):
        assert (await client.get(path)).headers["x-request-id"].startswith("req_")
