"""The official `openai` package on batches: its whole cycle and the class of every refusal. No host runs: its part is written
by hand, here; `test_openai_bulk` has the same with one.
"""

import json
from typing import Any

import openai
import pytest
from openai.types import Batch

from models import batch
from tests.conftest import Server
from tests.contract.test_openai_sdk import call
from tests.rest_compat import bulk

pytestmark = pytest.mark.anyio
DAY: Any = {"endpoint": "/v1/chat/completions", "completion_window": "24h"}
MANY = dict.fromkeys("abcdefghijklmnopq", "one too many")


async def a_file(server: Server, count: int = 3) -> str:
    return (await bulk.stored_file(await server.context(), bulk.lines(count))).id


@pytest.mark.parametrize("prefix", ["/v1", "/v1/openai", "/api/v2/external"])
async def test_the_cycle_of_a_batch(prefix: str, server: Server) -> None:
    ctx, file_id = await server.context(), await a_file(server)
    with openai.OpenAI(base_url=f"{server.url}{prefix}", api_key=server.tenant.key, max_retries=0) as sdk:
        made: Batch = await call(sdk.batches.create, input_file_id=file_id, **DAY, metadata={"run": "nightly"})
        assert (made.object, made.status, made.input_file_id, made.metadata) == (
            "batch",
            "validating",
            file_id,
            {"run": "nightly"},
        )
        assert (made.completion_window, made.endpoint, made.errors) == ("24h", "/v1/chat/completions", None)
        assert made.expires_at == made.created_at + 86_400
        await bulk.moved(ctx, made.id, batch.IN_PROGRESS, total=3, model="sums")
        good = await bulk.settled(ctx, made.id, [bulk.good(1)])
        found: Batch = await call(sdk.batches.retrieve, made.id)
        assert found.request_counts is not None and found.usage is not None
        assert (found.status, found.request_counts.total, found.request_counts.completed) == ("in_progress", 3, 1)
        assert (found.usage.total_tokens, found.usage.input_tokens_details.cached_tokens, found.model) == (5, 0, "sums")
        assert found.usage.output_tokens_details.reasoning_tokens == 0
        # What the package has no name for is asked as it asks.
        so_far: Any = await call(
            sdk.get, f"/batches/{made.id}/output", cast_to=openai._legacy_response.HttpxBinaryResponseContent
        )
        assert so_far.content == good
        cancelled = await call(sdk.batches.cancel, made.id)
        assert (cancelled.status, cancelled.cancelling_at >= cancelled.in_progress_at) == ("cancelling", True)
        await bulk.finished(ctx, made.id, [bulk.bad(2, batch.CANCELLED_LINE, None), bulk.bad(3)])
        ended = await call(sdk.batches.retrieve, made.id)
        assert (ended.status, ended.cancelled_at >= ended.cancelling_at) == ("cancelled", True)
        assert ended.output_file_id.startswith("file-") and ended.error_file_id.startswith("file-")
        again: Batch = await call(sdk.post, f"/batches/{made.id}/retry", cast_to=Batch)
        assert (again.status, again.metadata) == ("validating", {"run": "nightly"})
        assert [one.id for one in await call(lambda: list(sdk.batches.list(limit=1)))] == [again.id, made.id]


async def test_the_same_without_waiting(server: Server) -> None:
    file_id = await a_file(server)
    async with openai.AsyncOpenAI(base_url=f"{server.url}/v1", api_key=server.tenant.key, max_retries=0) as sdk:
        made = [await sdk.batches.create(input_file_id=file_id, **DAY) for _ in range(3)]
        assert [one.id async for one in sdk.batches.list(limit=2)] == [one.id for one in made[::-1]]
        page = await sdk.batches.list(limit=2)
        assert (len(page.data), page.has_more) == (2, True)
        cancelled = await sdk.batches.cancel(made[0].id)
        assert (await sdk.batches.retrieve(made[0].id)).status == cancelled.status == "cancelling"
        with pytest.raises(openai.NotFoundError):
            await sdk.batches.retrieve("batch_unknown")


