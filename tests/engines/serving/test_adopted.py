"""A server that runs elsewhere becomes a deployment: auth, metering and logs in front, and it comes and goes by itself."""

import json
from pathlib import Path
from typing import Any

import httpx2
import pytest
from sqlmodel import select

from engines.serving import adopted, stats, upstream
from engines.serving.upstream import BadUrl
from models.deployment import Deployment, InferenceRequest
from models.replica import Replica
from resolvers import accounts, deployment_changes, deployments
from tests.conftest import Server, Tenant
from tests.engines.serving import hosting
from tests.engines.serving.conftest import Engine
from tests.engines.serving.hosting import hosted, serving, until
from tests.engines.serving.upstream import STREAM, Upstream, delta, event, role, usage
from tests.rest_compat import things

pytestmark = pytest.mark.anyio
KEY = "sk-canary-91b4-must-never-be-seen"
CHAT = "/v1/chat/completions"
HELLO = [{"role": "user", "content": "hello"}]
ANSWER = {
    "id": "chatcmpl-1",
    "model": "model",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}],
    "usage": usage(4, 2),
}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adopted, "LOOK_EVERY_S", 0.02)
    monkeypatch.setattr(stats, "EVERY_S", 0.05)


@pytest.fixture
async def operator(server: Server) -> Tenant:
    """The operator's account, without any credit."""
    return Tenant(*await accounts.create(server.platform.core, "operator", credit_micros=0, operator=True))


@pytest.fixture
def theirs(upstream: Upstream) -> Upstream:
    """A server that answers each question with `hi`."""
    upstream.answer = upstream.whole(ANSWER)
    return upstream


async def adopt(server: Server, operator: Tenant, url: str, **more: Any) -> httpx2.Response:
    async with server.client(operator) as client:
        return await client.post("/v1/deployments/adopt", json={"url": url, "name": "theirs", **more})


async def reached(server: Server, operator: Tenant, deployment_id: str, status: str) -> Deployment:
    ctx = await server.context(operator)

    async def look() -> Deployment | None:
        found = await deployments.get(ctx, deployment_id)
        return found if found.status == status else None

    found: Deployment = await until(look)
    return found


async def served(server: Server, operator: Tenant, url: str, **more: Any) -> str:
    """Adopt a server and wait until it serves; return the deployment's id."""
    answer = await adopt(server, operator, url, **more)
    assert answer.status_code == 201, answer.text
    deployment_id: str = answer.json()["id"]
    await reached(server, operator, deployment_id, "serving")
    return deployment_id


async def chat(server: Server, tenant: Tenant, **more: Any) -> httpx2.Response:
    async with server.client(tenant) as client:
        return await client.post(CHAT, json={"model": "theirs", "messages": HELLO, **more})


async def logged(server: Server, count: int) -> list[InferenceRequest]:
    async def look() -> list[InferenceRequest] | None:
        async with server.platform.db.read() as session:
            rows = list((await session.exec(select(InferenceRequest).order_by(InferenceRequest.id))).all())
        return rows if len(rows) >= count else None

    found: list[InferenceRequest] = await until(look)
    return found


async def replica_of(server: Server, deployment_id: str) -> Replica:
    async with server.platform.db.read() as session:
        return (await session.exec(select(Replica).where(Replica.deployment_id == deployment_id))).one()


async def test_a_server_is_adopted_asked_metered_and_let_go(server: Server, operator: Tenant, theirs: Upstream) -> None:
    theirs.key = KEY
    async with hosted(server):
        deployment_id = await served(server, operator, f"{theirs.url}/v1/", api_key=KEY)
        theirs.bodies.clear()
        whole = await chat(server, operator, temperature=0.5, custom={"passed": "on"})
        assert (whole.status_code, whole.json()) == (200, {**ANSWER, "model": "theirs"})
        theirs.answer = theirs.stream(STREAM)
        streamed = await chat(server, operator, stream=True)
        chunks = [json.loads(line[6:]) for line in streamed.text.splitlines() if line.startswith("data: {")]
        assert "".join(chunk["choices"][0]["delta"]["content"] for chunk in chunks) == "Hello"
        assert {chunk["model"] for chunk in chunks} == {"theirs"}
        assert theirs.bodies == [
            {"model": "model", "messages": HELLO, "temperature": 0.5, "custom": {"passed": "on"}},
            {"model": "model", "messages": HELLO, "stream": True, "stream_options": {"include_usage": True}},
        ]
        found = [(one.prompt_tokens, one.completion_tokens, one.status_code) for one in await logged(server, 2)]
        assert found == [(4, 2, 200), (4, 4, 200)]
        row = await replica_of(server, deployment_id)
        assert (row.status, row.url, row.served_name, row.engine, row.fail_reason) == (
            "running", theirs.url, "model", "external", None,
        )  # fmt: skip
        ctx = await server.context(operator)
        await deployments.stop(ctx, deployment_id)

        async def ended() -> bool:
            return (await replica_of(server, deployment_id)).ended_at is not None

        await until(ended)
    assert theirs.asked_for_metrics == 0
    stopped = await deployments.get(ctx, deployment_id)
    assert (stopped.status, stopped.cost_micros, stopped.provider, stopped.rate_micros_per_hour) == ("stopped", 0, "external", 0)
    assert (await chat(server, operator)).status_code == 404


