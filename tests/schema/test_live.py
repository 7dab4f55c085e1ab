"""Subscriptions over a real websocket: replay, then live, nothing lost and nothing twice."""

import asyncio
import json
from collections.abc import Sequence

import pytest

from burnish.kit.core import Core
from models import deployment as dep
from models import events, job, transitions
from models.deployment import Deployment
from resolvers import auth, deployment_inputs, deployments
from schema import connections, feeds
from tests.conftest import Server
from tests.schema.conftest import Answer, Api, NewRun, Sockets, seats, until

pytestmark = pytest.mark.anyio

LOGS = """subscription($id: ID!, $after: Cursor, $tail: Int! = 200) { jobLogs(jobId: $id, after: $after, tail: $tail) {
  __typename ... on LogBatch { cursor lines { message source level attempt } } ... on StreamEnd { reason cursor }
  ... on Heartbeat { at cursor } ... on StreamGap { dropped from to } } }"""
METRICS = """subscription($id: ID!, $keys: [String!], $after: Cursor) { jobMetrics(jobId: $id, keys: $keys, after: $after) {
  __typename ... on MetricBatch { cursor attempt latestStep series { key steps values sampled } }
  ... on StreamEnd { reason cursor } } }"""
EVENTS = """subscription($id: ID!, $after: Cursor) { jobEvents(jobId: $id, after: $after) {
  __typename ... on JobEventBatch { cursor events { type metadata } } ... on StreamEnd { reason cursor } } }"""
STATUS = """subscription($id: ID!, $after: Cursor) { deploymentStatus(id: $id, after: $after) {
  __typename ... on DeploymentUpdate { cursor deployment { status } events { type } } ... on StreamEnd { reason } } }"""


def messages(frames: list[Answer]) -> list[str]:
    return [line["message"] for frame in frames if frame["__typename"] == "LogBatch" for line in frame["lines"]]


async def test_a_log_replays_then_goes_on_live_then_ends(sockets: Sockets, new_run: NewRun) -> None:
    run = await new_run()
    await run.log("one", "two")
    async with sockets() as socket:
        following = await socket.start(LOGS, id=run.id)
        first = await following.frame()
        assert [line["message"] for line in first["lines"]] == ["Status: queued", "one", "two"]
        assert first["lines"][1] == {"message": "one", "source": "trainer", "level": "INFO", "attempt": 1}
        await run.log("three")
        assert messages([await following.frame()]) == ["three"]
        await run.log("four")
        await run.end()
        frames = await following.until_end()
    assert messages(frames) == ["four"]
    assert frames[-1]["reason"] == "completed"


async def test_reconnecting_with_each_cursor_loses_and_repeats_nothing(sockets: Sockets, new_run: NewRun) -> None:
    run = await new_run()
    seen: list[str] = []
    cursor = None
    for round_ in range(4):
        # Half of the rows come while nobody is connected, half while somebody is.
        await run.log(*(f"{round_}-away-{index}" for index in range(3)))
        async with sockets() as socket:
            following = await socket.start(LOGS, id=run.id, after=cursor)
            while len(seen) < round_ * 6 + 4:
                frame = await following.frame()
                seen, cursor = seen + messages([frame]), frame["cursor"]
            await run.log(*(f"{round_}-live-{index}" for index in range(3)))
            while len(seen) < round_ * 6 + 7:
                frame = await following.frame()
                seen, cursor = seen + messages([frame]), frame["cursor"]
    expected = [f"{round_}-{how}-{index}" for round_ in range(4) for how in ("away", "live") for index in range(3)]
    assert seen == ["Status: queued", *expected]