async def test_problems_of_the_file_are_told_by_line(sdk: openai.OpenAI, server: Server) -> None:
    made = await call(sdk.batches.create, input_file_id=await a_file(server), **DAY)
    problem = {"line": 2, "code": "duplicate_custom_id", "message": "q-1 is on line 1 too.", "param": "custom_id"}
    await bulk.moved(await server.context(), made.id, batch.FAILED, errors=[problem], problem_count=1)
    failed = await call(sdk.batches.retrieve, made.id)
    (one,) = failed.errors.data
    assert (failed.status, failed.errors.object, failed.failed_at is not None) == ("failed", "list", True)
    assert (one.line, one.code, one.message, one.param) == (2, "duplicate_custom_id", "q-1 is on line 1 too.", "custom_id")


async def test_every_refusal_has_its_class(sdk: openai.OpenAI, server: Server) -> None:
    ctx, file_id = await server.context(), await a_file(server)
    done = await bulk.made(ctx)
    await bulk.moved(ctx, done.id, batch.IN_PROGRESS, total=1)
    await bulk.finished(ctx, done.id, [bulk.good(1)])
    tuning = (await bulk.stored_file(ctx, b"{}", purpose="fine-tune")).id
    stranger = (await server.new_tenant("stranger")).key
    reader = (await call(sdk.post, "/api_keys", body={"name": "reader", "scopes": ["read"]}, cast_to=object))["key"]
    post = sdk.post

    def create(input_file_id: str = file_id, **changes: Any) -> Batch:
        return sdk.batches.create(input_file_id=input_file_id, **{**DAY, **changes})

    def asks_as(key: str) -> Any:
        return sdk.with_options(api_key=key).batches

    wanted: list[tuple[type[openai.APIStatusError], str | None, str | None, Any]] = [
        (openai.BadRequestError, "schema_validation", "completion_window", lambda: create(completion_window="1w")),
        (openai.BadRequestError, "schema_validation", "endpoint", lambda: create(endpoint="/v1/embeddings")),
        (openai.BadRequestError, "schema_validation", "metadata", lambda: create(metadata=MANY)),
        (openai.BadRequestError, None, "input_file_id", lambda: create(tuning)),
        (openai.NotFoundError, "resource_not_found", "input_file_id", lambda: create("file-unknown")),
        (openai.BadRequestError, "invalid_state", None, lambda: sdk.batches.cancel(done.id)),
        (openai.BadRequestError, "invalid_state", None, lambda: post(f"/batches/{done.id}/retry", cast_to=Batch)),
        (openai.NotFoundError, "resource_not_found", None, lambda: sdk.batches.cancel("batch_unknown")),
        (openai.BadRequestError, None, "after", lambda: sdk.batches.list(after="batch_unknown")),
        (openai.AuthenticationError, None, None, lambda: asks_as("vk_wrong").list()),
        (openai.NotFoundError, "resource_not_found", None, lambda: asks_as(stranger).retrieve(done.id)),
        (openai.PermissionDeniedError, "insufficient_scope", None, lambda: asks_as(reader).cancel(done.id)),
    ]  # fmt: skip
    for kind, code, param, ask in wanted:
        with pytest.raises(openai.APIStatusError) as caught:
            await call(ask)
        assert (type(caught.value), caught.value.code, caught.value.param) == (kind, code, param)
        assert caught.value.request_id is not None


async def test_a_retry_of_the_client_makes_nothing_twice(sdk: openai.OpenAI, server: Server) -> None:
    file_id = await a_file(server)
    same: Any = {"extra_headers": {"Idempotency-Key": "once"}}
    made = [await call(sdk.batches.create, input_file_id=file_id, **DAY, **same) for _ in range(2)]
    assert made[0] == made[1]
    with pytest.raises(openai.ConflictError):
        await call(sdk.batches.create, input_file_id=file_id, **DAY, metadata={"a": "b"}, **same)
    assert len((await call(sdk.batches.list)).data) == 1


def test_what_tests_write_by_hand_is_what_openai_writes() -> None:
    """Hold the stand-in's lines against contract/openai.md's own."""
    for outcome in (bulk.good(1), bulk.bad(1)):
        written = json.loads(outcome.payload or b"")
        assert list(written) == ["id", "custom_id", "response", "error"]
        assert list(written["response"]) == ["status_code", "request_id", "body"]