async def test_it_is_unhealthy_while_it_does_not_answer_and_serves_again_by_itself(
    server: Server, operator: Tenant, theirs: Upstream
) -> None:
    async with hosted(server):
        deployment_id = await served(server, operator, theirs.url)
        theirs.answer, theirs.key = theirs.whole({"error": {"message": "broken"}}, 500), KEY
        await reached(server, operator, deployment_id, "unhealthy")
        row = await replica_of(server, deployment_id)
        assert (row.status, row.fail_reason) == ("warming", "it wants an API key (HTTP 401)")
        # It lists its models again, and that is not enough: it has to answer.
        theirs.key = None

        async def answers_wrongly() -> bool:
            return (await replica_of(server, deployment_id)).fail_reason == "it answers HTTP 500"

        await until(answers_wrongly)
        assert (await deployments.get(await server.context(operator), deployment_id)).status == "unhealthy"
        theirs.answer = theirs.whole(ANSWER)
        await reached(server, operator, deployment_id, "serving")
        assert (await chat(server, operator)).status_code == 200
    lines = [row.data["message"] for row in await deployments.rows(await server.context(operator), deployment_id, "logs")]
    assert lines[:3] == ["Status: queued", f"Status: provisioning, {theirs.url} is asked", "Status: serving"]
    assert "Status: unhealthy: it wants an API key (HTTP 401)" in lines


async def test_it_serves_on_while_it_has_no_host_and_pauses_and_resumes(
    server: Server, operator: Tenant, theirs: Upstream
) -> None:
    ctx = await server.context(operator)
    async with hosted(server):
        deployment_id = await served(server, operator, theirs.url)
    assert (await chat(server, operator)).status_code == 200
    async with hosted(server):

        async def taken_over() -> bool:
            return (await deployments.get(ctx, deployment_id)).attempt == 2

        await until(taken_over)
        await deployment_changes.pause(ctx, deployment_id)
        assert (await chat(server, operator)).status_code == 400

        async def none_left() -> bool:
            return (await replica_of(server, deployment_id)).ended_at is not None

        await until(none_left)
        await deployment_changes.resume(ctx, deployment_id)
        await reached(server, operator, deployment_id, "serving")
        assert (await chat(server, operator)).status_code == 200


async def test_its_key_is_seen_nowhere_also_where_the_server_refuses_it(
    server: Server, operator: Tenant, theirs: Upstream, caplog: pytest.LogCaptureFixture
) -> None:
    theirs.key = KEY
    told: list[str] = []
    async with hosted(server):
        deployment_id = await served(server, operator, theirs.url, api_key=KEY)
        theirs.key = "another"
        refused = await chat(server, operator)
        told.append(refused.text)
        assert refused.status_code == 502
        assert refused.json()["error"]["message"] == "The adopted server refuses the API key that it was adopted with."
        await reached(server, operator, deployment_id, "unhealthy")
    told.append((await adopt(server, operator, theirs.url, api_key=KEY)).text)
    ctx = await server.context(operator)
    told += [repr(await deployments.rows(ctx, deployment_id, kind)) for kind in ("logs", "events", "requests")]
    told.append(repr(await logged(server, 1)) + json.dumps(await things.everything(server)) + caplog.text)
    assert [text for text in told if KEY in text] == []


async def test_a_stream_that_tells_no_usage_counts_nothing(server: Server, operator: Tenant, theirs: Upstream) -> None:
    async with hosted(server):
        await served(server, operator, theirs.url)
        plain = [{key: value for key, value in chunk.items() if key != "usage"} for chunk in (role(), delta("hi", tokens=1))]
        theirs.answer = theirs.stream(*map(event, plain), event("[DONE]"))
        assert '"hi"' in (await chat(server, operator, stream=True)).text
        [one] = await logged(server, 1)
    assert (one.status_code, one.prompt_tokens, one.completion_tokens, one.streamed) == (200, 0, 0, True)
    assert one.ttft_ms is not None


