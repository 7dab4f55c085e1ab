"""The log stream: every line once, in order, resumable, framed so that none forges another, given back when the client goes."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx2
import pytest

from burnish.kit.live import Batch
from burnish.kit.stream import Row
from models import job
from resolvers import cursors
from resolvers.cursors import Cursor
from rest_compat import sse
from rest_compat.veri import job_logs
from tests.conftest import Server
from tests.rest_compat import things

pytestmark = pytest.mark.anyio
Event = dict[str, str]


def cursor(made: dict[str, Any], seq: int) -> Cursor:
    return cursors.position(made["id"], "logs", seq)


def line(made: dict[str, Any], seq: int, data: str) -> Event:
    return {"id": cursor(made, seq), "data": data}


def events_of(text: str) -> list[Event]:
    """Parse events as browsers do: `data` fields of one event are joined with newlines."""
    found = []
    for frame in text.split("\n\n"):
        event: dict[str, list[str]] = {}
        for field in frame.split("\n"):
            if field and not field.startswith(":"):
                name, _, value = field.partition(": ")
                event.setdefault(name, []).append(value)
        if event:
            found.append({name: "\n".join(values) for name, values in event.items()})
    return found


async def read(client: httpx2.AsyncClient, job_id: str, query: str = "", **headers: str) -> list[Event]:
    answer = await client.get(f"/v1/training_jobs/{job_id}/logs{query}", headers=headers)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    return events_of(answer.text)


async def until(condition: Callable[[], Any], deadline_s: float = 10) -> None:
    end = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < end, "it did not come to pass"
        await asyncio.sleep(0.01)


async def test_a_queued_job_says_so_at_once(client: httpx2.AsyncClient) -> None:
    made = await things.queued_job(client)
    assert await read(client, made["id"], "?follow=false") == [line(made, 1, "Status: queued")]


async def test_a_cancelled_job_ends_with_its_mark(client: httpx2.AsyncClient) -> None:
    made = await things.queued_job(client)
    await client.post(f"/v1/training_jobs/{made['id']}/cancel")
    lines = [
        line(made, 1, "Status: queued"),
        line(made, 2, "Status: cancelled, by the user"),
        line(made, 2, "[Job cancelled]"),
    ]
    assert await read(client, made["id"]) == lines
    assert await read(client, made["id"], "?follow=false") == lines


@pytest.mark.parametrize("status", [job.COMPLETED, job.FAILED])
async def test_other_ends_have_their_own_mark(client: httpx2.AsyncClient, server: Server, status: str) -> None:
    made = await things.queued_job(client)
    await things.moved(server, made["id"], job.PROVISIONING, job.RUNNING, status)
    assert (await read(client, made["id"]))[-1] == line(made, 4, f"[Job {status}]")


async def test_a_follower_gets_the_lines_as_they_come(client: httpx2.AsyncClient, server: Server) -> None:
    made = await things.queued_job(client)
    async with client.stream("GET", f"/v1/training_jobs/{made['id']}/logs") as answer:
        fields = answer.aiter_lines()
        assert [await anext(fields) for _ in range(3)] == [f"id: {cursor(made, 1)}", "data: Status: queued", ""]
        await things.said(server, made["id"], "step 1", "step 2")
        for seq, text in ((2, "step 1"), (3, "step 2")):
            assert [await anext(fields) for _ in range(3)] == [f"id: {cursor(made, seq)}", f"data: {text}", ""]
        await client.post(f"/v1/training_jobs/{made['id']}/cancel")
        rest = "\n".join([field async for field in fields])
    assert [event["data"] for event in events_of(rest)] == ["Status: cancelled, by the user", "[Job cancelled]"]


async def test_a_stream_resumes_after_the_last_event_id(client: httpx2.AsyncClient, server: Server) -> None:
    made = await things.queued_job(client)
    await things.said(server, made["id"], *(f"line {number}" for number in range(2, 2500)))
    await client.post(f"/v1/training_jobs/{made['id']}/cancel")
    whole = await read(client, made["id"])
    assert [event["id"] for event in whole] == [cursor(made, seq) for seq in [*range(1, 2501), 2500]]
    for seq in (1, 999, 1000, 2499):
        assert await read(client, made["id"], **{"Last-Event-ID": cursor(made, seq)}) == whole[seq:]
        assert await read(client, made["id"], f"?after={cursor(made, seq)}") == whole[seq:]
    assert await read(client, made["id"], **{"Last-Event-ID": cursor(made, 2500)}) == [line(made, 2500, "[Job cancelled]")]
    # Browsers come back with the address that they began with, and say in the header how far they are.
    assert await read(client, made["id"], f"?after={cursor(made, 1)}", **{"Last-Event-ID": cursor(made, 2498)}) == whole[2498:]
    assert await read(client, made["id"], f"?after={cursor(made, 2498)}", **{"Last-Event-ID": ""}) == whole[2498:]
    assert await read(client, made["id"], "?after=") == whole


async def test_a_cursor_of_something_else_is_400(client: httpx2.AsyncClient) -> None:
    made, other = await things.queued_job(client), await things.queued_job(client, output_name="other")
    strange = [cursor(other, 1), cursors.position(made["id"], "metrics", 1), cursors.item("training_jobs", made["id"])]
    for wrong in ("abc", "1", "-1", "1.5", "9" * 30, "é", *strange):
        for param, given in (
            ("Last-Event-ID", {"headers": {"Last-Event-ID": wrong.encode()}}),
            ("after", {"params": {"after": wrong}}),
        ):
            answer = await client.get(f"/v1/training_jobs/{made['id']}/logs", **given)
            error = answer.json()["error"]
            assert (answer.status_code, error["code"], error["param"]) == (400, "invalid_cursor", param), wrong


async def test_a_line_of_many_lines_is_one_event(client: httpx2.AsyncClient, server: Server) -> None:
    made = await things.queued_job(client)
    await things.said(server, made["id"], "Traceback:\n  line 1\r\nid: 99\rdata: forged\n\nend", "", "a\u2028b")
    found = (await read(client, made["id"], "?follow=false"))[1:]
    assert found == [
        line(made, 2, "Traceback:\n  line 1\nid: 99\ndata: forged\n\nend"),
        line(made, 3, ""),
        line(made, 4, "a\nb"),
    ]


async def test_a_quiet_stream_is_kept_open_by_comments(client: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "KEEPALIVE_S", 0.05)
    made = await things.queued_job(client)
    async with client.stream("GET", f"/v1/training_jobs/{made['id']}/logs") as answer:
        fields = answer.aiter_lines()
        at = f"id: {cursor(made, 1)}"
        assert [await anext(fields) for _ in range(7)] == [at, "data: Status: queued", "", ": keepalive", at, ": keepalive", at]
        await client.post(f"/v1/training_jobs/{made['id']}/cancel")
        rest = [field async for field in fields if field.startswith("data")]
    assert rest == ["data: Status: cancelled, by the user", "data: [Job cancelled]"]


async def test_a_follower_that_leaves_is_forgotten(client: httpx2.AsyncClient, server: Server) -> None:
    made = await things.queued_job(client)
    topics = server.platform.core.hub._topics
    async with client.stream("GET", f"/v1/training_jobs/{made['id']}/logs") as answer:
        await anext(answer.aiter_lines())
        assert list(topics) == [(made["id"], "logs")]
    await until(lambda: not topics)


async def test_a_failure_after_the_start_is_one_error_event(client: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*args: object, **options: object) -> AsyncIterator[Batch]:
        yield Batch([Row(1, 0, {"message": "first"})], 1)
        raise RuntimeError("a secret")

    made = await things.queued_job(client)
    monkeypatch.setattr("resolvers.jobs.follow", broken)
    answer = await client.get(f"/v1/training_jobs/{made['id']}/logs")
    first, event = events_of(answer.text)
    assert (first, event["event"]) == (line(made, 1, "first"), "error")
    assert event["data"] == (
        '{"error":{"type":"api_error","code":null,"message":"Something went wrong on our side. Request id: '
        f'{answer.headers["x-request-id"]}","param":null}}}}'
    )


async def test_the_whole_log_is_plain_text(client: httpx2.AsyncClient, server: Server) -> None:
    made = await things.queued_job(client)
    await things.said(server, made["id"], *(f"line {number}" for number in range(2, 1200)))
    answer = await client.get(f"/v1/training_jobs/{made['id']}/logs/full")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.text == "Status: queued\n" + "".join(f"line {number}\n" for number in range(2, 1200))


async def test_head_starts_no_stream(client: httpx2.AsyncClient, server: Server) -> None:
    made = await things.queued_job(client)
    answer = await client.head(f"/v1/training_jobs/{made['id']}/logs")
    assert (answer.status_code, answer.headers["content-type"], answer.text) == (200, "text/event-stream; charset=utf-8", "")
    assert server.platform.core.hub._topics == {}


async def test_the_log_of_no_job_is_404_before_any_stream(client: httpx2.AsyncClient) -> None:
    for path in ("logs", "logs/full", "logs?follow=false"):
        answer = await client.get(f"/v1/training_jobs/job_unknown/{path}")
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "resource_not_found")


def test_long_lines_are_sent_some_at_a_time() -> None:
    rows = [Row(seq, 0, {"message": "x" * 10_000}) for seq in range(1, 101)]
    pieces = list(job_logs._events("job_1", rows))
    assert [piece.data.count(b"id: ") for piece in pieces] == [7] * 14 + [2]
    assert [cursors.read_position(piece.cursor, "job_1", "logs") for piece in pieces] == [*range(7, 100, 7), 100]
    assert [event["data"] for event in events_of(b"".join(piece.data for piece in pieces).decode())] == ["x" * 10_000] * 100
