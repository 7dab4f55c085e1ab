"""Batches over GraphQL: made, read, followed."""

from typing import Any

import pytest

from models import batch
from tests.conftest import Server
from tests.rest_compat import bulk
from tests.rest_compat.things import fetched
from tests.schema.conftest import Answer, Api, Sockets

pytestmark = pytest.mark.anyio
CREATE = """mutation($input: CreateBatchInput!) { createBatch(input: $input) {
    batch { id status endpoint inputFileId metadata completionWindowSeconds outputExpiresAfterSeconds viewerCan }
    errors { __typename code path message } } }"""
ACT = """mutation($input: BatchActionInput!) {{ {name}(input: $input) {{
    batch {{ id status retryOf {{ id }} }} errors {{ code }} }} }}"""
BATCH = """query($id: ID!, $first: Int!, $after: Cursor, $ok: Boolean, $code: String) { batch(id: $id) {
    status counts { total completed failed } usage { promptTokens completionTokens totalTokens } cost { amount }
    progress { done total fraction inFlight perSecond etaSeconds } viewerCan problemCount problems { line code message param }
    causes { code deploymentId count sample { line customId message statusCode } }
    outcomes(first: $first, after: $after, ok: $ok, code: $code) {
        nodes { line customId ok code cost { amount } } pageInfo { hasNextPage endCursor } }
    outputUrl errorsUrl events { nodes { type } } logs { nodes { message } } } }"""
LIST = "query($filter: BatchFilter) { batches(filter: $filter) { nodes { id progress { done } retryOf { id } } } }"
PROGRESS = """subscription($id: ID!, $after: Cursor) { batchProgress(batchId: $id, after: $after) { __typename
    ... on BatchPoints { cursor points { total completed failed cost { amount } inFlight perSecond etaSeconds } }
    ... on StreamEnd { reason } } }"""
EVENTS = """subscription($id: ID!) { batchEvents(batchId: $id) { __typename
    ... on BatchUpdate { batch { status counts { completed } } events { type } } ... on StreamEnd { reason } } }"""


async def read(api: Api, batch_id: str, **variables: Any) -> Answer:
    found: Answer = (await api.data(BATCH, id=batch_id, **{"first": 50, **variables}))["batch"]
    return found


async def test_a_batch_is_made_and_what_is_wrong_is_at_its_field(api: Api, server: Server) -> None:
    source = await bulk.stored_file(await server.context(), bulk.lines(1))
    given = {"inputFileId": source.id, "metadata": {"a": "b"}, "completionWindow": "2h", "outputExpiresAfterSeconds": 3600}
    made = (await api.data(CREATE, input=given))["createBatch"]
    assert made["errors"] == [] and made["batch"]["id"].startswith("batch_")
    assert {**made["batch"], "id": None} == {
        "id": None,
        "status": "VALIDATING",
        "endpoint": "CHAT_COMPLETIONS",
        "inputFileId": source.id,
        "metadata": {"a": "b"},
        "completionWindowSeconds": 7200,
        "outputExpiresAfterSeconds": 3600,
        "viewerCan": ["cancel"],
    }
    for changes, path in (
        ({"inputFileId": "file-unknown"}, ["inputFileId"]),
        ({"completionWindow": "soon"}, ["completionWindow"]),
        ({"outputExpiresAfterSeconds": 1}, ["outputExpiresAfterSeconds", "seconds"]),
        ({"metadata": {"a": 1}}, ["metadata", "a"]),
        ({"metadata": [1]}, ["metadata"]),
    ):
        refused = (await api.data(CREATE, input={**given, **changes}))["createBatch"]
        assert refused["batch"] is None and refused["errors"][0]["path"] == path


async def test_a_running_batch_tells_how_far_it_is_and_why_lines_failed(api: Api, server: Server) -> None:
    ctx = await server.context()
    row = await bulk.made(ctx, bulk.lines(6))
    await bulk.moved(ctx, row.id, batch.IN_PROGRESS, total=6)
    good = await bulk.settled(ctx, row.id, [bulk.good(1), bulk.good(4)])
    bad = await bulk.settled(ctx, row.id, [bulk.bad(2), bulk.bad(3)])
    await bulk.progressed(ctx, row.id, total=6, completed=2, failed=2, in_flight=1, per_second=0.25)
    found = await read(api, row.id, first=2)
    assert (found["status"], found["counts"]) == ("IN_PROGRESS", {"total": 6, "completed": 2, "failed": 2})
    assert found["usage"] == {"promptTokens": 6, "completionTokens": 4, "totalTokens": 10}
    assert found["cost"] == {"amount": "0.000003000"}
    assert found["progress"] == {
        "done": 4, "total": 6, "fraction": 4 / 6, "inFlight": 1, "perSecond": 0.25, "etaSeconds": 8,
    }  # fmt: skip
    assert found["viewerCan"] == ["cancel", "download"]
    sample = {"line": 2, "customId": "q-2", "message": "engine_error of 2", "statusCode": 500}
    assert found["causes"] == [{"code": "engine_error", "deploymentId": "dep_a", "count": 2, "sample": sample}]
    assert [(one["line"], one["ok"]) for one in found["outcomes"]["nodes"]] == [(1, True), (2, False)]
    assert found["outcomes"]["nodes"][0]["cost"] == {"amount": "0.000001500"}
    rest = (await read(api, row.id, after=found["outcomes"]["pageInfo"]["endCursor"]))["outcomes"]
    assert ([one["line"] for one in rest["nodes"]], rest["pageInfo"]["hasNextPage"]) == ([3, 4], False)
    failed = (await read(api, row.id, ok=False, code="engine_error"))["outcomes"]["nodes"]
    assert [one["customId"] for one in failed] == ["q-2", "q-3"]
    assert (await fetched(found["outputUrl"])).content == good
    assert (await fetched(found["errorsUrl"])).content == bad
    assert [one["type"] for one in found["events"]["nodes"]] == ["created", "in_progress"]
    assert [one["message"] for one in found["logs"]["nodes"]] == ["Status: validating", "Status: in_progress"]


