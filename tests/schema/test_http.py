"""GraphQL over HTTP: what is taken, what is refused, and what a stranger learns."""

from collections.abc import AsyncIterator

import pytest
from graphql import get_introspection_query

from schema.app import PATH
from schema.http import JSON, RESPONSE_JSON, media_type
from schema.limits import MAX_BODY_BYTES
from tests.conftest import Server
from tests.schema.conftest import Api, NewRun

pytestmark = pytest.mark.anyio

SLUG = "{ viewer { account { slug } } }"


async def test_an_operation_is_answered(api: Api) -> None:
    response = await api.post({"query": SLUG})
    assert response.status_code == 200
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["content-type"] == "application/json"
    answer = response.json()
    assert answer.pop("extensions")["cost"]["requested"] == 1
    assert answer == {"data": {"viewer": {"account": {"slug": "tenant"}}}}


async def test_a_stranger_gets_no_data(api: Api, new_run: NewRun) -> None:
    run = await new_run()
    query = f'{{ viewer {{ account {{ slug }} }} node(id: "{run.id}") {{ id }} job(id: "{run.id}") {{ id }} }}'
    cancel = f'mutation {{ cancelTrainingJob(input: {{id: "{run.id}"}}) {{ job {{ id }} }} }}'
    async with api.server.client() as client:
        client.headers.pop("authorization")
        refusals = [
            await client.post(PATH, json={"query": text}, headers=headers)
            for text in (query, cancel)
            for headers in ({}, {"Authorization": "Bearer vk_nothing"}, {"Authorization": "Basic dTpw"})
        ]
    for refused in refusals:
        assert refused.status_code == 401
        assert refused.headers["www-authenticate"] == "Bearer"
        assert "data" not in refused.json()
        assert {error["extensions"]["code"] for error in refused.json()["errors"]} == {"UNAUTHENTICATED"}
    assert (await api.data("query($id: ID!) { job(id: $id) { status } }", id=run.id))["job"]["status"] == "QUEUED"


async def test_a_stranger_may_read_the_schema(server: Server) -> None:
    async with server.client() as client:
        client.headers.pop("authorization")
        response = await client.post(PATH, json={"query": get_introspection_query()})
    assert response.status_code == 200
    assert response.json()["data"]["__schema"]["queryType"]["name"] == "Query"


async def test_only_json_is_taken(api: Api) -> None:
    async with api.server.client(api.tenant) as client:
        for media in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "application/jsonp", ""):
            response = await client.post(PATH, content=b'{"query": "{ __typename }"}', headers={"content-type": media})
            assert response.status_code == 415, media
            assert response.json()["errors"][0]["extensions"] == {"code": "BAD_REQUEST"}


async def test_a_query_may_come_by_get_with_a_key(api: Api) -> None:
    query = "query($first: Int!) { jobs(first: $first) { nodes { id } } }"
    async with api.server.client(api.tenant) as client:
        asked = {"query": query, "variables": '{"first": 1}', "extensions": ""}
        response = await client.get(PATH, params=asked)
        wrong = [await client.get(PATH, params={"query": query, "variables": text}) for text in ('{"first": "many"}', "[]", "{")]
    assert (response.status_code, response.json()["data"]) == (200, {"jobs": {"nodes": []}})
    assert [found.status_code for found in wrong] == [200, 400, 400]
    assert all("data" not in found.json() or found.json()["data"] is None for found in wrong)


async def test_get_without_a_key_in_a_header_runs_nothing(server: Server) -> None:
    async with server.client() as client:
        client.headers.pop("authorization")
        response = await client.get(PATH, params={"query": "{ __typename }"}, headers={"cookie": "session=1"})
    assert response.status_code == 401
    assert "data" not in response.json()


async def test_get_never_writes(api: Api) -> None:
    query = 'mutation { createApiKey(input: {name: "by-get"}) { secret } }'
    async with api.server.client(api.tenant) as client:
        response = await client.get(PATH, params={"query": query})
        other = await client.put(PATH, json={"query": SLUG})
    assert (response.status_code, response.headers["allow"]) == (405, "POST")
    assert response.json()["errors"][0]["extensions"] == {"code": "BAD_REQUEST"}
    assert other.status_code == 405
    assert [key["name"] for key in (await api.data("{ apiKeys { nodes { name } } }"))["apiKeys"]["nodes"]] == ["default"]


@pytest.mark.parametrize(
    ("accept", "media"),
    [
        ("", JSON),
        ("*/*", JSON),
        ("text/plain", JSON),
        ("application/json", JSON),
        ("application/graphql-response+json", RESPONSE_JSON),
        ("Application/GraphQL-Response+JSON; charset=utf-8", RESPONSE_JSON),
        ("application/graphql-response+json, application/json;q=0.9", RESPONSE_JSON),
        ("application/json, application/graphql-response+json;q=0.5", JSON),
        ("application/graphql-response+json, */*;q=0.1", RESPONSE_JSON),
        ("application/graphql-response+json;q=nonsense", JSON),
        ("application/graphql-response+json;q=0", JSON),
    ],
)
def test_the_media_type_is_the_one_that_is_preferred(accept: str, media: str) -> None:
    assert media_type(accept) == media