async def test_only_the_operator_adopts(server: Server, theirs: Upstream) -> None:
    before = await things.everything(server)
    answer = await adopt(server, server.tenant, theirs.url)
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "operator_only")
    assert await things.everything(server) == before


@pytest.mark.parametrize(
    ("models", "asked", "param", "message"),
    [
        (["a", "b"], {}, "model", "{url} serves several models, say which one: a, b."),
        (["a", "b"], {"model": "c"}, "model", "{url} does not serve c; it serves a, b."),
        ([], {}, "model", "{url} lists no models: say which one it serves."),
        (["a"], {"url": "http://127.0.0.1:9"}, "url", "http://127.0.0.1:9: it cannot be reached (ConnectError)."),
        (["a"], {"url": "ftp://a"}, "url", "url: a server's URL begins with http:// or https:// and its name."),
        (["a"], {"url": "http://me:secret@a"}, "url", "url: a key is given beside the URL, not in it."),
    ],
)
async def test_a_server_that_cannot_be_adopted_leaves_nothing(
    server: Server, operator: Tenant, theirs: Upstream, models: list[str], asked: dict[str, str], param: str, message: str
) -> None:
    theirs.models = models
    before = await things.everything(server)
    answer = await adopt(server, operator, **{"url": theirs.url, **asked})
    error = answer.json()["error"]
    assert (answer.status_code, error["param"], error["message"]) == (400, param, message.format(url=theirs.url))
    assert await things.everything(server) == before


async def test_a_key_that_is_wanted_or_wrong_is_said_when_it_is_adopted(
    server: Server, operator: Tenant, theirs: Upstream
) -> None:
    theirs.key = KEY
    for more, what in (({}, "wants an API key"), ({"api_key": "wrong"}, "refuses the API key")):
        error = (await adopt(server, operator, theirs.url, **more)).json()["error"]
        assert (error["code"], error["param"]) == ("upstream_refused", "api_key")
        assert error["message"] == f"{theirs.url}: it {what} (HTTP 401)."


async def test_another_deployment_of_burnish_is_adopted_like_any_server(
    server: Server, operator: Tenant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tenant's deployment answers the operator's: both log the request, and the tenant's key is what it is asked with."""
    hosting.stand_in(monkeypatch)
    await hosting.add_model(server, tmp_path, "tiny")
    async with hosted(server):
        theirs = await serving(await server.context(), name="sums")
        ours = await served(server, operator, server.url, api_key=server.tenant.key, model="sums")
        async with server.client(operator) as client:
            said = await client.post("/v1/completions", json={"model": "theirs", "prompt": "2 + 2 ="})
        assert (said.status_code, said.json()["choices"][0]["text"]) == (200, "tiny")

        async def both() -> bool:
            rows = await logged(server, 1)
            asked = {
                key: [row for row in rows if row.deployment_id == key and row.prompt_tokens == 3] for key in (theirs.id, ours)
            }
            # The other one was asked by the proof too.
            return len(asked[ours]) == 1 and len(asked[theirs.id]) > 1

        await until(both)


@pytest.fixture(params=["batching_server", "vllm_server"])
def bare(request: pytest.FixtureRequest) -> Engine:
    """An engine that nobody of ours looks after, of each kind."""
    engine: Engine = request.getfixturevalue(request.param)
    return engine


@pytest.mark.engine
async def test_a_bare_engine_is_adopted(server: Server, operator: Tenant, bare: Engine) -> None:
    async with hosted(server):
        await served(server, operator, bare.url, model="tiny")
        said = (await chat(server, operator, messages=[{"role": "user", "content": "1+2"}], max_tokens=3, temperature=0)).json()
        assert (said["choices"][0]["message"]["content"], said["usage"]["total_tokens"]) == ("3", 6)
        [one] = await logged(server, 1)
    assert (one.prompt_tokens, one.completion_tokens) == (4, 2)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("http://a.example", "http://a.example"),
        ("https://a.example/v1", "https://a.example"),
        (" https://a.example:8443/v1/ ", "https://a.example:8443"),
        ("https://a.example/openai/v1/", "https://a.example/openai"),
        ("http://[::1]:9/", "http://[::1]:9"),
    ],
)
def test_an_address_is_kept_without_its_version(given: str, kept: str) -> None:
    assert upstream.address(given) == kept


@pytest.mark.parametrize(
    "given", ["", "a.example", "file:///etc/passwd", "http://", "http://a:99999", "http://a?x=1", "http://a#x", "http://[a"]
)
def test_what_is_no_address_is_refused(given: str) -> None:
    with pytest.raises(BadUrl):
        upstream.address(given)