async def test_cancelling_trying_again_and_listing(api: Api, server: Server) -> None:
    ctx = await server.context()
    row = await bulk.made(ctx)
    await bulk.moved(ctx, row.id, batch.IN_PROGRESS, total=1)

    async def act(name: str) -> Answer:
        found: Answer = (await api.data(ACT.format(name=name), input={"id": row.id}))[name]
        return found

    assert (await act("retryBatch")) == {"batch": None, "errors": [{"code": "INVALID_STATE"}]}
    assert (await act("cancelBatch"))["batch"]["status"] == "CANCELLING"
    await bulk.finished(ctx, row.id, [bulk.bad(1)])
    assert (await act("cancelBatch"))["errors"] == [{"code": "INVALID_STATE"}]
    again = (await act("retryBatch"))["batch"]
    assert (again["status"], again["retryOf"]) == ("VALIDATING", {"id": row.id})
    assert (await api.data(LIST))["batches"]["nodes"] == [
        {"id": again["id"], "progress": {"done": 0}, "retryOf": {"id": row.id}},
        {"id": row.id, "progress": {"done": 1}, "retryOf": None},
    ]
    ended = (await api.data(LIST, filter={"status": ["CANCELLED"], "search": "SUMS"}))["batches"]["nodes"]
    assert [one["id"] for one in ended] == [row.id]


async def test_problems_of_the_file_are_told_by_line(api: Api, server: Server) -> None:
    ctx = await server.context()
    row = await bulk.made(ctx)
    problem = {"line": 2, "code": "invalid_json", "message": "No JSON.", "param": None}
    await bulk.moved(ctx, row.id, batch.FAILED, errors=[problem], problem_count=70)
    found = await read(api, row.id)
    assert (found["status"], found["problems"], found["problemCount"]) == ("FAILED", [problem], 70)
    assert found["progress"]["total"] is None


async def test_nothing_of_it_is_anothers(api: Api, server: Server, sockets: Sockets) -> None:
    row = await bulk.made(await server.context())
    other = Api(server, await server.new_tenant("other"))
    assert (await other.data("query($id: ID!) { batch(id: $id) { id } node(id: $id) { id } }", id=row.id)) == {
        "batch": None,
        "node": None,
    }
    assert (await api.data("query($id: ID!) { node(id: $id) { __typename id } }", id=row.id))["node"]["__typename"] == "Batch"
    for name in ("cancelBatch", "retryBatch"):
        assert (await other.data(ACT.format(name=name), input={"id": row.id}))[name]["errors"] == [{"code": "NOT_FOUND"}]
    async with sockets(other.tenant) as socket:
        for query in (PROGRESS, EVENTS):
            refused = await (await socket.start(query, id=row.id)).next()
            assert refused["payload"][0]["extensions"]["code"] == "NOT_FOUND"


async def test_its_progress_and_its_events_are_followed_to_the_end(server: Server, sockets: Sockets) -> None:
    ctx = await server.context()
    row = await bulk.made(ctx, bulk.lines(4))
    await bulk.moved(ctx, row.id, batch.IN_PROGRESS, total=4)
    await bulk.progressed(ctx, row.id, total=4, completed=1, cost_nanos=1500, in_flight=2, per_second=0.5)
    async with sockets() as socket:
        progress, events = await socket.start(PROGRESS, id=row.id), await socket.start(EVENTS, id=row.id)
        first = await progress.frame()
        assert first["points"] == [
            {"total": 4, "completed": 1, "failed": 0, "cost": {"amount": "0.000001500"}, "inFlight": 2, "perSecond": 0.5,
             "etaSeconds": 6},
        ]  # fmt: skip
        seen = await events.frame()
        assert (seen["batch"]["status"], [one["type"] for one in seen["events"]]) == ("IN_PROGRESS", ["created", "in_progress"])
        await bulk.progressed(ctx, row.id, total=4, completed=3, failed=1, per_second=None)
        (point,) = (await progress.frame())["points"]
        assert (point["completed"], point["failed"], point["etaSeconds"]) == (3, 1, None)
        await bulk.finished(ctx, row.id, [bulk.good(number) for number in range(1, 5)])
        (end,) = await progress.until_end()
        *updates, last = await events.until_end()
        again = await (await socket.start(PROGRESS, id=row.id, after=first["cursor"])).until_end()
    assert (end["reason"], last["reason"]) == ("completed", "completed")
    assert [one["type"] for frame in updates for one in frame["events"]] == ["finalizing", "completed"]
    assert updates[-1]["batch"] == {"status": "COMPLETED", "counts": {"completed": 4}}
    assert [point["completed"] for point in again[0]["points"]] == [3]
