"""The life of a batch, from its file to its files, and that it goes on from wherever its host has died."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from sqlalchemy import update
from sqlalchemy.exc import OperationalError
from sqlmodel import col

from burnish.kit import clock, stream
from burnish.kit.db import Session
from engines.bulk.sending import Answer, Line
from models import batch
from models.batch import Batch
from models.deployment import Deployment
from models.file import File
from tests.engines.bulk.working import FakePool, Installation, Mortal, fine, request

pytestmark = pytest.mark.anyio
NAMES = ["a", "b", "c", "d", "e", "f"]


def mixed(line: Line) -> Answer:
    """Answer most lines well, one with an error, and one not at all."""
    if line.custom_id == "b":
        return fine(line, 400)
    if line.custom_id == "d":
        return Answer(None, b"", "engine_unreachable", "It went away.")
    return fine(line)


async def move(installation: Installation, batch_id: str, **values: object) -> None:
    async with installation.core.db.transaction() as session:
        await session.exec(update(Batch).where(col(Batch.id) == batch_id).values(**values))


async def until(happened: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not happened():
            await asyncio.sleep(0.005)


async def test_every_line_ends_in_one_of_the_files(any_installation: Installation) -> None:
    batch_id = await any_installation.batch([request(name) for name in NAMES])
    pool = FakePool(mixed)
    row = await any_installation.work(batch_id, pool)
    await any_installation.assert_whole(batch_id, NAMES)
    assert (row.status, row.model, row.attempt) == ("completed", "dep", 1)
    assert (row.total, row.completed, row.failed) == (6, 4, 2)
    assert (row.prompt_tokens, row.completion_tokens, row.cost_nanos) == (15, 1 + 3 + 5 + 6, 500)
    assert [row.in_progress_at, row.finalizing_at, row.completed_at].count(None) == 0
    assert pool.most == 4
    outcomes = await any_installation.outcomes(batch_id)
    assert [(each.line, each.status_code, each.code) for each in outcomes][:4] == [
        (1, 200, None),
        (2, 400, "bad"),
        (3, 200, None),
        (4, None, "engine_unreachable"),
    ]


async def test_lines_of_files_are_as_openai_writes_them(installation: Installation) -> None:
    batch_id = await installation.batch([request(name) for name in NAMES])
    row = await installation.work(batch_id, FakePool(mixed))
    output, errors = await installation.lines(row.output_file_id), await installation.lines(row.error_file_id)
    tail = batch_id.removeprefix("batch_")
    request_id = output[0]["response"].pop("request_id")
    assert request_id.startswith("req_")
    assert output[0] == {
        "id": f"batch_req_{tail}_1",
        "custom_id": "a",
        "response": {"status_code": 200, "body": {"choices": ["a"]}},
        "error": None,
    }
    errors[0]["response"].pop("request_id")
    assert errors == [
        {
            "id": f"batch_req_{tail}_2",
            "custom_id": "b",
            "response": {"status_code": 400, "body": {"error": {"code": "bad", "message": "No."}}},
            "error": None,
        },
        {
            "id": f"batch_req_{tail}_4",
            "custom_id": "d",
            "response": None,
            "error": {"code": "engine_unreachable", "message": "It went away."},
        },
    ]


async def test_a_file_with_nothing_in_it_is_no_file(installation: Installation) -> None:
    good = await installation.work(await installation.batch([request("a")]), FakePool())
    bad = await installation.work(await installation.batch([request("a")]), FakePool(lambda line: fine(line, 422)))
    assert (good.output_file_id is None, good.error_file_id) == (False, None)
    assert (bad.output_file_id, bad.error_file_id is None) == (None, False)


async def test_files_are_deleted_when_the_batch_says(installation: Installation) -> None:
    row = await installation.work(await installation.batch([request("a")], output_expires_after_s=3600), FakePool())
    async with installation.core.db.read() as session:
        made = await session.get_one(File, row.output_file_id)
    assert made.expires_at == made.created_at + timedelta(hours=1)
    assert (made.purpose, made.filename, made.internal) == ("batch_output", f"{row.id}_output.jsonl", False)


async def test_an_answer_of_several_lines_is_one_line_of_the_file(installation: Installation) -> None:
    texts = {"a": b'{\n  "x": 1\n}\n', "b": b"<html>\n"}
    batch_id = await installation.batch([request("a"), request("b")])
    row = await installation.work(batch_id, FakePool(lambda line: fine(line)._replace(body=texts[line.custom_id])))
    assert [line["response"]["body"] for line in await installation.lines(row.output_file_id)] == [{"x": 1}, "<html>\n"]


async def test_marks_blank_lines_and_carriage_returns_are_nothing(installation: Installation) -> None:
    content = b"\xef\xbb\xbf" + request("a") + b"\r\n\r\n  \n" + request("b") + b"\r\n\n" + request("c")
    batch_id = await installation.batch(content)
    await installation.work(batch_id, FakePool())
    await installation.assert_whole(batch_id, ["a", "b", "c"])
    assert [each.line for each in await installation.outcomes(batch_id)] == [1, 4, 6]


async def test_a_cancelled_batch_keeps_what_was_answered(installation: Installation) -> None:
    batch_id = await installation.batch([request(name) for name in NAMES])
    pool = FakePool(places=2, free=2)
    run = installation.run(batch_id, pool)
    task = asyncio.create_task(run.run())
    await until(lambda: len(pool.asked) == 4)
    await move(installation, batch_id, status=batch.CANCELLING, cancelling_at=clock.now())
    run.look()
    await task
    row = await installation.row(batch_id)
    await installation.assert_whole(batch_id, NAMES)
    assert (row.status, row.completed, row.failed) == ("cancelled", 2, 4)
    assert [line["error"]["code"] for line in await installation.lines(row.error_file_id)] == ["batch_cancelled"] * 4
    assert len(pool.asked) == 4


async def test_a_batch_that_is_cancelled_before_its_file_was_looked_through_has_no_lines(installation: Installation) -> None:
    batch_id = await installation.batch([request("a")], status=batch.CANCELLING)
    pool = FakePool()
    row = await installation.work(batch_id, pool)
    assert (row.status, row.total, row.output_file_id, row.error_file_id) == ("cancelled", 0, None, None)
    assert pool.asked == []


async def test_what_is_not_answered_in_time_expires(installation: Installation) -> None:
    batch_id = await installation.batch([request(name) for name in NAMES])
    pool = FakePool(places=1, free=1)
    run = installation.run(batch_id, pool)
    task = asyncio.create_task(run.run())
    await until(lambda: len(pool.asked) == 2)
    await move(installation, batch_id, expires_at=clock.now())
    run.look()
    await task
    row = await installation.row(batch_id)
    await installation.assert_whole(batch_id, NAMES)
    assert (row.status, row.completed, row.failed) == ("expired", 1, 5)
    assert row.expired_at is not None
    assert {each.code for each in await installation.outcomes(batch_id)} == {None, "batch_expired"}


async def test_a_batch_whose_time_is_over_before_it_begins_sends_nothing(installation: Installation) -> None:
    batch_id = await installation.batch([request("a")], expires_at=clock.now())
    pool = FakePool()
    row = await installation.work(batch_id, pool)
    await installation.assert_whole(batch_id, ["a"])
    assert (row.status, pool.asked) == ("expired", [])


async def test_lines_of_a_deployment_that_has_ended_say_so(installation: Installation) -> None:
    lines = [request("a"), request("b")]
    batch_id = await installation.batch(lines, status=batch.IN_PROGRESS, total=2, in_progress_at=clock.now())
    async with installation.core.db.transaction() as session:
        await session.exec(update(Deployment).values(status="stopped"))
    pool = FakePool()
    row = await installation.work(batch_id, pool)
    await installation.assert_whole(batch_id, ["a", "b"])
    assert (row.status, pool.asked) == ("completed", [])
    assert [each.code for each in await installation.outcomes(batch_id)] == ["deployment_not_serving"] * 2


async def test_an_input_that_is_deleted_meanwhile_fails_the_batch_and_keeps_its_answers(installation: Installation) -> None:
    batch_id = await installation.batch([request("a"), request("b")])
    pool = FakePool(places=1, free=1)
    run = installation.run(batch_id, pool)
    task = asyncio.create_task(run.run())
    await until(lambda: len(pool.asked) == 2)
    run.halt()
    await task
    async with installation.core.db.transaction() as session:
        await session.exec(update(File).values(deleted_at=clock.now()))
    row = await installation.work(batch_id, FakePool())
    assert (row.status, row.errors) == (
        "failed",
        [
            {
                "line": None,
                "code": "file_not_found",
                "message": f"The input file {row.input_file_id} was deleted before all was sent.",
                "param": None,
            }
        ],
    )
    assert [line["custom_id"] for line in await installation.lines(row.output_file_id)] == ["a"]


async def test_a_host_that_stops_hands_the_rest_over(installation: Installation) -> None:
    batch_id = await installation.batch([request(name) for name in NAMES])
    first, second = FakePool(places=1, free=3), FakePool()
    run = installation.run(batch_id, first)
    task = asyncio.create_task(run.run())
    await until(lambda: len(first.asked) == 4)
    run.halt()
    await task
    assert (await installation.row(batch_id)).lease_holder is None
    await installation.work(batch_id, second)
    await installation.assert_whole(batch_id, NAMES)
    assert [line.custom_id for line in second.asked] == ["d", "e", "f"]


async def test_progress_is_told_and_ends_with_the_whole(installation: Installation) -> None:
    batch_id = await installation.batch([request(name) for name in NAMES])
    await installation.work(batch_id, FakePool())
    async with installation.core.db.read() as session:
        rows = await stream.read(session, batch_id, "progress")
        _, reason = await stream.head(session, batch_id, "progress")
    last = rows[-1].data
    assert set(last) == {
        "at", "total", "completed", "failed", "prompt_tokens", "completion_tokens", "cost_nanos", "in_flight", "per_second",
    }  # fmt: skip
    assert (last["total"], last["completed"], last["failed"], last["cost_nanos"]) == (6, 6, 0, 600)
    assert reason == "completed"


async def test_a_fault_of_the_pool_costs_its_line_alone(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engines.bulk.feeding.PAUSE_S", 0)

    def answer(line: Line) -> Answer:
        if line.custom_id == "c":
            raise KeyError("c")
        return fine(line)

    batch_id = await installation.batch([request(name) for name in NAMES])
    row = await installation.work(batch_id, FakePool(answer))
    await installation.assert_whole(batch_id, NAMES)
    assert (row.status, row.completed, row.failed) == ("completed", 5, 1)
    assert (await installation.outcomes(batch_id))[2].code == "internal_error"


@pytest.mark.parametrize("is_committed", [False, True])
async def test_a_write_whose_end_was_not_heard_is_not_done_twice(
    any_installation: Installation, monkeypatch: pytest.MonkeyPatch, is_committed: bool
) -> None:
    monkeypatch.setattr("engines.bulk.outcomes.RETRY_S", 0)
    batch_id = await any_installation.batch([request(name) for name in NAMES])
    run = any_installation.run(batch_id, FakePool(mixed))
    write, lost = run.writing, 0

    @asynccontextmanager
    async def writing() -> AsyncIterator[Session]:
        nonlocal lost
        async with write() as session:
            yield session
            is_of_outcomes = run.in_flight + run.outcomes.waiting_bytes > 0
            if is_of_outcomes and not is_committed:
                lost += 1
                if lost == 1:
                    raise OperationalError("INSERT", None, ConnectionError("away"))
        if is_of_outcomes and is_committed:
            lost += 1
            if lost == 1:
                raise OperationalError("COMMIT", None, ConnectionError("away"))

    monkeypatch.setattr(run, "writing", writing)
    async with asyncio.timeout(30):
        await run.run()
    await any_installation.assert_whole(batch_id, NAMES)
    assert lost > 0


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
async def test_a_host_that_dies_at_any_write_is_followed_by_one_that_ends_the_batch(
    installation: Installation, after: bool
) -> None:
    fatal = 0
    while True:
        fatal += 1
        batch_id = await installation.batch([request(name) for name in NAMES])
        lived = await Mortal(installation.settings, fatal, after=after).work(installation, batch_id, FakePool(mixed))
        await installation.lapse(batch_id)
        if not lived:
            row = await installation.row(batch_id)
            if row.lease_holder is not None or row.status not in batch.TERMINAL:
                await installation.work(batch_id, FakePool(mixed))
        assert (await installation.row(batch_id)).status == "completed"
        await installation.assert_whole(batch_id, NAMES)
        keys = await installation.core.storage.list(f"acct/batches/{batch_id}")
        assert len(keys) == 2
        if lived:
            break
    assert fatal > 8


@pytest.mark.parametrize("seed", range(4))
async def test_many_deaths_cancelled_hosts_and_a_cancelled_batch_leave_each_line_once(
    any_installation: Installation, seed: int
) -> None:
    chance = random.Random(seed)
    names = [f"line-{number}" for number in range(40)]
    batch_id = await any_installation.batch([request(name) for name in names])

    def answer(line: Line) -> Answer:
        return chance.choice((fine(line), fine(line), fine(line, 400), Answer(None, b"", "engine_unreachable", "Gone.")))

    for _ in range(8):
        pool = FakePool(answer, places=3)
        if chance.random() < 0.5:
            await Mortal(any_installation.settings, chance.randint(1, 8), after=chance.random() < 0.5).work(
                any_installation, batch_id, pool
            )
        else:
            task = asyncio.create_task(any_installation.run(batch_id, pool).run())
            for _ in range(chance.randint(1, 120)):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        await any_installation.lapse(batch_id)
        if seed == 3 and (await any_installation.row(batch_id)).status == batch.IN_PROGRESS:
            await move(any_installation, batch_id, status=batch.CANCELLING)
    row = await any_installation.row(batch_id)
    if row.status not in batch.TERMINAL or row.lease_holder is not None:
        await any_installation.work(batch_id, FakePool(answer))
    assert (await any_installation.row(batch_id)).status == ("cancelled" if seed == 3 else "completed")
    await any_installation.assert_whole(batch_id, names)
