"""Each key has its minute, in operations and in points; what goes beyond is told when to come back."""

import asyncio
import json

import httpx2
import pytest

from tests.conftest import Server
from tests.schema.conftest import Api, Sockets

pytestmark = pytest.mark.anyio
FIVE_POINTS = "{ jobs { nodes { id } } }"


@pytest.fixture
def limit(server: Server, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Sets limits of the running server; a minute that does not pass."""
    monkeypatch.setattr(server.platform.core.limiter, "_clock", lambda: 1000.0)
    return monkeypatch


def refusal(response: httpx2.Response, seconds: int) -> None:
    assert response.status_code == 429
    assert response.headers["retry-after"] == str(seconds)
    (error,) = response.json()["errors"]
    assert error["extensions"] == {"code": "RATE_LIMITED", "retryAfterSeconds": seconds}
    assert "data" not in response.json()


async def test_operations_have_a_limit(api: Api, limit: pytest.MonkeyPatch) -> None:
    limit.setattr(api.server.platform.core.settings, "requests_per_minute", 3)
    for _ in range(3):
        assert "errors" not in await api("{ __typename }")
    refusal(await api.post({"query": "{ __typename }"}), 20)
    refusal(await api.post({"query": "{ nothing"}), 20)


async def test_points_have_a_limit_and_what_is_refused_does_not_run(api: Api, limit: pytest.MonkeyPatch) -> None:
    limit.setattr(api.server.platform.core.settings, "points_per_minute", 12)
    remaining = [(await api(FIVE_POINTS))["extensions"]["cost"]["remaining"] for _ in range(2)]
    assert remaining == [7, 2]

    async def never(*args: object, **options: object) -> None:
        raise AssertionError("it ran")

    limit.setattr("resolvers.jobs.page", never)
    refusal(await api.post({"query": FIVE_POINTS}), 15)
    limit.undo()


async def test_another_key_has_a_limit_of_its_own(api: Api, limit: pytest.MonkeyPatch) -> None:
    limit.setattr(api.server.platform.core.settings, "requests_per_minute", 1)
    other = Api(api.server, await api.server.new_tenant("other"))
    assert "errors" not in await api("{ __typename }")
    assert "errors" not in await other("{ __typename }")
    refusal(await api.post({"query": "{ __typename }"}), 60)


async def test_strangers_have_a_tenth_by_address(api: Api, limit: pytest.MonkeyPatch) -> None:
    limit.setattr(api.server.platform.core.settings, "requests_per_minute", 20)
    async with api.server.client() as client:
        client.headers.pop("authorization")
        answers = [await client.post("/graphql", json={"query": "{ __typename }"}) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert "errors" not in await api("{ __typename }")


async def test_a_refused_document_is_charged_for_its_reading(api: Api, limit: pytest.MonkeyPatch) -> None:
    limit.setattr(api.server.platform.core.settings, "points_per_minute", 30)
    bad = "{ viewer { nothing } }".ljust(800)
    assert (await api(bad))["errors"]
    assert (await api("{ __typename }"))["extensions"]["cost"]["remaining"] == 9
    assert (await api(bad))["errors"]
    refusal(await api.post({"query": "{ __typename }"}), 22)


async def test_the_limit_can_be_asked_for(api: Api, limit: pytest.MonkeyPatch) -> None:
    limit.setattr(api.server.platform.core.settings, "points_per_minute", 60)
    await api(FIVE_POINTS)
    answer = await api("{ rateLimit { limit cost remaining used resetAt } jobs { nodes { id } } }")
    told, cost = answer["data"]["rateLimit"], answer["extensions"]["cost"]
    assert told == {"limit": 60, "cost": 5, "remaining": 50, "used": 10, "resetAt": told["resetAt"]}
    assert cost == {"requested": 5, "maximum": 1000, "limit": 60, "remaining": 50, "resetAt": cost["resetAt"]}
    assert told["resetAt"].endswith("Z") and cost["resetAt"].endswith("Z")


async def test_no_limit_is_told_as_none(api: Api, limit: pytest.MonkeyPatch) -> None:
    for name in ("points_per_minute", "requests_per_minute"):
        limit.setattr(api.server.platform.core.settings, name, 0)
    answer = await api("{ rateLimit { limit } }")
    assert answer == {"data": {"rateLimit": None}, "extensions": {"cost": {"requested": 1, "maximum": 1000}}}


async def test_a_mutation_that_is_refused_writes_nothing(api: Api, limit: pytest.MonkeyPatch) -> None:
    limit.setattr(api.server.platform.core.settings, "points_per_minute", 12)
    create = 'mutation { createApiKey(input: {name: "x"}) { secret } }'
    assert (await api.data(create))["createApiKey"]["secret"]
    refusal(await api.post({"query": create}), 40)
    limit.setattr(api.server.platform.core.settings, "points_per_minute", 0)
    assert len((await api.data("{ apiKeys { nodes { name } } }"))["apiKeys"]["nodes"]) == 2


async def test_a_socket_is_told_the_same(server: Server, sockets: Sockets, limit: pytest.MonkeyPatch) -> None:
    limit.setattr(server.platform.core.settings, "requests_per_minute", 1)
    async with sockets() as live:
        first, second = await live.start("{ __typename }"), await live.start("{ __typename }")
        assert (await first.next())["payload"]["data"] == {"__typename": "Query"}
        message = await second.next()
    assert message["type"] == "error"
    assert message["payload"][0]["extensions"] == {"code": "RATE_LIMITED", "retryAfterSeconds": 60}


async def test_guesses_over_sockets_are_limited_too(server: Server, sockets: Sockets, limit: pytest.MonkeyPatch) -> None:
    limit.setattr(server.platform.core.settings, "requests_per_minute", 20)
    codes = []
    for number in range(4):
        async with sockets.raw() as socket:
            await socket.send(json.dumps({"type": "connection_init", "payload": {"apiKey": f"vk_guess{number}"}}))
            await asyncio.wait_for(socket.wait_closed(), 10)
            codes.append(socket.close_code)
    assert codes == [4403, 4403, 1013, 1013]