async def test_lines_written_while_a_socket_is_cut_arrive_once(sockets: Sockets, new_run: NewRun) -> None:
    run = await new_run()
    written = [f"line {index}" for index in range(300)]

    async def write() -> None:
        for start in range(0, len(written), 10):
            await run.log(*written[start : start + 10])
        await run.end()

    writer = asyncio.create_task(write())
    seen: list[str] = []
    cursor, ended = None, False
    while not ended:
        async with sockets() as socket:
            following = await socket.start(LOGS, id=run.id, after=cursor, tail=10_000)
            for _ in range(3):
                frame = await following.frame()
                seen, cursor, ended = seen + messages([frame]), frame["cursor"], frame["__typename"] == "StreamEnd"
                if ended:
                    break
            socket.socket.transport.abort()
    await writer
    assert seen == ["Status: queued", *written]


async def test_a_log_begins_with_its_tail(sockets: Sockets, new_run: NewRun) -> None:
    run = await new_run()
    await run.log("one", "two", "three")
    async with sockets() as socket:
        following = await socket.start(LOGS, id=run.id, tail=2)
        assert messages([await following.frame()]) == ["two", "three"]
        none = await socket.start(LOGS, id=run.id, tail=0)
        await until(lambda: seats(sockets.server) == [2])
        await run.log("four")
        assert messages([await none.frame()]) == ["four"]
        refused = await socket.start(LOGS, id=run.id, tail=-1)
        assert (await refused.next())["payload"][0]["message"] == "tail is 0 to 10000."


async def test_metrics_come_as_columns_by_attempt(sockets: Sockets, new_run: NewRun) -> None:
    run = await new_run()
    await run.metrics([1, 2], reward=0.25, kl=0.5)
    await run.metrics([2, 3], attempt=2, reward=0.75, kl=0.5)
    await run.end()
    async with sockets() as socket:
        first, second, end = await (await socket.start(METRICS, id=run.id, keys=["reward"])).until_end()
        again = await (await socket.start(METRICS, id=run.id, after=first["cursor"])).until_end()
    assert first["series"] == [{"key": "reward", "steps": [1, 2], "values": [0.25, 0.25], "sampled": False}]
    assert (second["attempt"], second["latestStep"], second["series"][0]["steps"]) == (2, 3, [2, 3])
    assert [series["key"] for series in again[0]["series"]] == ["kl", "reward"]
    assert again[-1] == end


async def test_metrics_go_on_after_the_history_that_a_query_gave(sockets: Sockets, new_run: NewRun) -> None:
    run = await new_run()
    api = Api(sockets.server, sockets.server.tenant)
    query = "query($id: ID!) { job(id: $id) { metricsCursor } }"
    before = await api.data(query, id=run.id)
    await run.metrics([1, 2], reward=0.25)
    cursor = (await api.data(query, id=run.id))["job"]["metricsCursor"]
    await run.metrics([3], reward=0.75)
    await run.end()
    async with sockets() as socket:
        first, _ = await (await socket.start(METRICS, id=run.id, after=cursor)).until_end()
        whole = await (await socket.start(METRICS, id=run.id, after=before["job"]["metricsCursor"])).until_end()
    assert first["series"][0]["steps"] == [3]
    assert whole[0]["series"][0]["steps"] == [1, 2, 3]


async def test_events_follow_a_job_to_its_end(sockets: Sockets, new_run: NewRun) -> None:
    run = await new_run()
    async with sockets() as socket:
        following = await socket.start(EVENTS, id=run.id)
        assert [event["type"] for event in (await following.frame())["events"]] == ["created"]
        await run.move(job.PROVISIONING, job.RUNNING)
        await run.move(job.FAILED)
        await run.end(job.FAILED)
        frames = await following.until_end()
    assert [event["type"] for frame in frames[:-1] for event in frame["events"]] == ["provisioning", "running", "failed"]
    assert frames[-1]["reason"] == "failed"


