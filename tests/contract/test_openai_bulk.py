"""The official `openai` package through the whole cycle of a batch, with a real host process and an engine that answers: upload,
create, poll, download, cancel, try again.
"""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openai
import pytest
from openai._legacy_response import HttpxBinaryResponseContent
from openai.types import Batch

from models import batch
from tests.conftest import Server, Tenant
from tests.contract.conftest import DEADLINE_S
from tests.contract.test_openai_sdk import call
from tests.rest_compat import bulk
from tests.rest_compat.replica import Replica

pytestmark = pytest.mark.anyio
DAY: Any = {"endpoint": "/v1/chat/completions", "completion_window": "24h"}
Line = dict[str, Any]


async def until(ask: Callable[[], Any], good: Callable[[Any], bool]) -> Any:
    """Return the first good answer."""
    async with asyncio.timeout(DEADLINE_S):
        while not good(found := await call(ask)):
            await asyncio.sleep(0.1)
    return found


async def ended(sdk: openai.OpenAI, batch_id: str) -> Batch:
    found: Batch = await until(lambda: sdk.batches.retrieve(batch_id), lambda one: one.status in batch.TERMINAL)
    return found


def counts(found: Batch) -> tuple[int, int, int]:
    assert found.request_counts is not None
    return found.request_counts.total, found.request_counts.completed, found.request_counts.failed


async def lines(sdk: openai.OpenAI, file_id: str | None) -> list[Line]:
    assert file_id is not None
    return [json.loads(line) for line in (await call(sdk.files.content, file_id)).text.splitlines()]


async def problems_are_all_told(server: Server, operator: Tenant, engine: Replica) -> None:
    """Have a file with problems looked through."""
    content = "".join([bulk.line("q-1"), bulk.line("q-1"), "{\n", bulk.line("q-4", model="unknown"), bulk.line("q-5")]).encode()
    async with openai.AsyncOpenAI(base_url=f"{server.url}/v1", api_key=operator.key, max_retries=0) as sdk:
        source = await sdk.files.create(file=("bad.jsonl", content), purpose="batch")
        made = await sdk.batches.create(input_file_id=source.id, **DAY)
        async with asyncio.timeout(DEADLINE_S):
            while (failed := await sdk.batches.retrieve(made.id)).status not in batch.TERMINAL:
                await asyncio.sleep(0.1)
        assert failed.status == "failed" and failed.errors is not None and failed.errors.data is not None
        assert [one.line for one in failed.errors.data] == [2, 3, 4]
        assert failed.error_file_id is not None
        assert len((await sdk.files.content(failed.error_file_id)).text.splitlines()) == 3
        assert engine.seen == []


async def test_the_whole_cycle(server: Server, operator: Tenant, engine: Replica, tmp_path: Path) -> None:
    await problems_are_all_told(server, operator, engine)
    file = tmp_path / "sums.jsonl"
    asked = [bulk.line("q-1"), bulk.line("q-2", "too long"), bulk.line("q-3"), "\n", bulk.line("q-5", "2+2=")]
    file.write_text("".join(asked))
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key=operator.key, max_retries=0) as sdk:
        source = await call(sdk.files.create, file=file, purpose="batch")
        made = await call(sdk.batches.create, input_file_id=source.id, **DAY, metadata={"run": "nightly"})
        done = await ended(sdk, made.id)
        assert done.errors is None and done.usage is not None
        reached: list[Any] = [done.in_progress_at, done.finalizing_at, done.completed_at, done.expires_at]
        assert (done.status, done.model, done.metadata) == ("completed", "sums", {"run": "nightly"})
        assert counts(done) == (4, 3, 1)
        assert (done.usage.input_tokens, done.usage.output_tokens, done.usage.total_tokens) == (9, 6, 15)
        assert [done.created_at, *reached] == sorted([done.created_at, *reached])
        output = await lines(sdk, done.output_file_id)
        assert [one["custom_id"] for one in output] == ["q-1", "q-3", "q-5"]
        for one in output:
            assert (one["error"], one["response"]["status_code"]) == (None, 200)
            assert one["response"]["body"]["choices"][0]["message"]["content"] == "four it is"
        (failed,) = await lines(sdk, done.error_file_id)
        assert (failed["custom_id"], failed["error"], failed["response"]["status_code"]) == ("q-2", None, 400)
        assert failed["response"]["body"]["error"]["message"] == "This model's maximum context length is 2048 tokens."
        # Each line is a request like any other: it is in the log under the id that the line names.
        named = {one["response"]["request_id"] for one in (*output, failed)}
        (deployment,) = (await call(sdk.get, "/deployments", cast_to=object))["data"]
        logged = (await call(sdk.get, f"/deployments/{deployment['id']}/requests", cast_to=object))["data"]
        assert {one["id"] for one in logged} == named and len(named) == 4
        whole: Any = await call(sdk.get, f"/batches/{made.id}/output", cast_to=HttpxBinaryResponseContent)
        assert [json.loads(line) for line in whole.text.splitlines()] == output
        with pytest.raises(openai.BadRequestError):
            await call(sdk.batches.cancel, made.id)
        again: Batch = await call(sdk.post, f"/batches/{made.id}/retry", cast_to=Batch)
        assert (await call(sdk.files.content, again.input_file_id)).text == asked[1]
        second = await ended(sdk, again.id)
        assert (second.status, second.output_file_id, counts(second)) == ("completed", None, (1, 0, 1))


async def test_what_is_cancelled_is_told_and_can_be_tried_again(server: Server, operator: Tenant, engine: Replica) -> None:
    engine.silent = True
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key=operator.key, max_retries=0) as sdk:
        source = await call(sdk.files.create, file=("sums.jsonl", bulk.lines(20)), purpose="batch")
        made = await call(sdk.batches.create, input_file_id=source.id, **DAY)
        await asyncio.wait_for(engine.asked.wait(), DEADLINE_S)
        assert (await call(sdk.batches.cancel, made.id)).status == "cancelling"
        gone = await ended(sdk, made.id)
        assert (gone.status, gone.output_file_id) == ("cancelled", None)
        assert counts(gone) == (20, 0, 20)
        told = await lines(sdk, gone.error_file_id)
        assert [one["custom_id"] for one in told] == [f"q-{number}" for number in range(1, 21)]
        assert {(one["response"], one["error"]["code"]) for one in told} == {(None, "batch_cancelled")}
        # The engine was told, too.
        await asyncio.wait_for(engine.left.wait(), DEADLINE_S)
        engine.silent = False
        again: Batch = await call(sdk.post, f"/batches/{made.id}/retry", cast_to=Batch)
        done = await ended(sdk, again.id)
        assert counts(done) == (20, 20, 0)
        assert (await call(sdk.files.content, again.input_file_id)).content == bulk.lines(20)