async def test_the_status_tells_of_refusals_where_the_media_type_is_graphqls_own(api: Api) -> None:
    new = {"accept": RESPONSE_JSON}
    cases = (
        ({"query": "{"}, 400),
        ({"query": "{ nothing }"}, 400),
        ({"query": "query A { __typename } query B { __typename }"}, 400),
        ({"query": "query($first: Int!) { jobs(first: $first) { nodes { id } } }", "variables": {"first": "x"}}, 400),
        ({"query": "{ jobs(first: 0) { nodes { id } } }"}, 200),
        ({"query": "{ __typename }"}, 200),
    )
    for body, status in cases:
        answers = [await api.post(body, headers=headers) for headers in (new, {})]
        assert [answer.status_code for answer in answers] == [status, 200], body
        assert [answer.headers["content-type"] for answer in answers] == [RESPONSE_JSON, JSON]


@pytest.mark.parametrize("announced", [True, False])
async def test_a_large_body_is_refused(api: Api, announced: bool) -> None:
    body = b'{"query": "' + b" " * MAX_BODY_BYTES + b'{ __typename }"}'

    async def pieces() -> AsyncIterator[bytes]:
        yield body[:50_000]
        yield body[50_000:]

    async with api.server.client(api.tenant) as client:
        content = body if announced else pieces()
        response = await client.post(PATH, content=content, headers={"content-type": "application/json"})
    assert response.status_code == 413


MALFORMED = (
    b"{",
    b"[]",
    b"3",
    b'"text"',
    b'[{"query": "{ __typename }"}]',
    b"{}",
    b'{"query": 3}',
    b'{"query": "{ __typename }", "variables": []}',
    b'{"query": "\xff"}',
    b"[" * 50_000,
)


async def test_a_malformed_request_is_refused_with_json(api: Api) -> None:
    async with api.server.client(api.tenant) as client:
        for body in MALFORMED:
            response = await client.post(PATH, content=body, headers={"content-type": "application/json"})
            assert response.status_code == 400, body
            assert response.json()["errors"][0]["extensions"] == {"code": "BAD_REQUEST"}


async def test_subscriptions_are_not_run_over_http(api: Api) -> None:
    response = await api.post({"query": 'subscription { jobLogs(jobId: "job_x") { __typename } }'})
    assert response.status_code == 400
    assert response.json()["errors"][0]["message"] == "Subscriptions go over a websocket, by graphql-transport-ws."


async def test_a_query_that_is_not_one_says_so(api: Api) -> None:
    for query in ("{ viewer {", "{ nothing }", "query($first: Int!) { jobs(first: $first) { nodes { id } } }"):
        (error,) = (await api(query))["errors"]
        assert error["extensions"] == {"code": "BAD_REQUEST"}, query


async def test_what_goes_wrong_here_is_hidden_behind_the_request_id(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*args: object, **options: object) -> None:
        raise RuntimeError("the password is hunter2")

    monkeypatch.setattr("resolvers.jobs.page", broken)
    response = await api.post({"query": "{ jobs { nodes { id } } }"})
    request_id = response.headers["x-request-id"]
    answer = response.json()
    del answer["extensions"]
    assert answer == {
        "data": None,
        "errors": [
            {
                "message": f"Something went wrong here. The request id is {request_id}.",
                "locations": [{"line": 1, "column": 3}],
                "path": ["jobs"],
                "extensions": {"code": "INTERNAL", "requestId": request_id},
            }
        ],
    }
    create = 'mutation { createDeployment(input: {model: "m", name: "n", hardware: {type: "CPU"}}) { errors { message } } }'
    monkeypatch.setattr("resolvers.deployments.create", broken)
    assert "hunter2" not in str(await api(create))


async def test_the_explorer_is_served_from_here(server: Server) -> None:
    async with server.client() as client:
        client.headers.pop("authorization")
        page = await client.get(PATH, headers={"accept": "text/html"})
        assert page.status_code == 200
        assert "script-src 'self'" in page.headers["content-security-policy"]
        assert "http" not in page.text.replace("http-equiv", "")
        assets = [part.split('"')[0] for part in page.text.split(f'="{PATH}/assets/')[1:]]
        assert len(assets) == 7
        for name in assets:
            found = await client.get(f"{PATH}/assets/{name}")
            assert found.status_code == 200, name
            assert found.headers["content-type"].startswith("text/css" if name.endswith(".css") else "text/javascript")
        for name in ("__init__.py", "vendor.sh", "..%2Fapp.py"):
            assert (await client.get(f"{PATH}/assets/{name}")).status_code == 404