async def test_rollouts_come_by_step(sockets: Sockets, new_run: NewRun) -> None:
    run = await new_run()
    completion = {
        "text": "2",
        "reward": 1.0,
        "components": {"correct": 1.0},
        "advantage": 0.0,
        "tokens": 1,
        "truncated": False,
        "score_error": None,
    }
    group = {"dataset_row": 0, "prompt": "1 + 1 = ?", "completions": [completion, completion]}
    await run.append("rollouts", [{"step": step, "groups": [group, group]} for step in (1, 2)])
    await run.end()
    query = """subscription($id: ID!) { jobRollouts(jobId: $id, sampleGroups: 1) { __typename ... on RolloutBatch {
      groups { step zeroVariance completions { text components { name value } } } } ... on StreamEnd { reason } } }"""
    async with sockets() as socket:
        first, second, _ = await (await socket.start(query, id=run.id)).until_end()
    assert [first["groups"][0]["step"], second["groups"][0]["step"]] == [1, 2]
    assert len(first["groups"]) == 1
    assert first["groups"][0]["zeroVariance"] is True
    assert first["groups"][0]["completions"][0] == {"text": "2", "components": [{"name": "correct", "value": 1.0}]}


async def test_a_deployments_status_and_log_are_followed(server: Server, sockets: Sockets) -> None:
    ctx = await server.context()
    given = {"model": "tiny", "source": "huggingface", "name": "chat", "gpu": {"type": "CPU", "count": 1}}
    made = await deployments.create(ctx, deployment_inputs.DeploymentInput.model_validate(given))
    logs = """subscription($id: ID!) { deploymentLogs(id: $id) {
      __typename ... on LogBatch { lines { message } } ... on StreamEnd { reason } } }"""
    async with sockets() as socket:
        following = await socket.start(STATUS, id=made.id)
        first = await following.frame()
        assert (first["deployment"], first["events"]) == ({"status": "QUEUED"}, [{"type": "created"}])
        async with server.platform.db.transaction() as session:
            row = await session.get_one(Deployment, made.id)
            assert await transitions.move(session, row, dep.PROVISIONING)
        second = await following.frame()
        assert (second["deployment"], second["events"]) == ({"status": "PROVISIONING"}, [{"type": "provisioning"}])
        await deployments.stop(ctx, made.id)
        third, end = await following.until_end()
        assert (third["deployment"], third["events"]) == ({"status": "STOPPED"}, [{"type": "stopped"}])
        assert end["reason"] == "stopped"
        resumed = await (await socket.start(STATUS, id=made.id, after=second["cursor"])).until_end()
        assert resumed == [third, end]
        lines = await (await socket.start(logs, id=made.id)).until_end()
    assert [line["message"] for frame in lines[:-1] for line in frame["lines"]] == [
        "Status: queued",
        "Status: provisioning",
        "Status: stopped, by the user",
    ]


async def test_silence_is_filled_with_heartbeats(sockets: Sockets, new_run: NewRun, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeds, "HEARTBEAT_S", 0.05)
    run = await new_run()
    async with sockets() as socket:
        following = await socket.start(LOGS, id=run.id)
        first = await following.frame()
        beats = [await following.frame(), await following.frame()]
        assert [beat["__typename"] for beat in beats] == ["Heartbeat", "Heartbeat"]
        assert {beat["cursor"] for beat in beats} == {first["cursor"]}
        await run.log("awake")
        frame = await following.frame()
        while frame["__typename"] == "Heartbeat":
            frame = await following.frame()
        assert messages([frame]) == ["awake"]


async def test_completing_an_operation_stops_it(sockets: Sockets, new_run: NewRun) -> None:
    run = await new_run()
    async with sockets() as socket:
        following = await socket.start(LOGS, id=run.id)
        await following.frame()
        await until(lambda: run.followers == 1)
        await socket.stop(following)
        await until(lambda: run.followers == 0)
        await run.log("unheard")
        await socket.socket.send(json.dumps({"type": "ping"}))
        assert following.arrived.empty()


async def test_closing_a_socket_stops_all_of_its_operations(sockets: Sockets, new_run: NewRun) -> None:
    run = await new_run()
    async with sockets() as socket:
        for query in (LOGS, EVENTS):
            await (await socket.start(query, id=run.id)).frame()
        await socket.start(METRICS, id=run.id)
        await until(lambda: run.followers == 3)
        socket.socket.transport.abort()
        await until(lambda: run.followers == 0)


