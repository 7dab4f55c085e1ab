"""The streams on Postgres, over both interfaces: what is stored, then what another process writes, then the end."""

import asyncio
from collections.abc import AsyncIterator

import httpx2
import pytest

from burnish.kit import live, stream
from burnish.kit.core import Core
from burnish.kit.settings import Settings
from models import events, job
from models.job import Job
from tests.conftest import Server
from tests.schema.conftest import DEADLINE_S, Answer, Live, NewRun, Run, Sockets

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("database_url", ["postgres"], indirect=True)]
LOGS = """subscription($id: ID!, $after: Cursor) { jobLogs(jobId: $id, after: $after, tail: 10000) { __typename
  ... on LogBatch { lines { cursor message } cursor } ... on StreamEnd { reason cursor } } }"""
METRICS = """subscription($id: ID!, $after: Cursor) { jobMetrics(jobId: $id, after: $after) { __typename
  ... on MetricBatch { attempt series { key steps values } cursor } ... on StreamEnd { reason cursor } } }"""
ROLLOUTS = """subscription($id: ID!, $after: Cursor) { jobRollouts(jobId: $id, after: $after) { __typename
  ... on RolloutBatch { groups { step prompt rewardMean } cursor } ... on StreamEnd { reason cursor } } }"""
EVENTS = """subscription($id: ID!, $after: Cursor) { jobEvents(jobId: $id, after: $after) { __typename
  ... on JobEventBatch { events { type } cursor } ... on StreamEnd { reason cursor } } }"""
ACTIVITY = """subscription($after: Cursor) { activity(after: $after) { __typename
  ... on ActivityBatch { events { type resourceId } cursor } } }"""