async def test_a_revoked_key_ends_what_it_follows(
    server: Server, api: Api, sockets: Sockets, new_run: NewRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    look, asked = auth.ended, asyncio.Event()

    async def ended(core: Core, key_ids: Sequence[str]) -> list[str]:
        await asked.wait()
        return await look(core, key_ids)

    monkeypatch.setattr(connections, "WATCH_S", 0.05)
    monkeypatch.setattr(auth, "ended", ended)
    run = await new_run()
    async with sockets() as socket:
        following = await socket.start(LOGS, id=run.id)
        await following.frame()
        viewer = await api.data("{ viewer { apiKey { id } } }")
        revoked = "mutation($id: ID!) { revokeApiKey(input: {id: $id}) { errors { message } } }"
        assert (await api.data(revoked, id=viewer["viewer"]["apiKey"]["id"]))["revokeApiKey"]["errors"] == []
        again = await socket.start(LOGS, id=run.id)
        assert (await again.next())["payload"][0]["extensions"] == {"code": "UNAUTHENTICATED"}
        asked.set()
        await until(lambda: socket.socket.close_code == 4403)
    assert following.arrived.empty()


async def test_anothers_job_cannot_be_followed(server: Server, sockets: Sockets, new_run: NewRun) -> None:
    run = await new_run()
    async with sockets(await server.new_tenant("other")) as socket:
        for query in (LOGS, EVENTS, METRICS):
            message = await (await socket.start(query, id=run.id)).next()
            assert message["payload"][0]["extensions"]["code"] == "NOT_FOUND"
            assert message["payload"][0]["message"] == f"No such training job: {run.id}"
    assert run.followers == 0


async def test_a_cursor_of_another_stream_is_refused(sockets: Sockets, new_run: NewRun) -> None:
    run, other = await new_run(), await new_run(output_name="other")
    async with sockets() as socket:
        cursor = (await (await socket.start(LOGS, id=run.id)).frame())["cursor"]
        for query, job_id in ((EVENTS, run.id), (LOGS, other.id)):
            (error,) = (await (await socket.start(query, id=job_id, after=cursor)).next())["payload"]
            assert error["message"] == "This cursor belongs to another list or stream."
            assert error["extensions"] == {"code": "INVALID", "reason": "invalid_cursor", "param": "after"}
        (error,) = (await (await socket.start(LOGS, id=run.id, after="3")).next())["payload"]
        assert error["message"] == "This is not a cursor that was given out here."


async def test_queries_and_mutations_run_on_a_socket_and_see_fresh_rows(sockets: Sockets, new_run: NewRun) -> None:
    run = await new_run()
    query = "query($id: ID!) { job(id: $id) { status dataset { name } } }"
    cancel = "mutation($id: ID!) { cancelTrainingJob(input: {id: $id}) { job { status } errors { message } } }"
    async with sockets() as socket:
        before = await (await socket.start(query, id=run.id)).frame()
        cancelled = await (await socket.start(cancel, id=run.id)).frame()
        after = await (await socket.start(query, id=run.id)).frame()
    assert before == {"status": "QUEUED", "dataset": {"name": "sums-data"}}
    assert cancelled == {"job": {"status": "CANCELLED"}, "errors": []}
    assert after["status"] == "CANCELLED"


async def test_a_job_that_has_ended_replays_whole(sockets: Sockets, new_run: NewRun) -> None:
    run = await new_run()
    async with run.server.platform.db.transaction() as session:
        await events.record(session, run.server.tenant.account.id, run.id, "checkpoint_saved", {"step": 5}, attempt=1)
    await run.end()
    async with sockets() as socket:
        batch, end = await (await socket.start(EVENTS, id=run.id)).until_end()
        only_end = await (await socket.start(EVENTS, id=run.id, after=end["cursor"])).until_end()
    assert batch["events"] == [{"type": "created", "metadata": {}}, {"type": "checkpoint_saved", "metadata": {"step": 5}}]
    assert only_end == [end]