@pytest.fixture
def settings(settings: Settings, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings of an installation on Postgres. There is no broker: what other processes write is found in the database."""
    monkeypatch.setattr(live, "HEAL_S", 0.02)
    settings.database_url = database_url
    return settings


@pytest.fixture
async def host(settings: Settings) -> AsyncIterator[Core]:
    """What another process has of the platform."""
    core = Core(settings)
    yield core
    await core.close()


async def write(host: Core, run: Run, kind: str, *rows: Answer, attempt: int = 1, end: bool = False) -> None:
    async with host.db.transaction() as session:
        await stream.append(session, run.id, kind, rows, attempt=attempt)
        if end:
            await stream.end(session, run.id, job.STREAMS, job.COMPLETED)


async def log(host: Core, run: Run, *messages: str, end: bool = False) -> None:
    await write(host, run, "logs", *(events.log_line(message) for message in messages), end=end)


def texts(frames: list[Answer]) -> list[str]:
    return [line["message"] for frame in frames for line in frame.get("lines", ())]


async def sse(client: httpx2.AsyncClient, run: Run, cursor: str = "") -> list[tuple[str, str]]:
    """Follow a log to its end; return ids and lines."""
    headers = {"Last-Event-ID": cursor} if cursor else {}
    async with asyncio.timeout(DEADLINE_S), client.sse(f"/v1/training_jobs/{run.id}/logs", headers=headers) as source:
        return [(event.id, event.data) async for event in source]


async def test_a_log_is_replayed_followed_and_resumed_at_every_line(
    server: Server, sockets: Sockets, new_run: NewRun, host: Core
) -> None:
    run = await new_run()
    await log(host, run, "0", "1", "2")
    async with sockets() as socket, server.client() as client:
        over_socket = await socket.start(LOGS, id=run.id)
        over_sse = asyncio.create_task(sse(client, run))
        first = await over_socket.frame()
        for number in range(3, 30, 3):
            await log(host, run, *map(str, range(number, number + 3)))
        await log(host, run, "30", end=True)
        *batches, end = await over_socket.until_end()
        lines = [line for frame in (first, *batches) for line in frame["lines"]]
        assert [line["message"] for line in lines] == ["Status: queued", *map(str, range(31))]
        whole = [(line["cursor"], line["message"]) for line in lines] + [(end["cursor"], "[Job completed]")]
        assert await over_sse == whole
        for place in (0, 1, 15, 30, 31):
            after = whole[place][0]
            *batches, again = await (await socket.start(LOGS, id=run.id, after=after)).until_end()
            assert (texts(batches), again) == ([text for _, text in whole[place + 1 : -1]], end)
            assert await sse(client, run, after) == whole[place + 1 :]


async def test_sockets_that_break_while_several_processes_write_get_each_line_once(
    server: Server, sockets: Sockets, new_run: NewRun, host: Core
) -> None:
    run = await new_run()

    async def one(name: str, core: Core) -> None:
        for number in range(40):
            await log(core, run, f"{name}{number}")

    async def all_of_them() -> None:
        await asyncio.gather(*(one(name, core) for name, core in (("a", host), ("b", server.platform.core), ("c", host))))
        await log(host, run, "last", end=True)

    writing = asyncio.create_task(all_of_them())
    seen: list[str] = []
    cursor, ended = None, False
    while not ended:
        async with sockets() as socket:
            following = await socket.start(LOGS, id=run.id, after=cursor)
            for _ in range(4):
                frame = await following.frame()
                seen, cursor, ended = seen + texts([frame]), frame["cursor"], frame["__typename"] == "StreamEnd"
                if ended:
                    break
            socket.socket.transport.abort()
    await writing
    assert (seen[0], seen[-1], len(seen)) == ("Status: queued", "last", 122)
    for name in "abc":
        assert [text for text in seen if text.startswith(name)] == [f"{name}{number}" for number in range(40)]


async def followed_twice(socket: Live, query: str, run: Run) -> tuple[list[Answer], list[Answer]]:
    """Follow an ended stream from the start, and once more from the first frame's cursor; return the frames of each."""
    whole = await (await socket.start(query, id=run.id)).until_end()
    return whole, await (await socket.start(query, id=run.id, after=whole[0]["cursor"])).until_end()


async def test_metrics_keep_their_attempts_and_resume(sockets: Sockets, new_run: NewRun, host: Core) -> None:
    run = await new_run()
    await write(host, run, "metrics", *({"step": step, "values": {"reward": step / 8}} for step in (1, 2, 3)))
    async with sockets() as socket:
        following = await socket.start(METRICS, id=run.id)
        first = await following.frame()
        await write(host, run, "metrics", {"step": 3, "values": {"reward": 0.5, "kl": 1e-300}}, attempt=2, end=True)
        second, end = await following.until_end()
        whole, rest = await followed_twice(socket, METRICS, run)
    assert first["series"] == [{"key": "reward", "steps": [1, 2, 3], "values": [0.125, 0.25, 0.375]}]
    assert second["series"] == [
        {"key": "kl", "steps": [3], "values": [1e-300]},
        {"key": "reward", "steps": [3], "values": [0.5]},
    ]
    assert (first["attempt"], second["attempt"], end["reason"]) == (1, 2, "completed")
    assert (whole, rest) == ([first, second, end], [second, end])


async def test_rollouts_come_step_by_step_and_resume(sockets: Sockets, new_run: NewRun, host: Core) -> None:
    run = await new_run()

    def rollout(step: int) -> Answer:
        answer = {
            "text": "2", "reward": step / 2, "components": {}, "advantage": 0.5, "tokens": 2, "truncated": False,
            "score_error": None,
        }  # fmt: skip
        return {"step": step, "groups": [{"dataset_row": 1, "prompt": "1+1", "completions": [answer]}]}

    await write(host, run, "rollouts", rollout(1))
    async with sockets() as socket:
        following = await socket.start(ROLLOUTS, id=run.id)
        first = await following.frame()
        await write(host, run, "rollouts", rollout(2), rollout(3), end=True)
        frames = [first, *await following.until_end()]
        whole, rest = await followed_twice(socket, ROLLOUTS, run)
    groups = [group for frame in frames for group in frame.get("groups", ())]
    assert groups == [{"step": step, "prompt": "1+1", "rewardMean": step / 2} for step in (1, 2, 3)]
    assert (whole, rest) == (frames, frames[1:])


async def test_events_of_a_job_and_of_the_account_tell_of_its_life(sockets: Sockets, new_run: NewRun, host: Core) -> None:
    run = await new_run()
    async with sockets() as socket:
        following, everything = await socket.start(EVENTS, id=run.id), await socket.start(ACTIVITY)
        told = [event["type"] for event in (await following.frame())["events"]]
        seen = await everything.frame()
        await run.move(job.PROVISIONING, job.RUNNING, job.COMPLETED)
        async with host.db.transaction() as session:
            row = await session.get_one(Job, run.id)
            await events.record(session, row.account_id, run.id, "late")
        await run.end()
        *frames, end = await following.until_end()
        told += [event["type"] for frame in frames for event in frame["events"]]
        of_account = [event for event in seen["events"] if event["resourceId"] == run.id]
        while len(of_account) < len(told):
            of_account += [event for event in (await everything.frame())["events"] if event["resourceId"] == run.id]
    assert told == ["created", "provisioning", "running", "completed", "late"]
    assert [event["type"] for event in of_account] == told
    assert end["reason"] == "completed"
