"""Batches without a server: what is taken, what their outcomes tell, what there is of their files at any time, retries."""

from dataclasses import replace

import pytest
from sqlmodel import select

from burnish.kit import clock
from burnish.kit.errors import Conflict, Invalid, InvalidState, NotFound, SchemaInvalid
from burnish.kit.storage import Storage
from burnish.kit.tables import Outbox
from engines.bulk import reading
from models import batch
from models.batch import Batch
from models.file import File
from resolvers import batch_outcomes, batch_progress, batch_retries, batches, exports
from resolvers.batches import BatchInput
from resolvers.context import Context
from resolvers.downloads import Download
from resolvers.inputs import parse
from tests.resolvers.conftest import Tenants
from tests.rest_compat import bulk

pytestmark = pytest.mark.anyio


async def content(found: Download) -> bytes:
    return b"".join([chunk async for chunk in found.stream])


async def stored(ctx: Context, file_id: str) -> bytes:
    async with ctx.db.read() as session:
        row = await session.get_one(File, file_id)
    found = await ctx.core.storage.read(row.storage_key)
    assert row.size_bytes == len(found)
    return found


async def count(ctx: Context, table: type[Batch] | type[File] | type[Outbox]) -> int:
    async with ctx.db.read() as session:
        return len((await session.exec(select(table))).all())


async def test_a_batch_begins_with_an_event_a_line_and_a_message_to_the_hosts(ctx: Context) -> None:
    row = await bulk.made(ctx, completion_window="48h", metadata={"run": " nightly "}, output_expires_after={"seconds": 3600})
    assert (row.status, row.completion_window_s, row.labels) == (batch.VALIDATING, 172_800, {"run": " nightly "})
    assert (row.output_expires_after_s, clock.seconds_between(row.created_at, row.expires_at)) == (3600, 172_800)
    assert [item.data["type"] for item in await batches.rows(ctx, row.id, "events")] == ["created"]
    assert [item.data["message"] for item in await batches.rows(ctx, row.id, "logs")] == ["Status: validating"]
    async with ctx.db.read() as session:
        (told,) = (await session.exec(select(Outbox))).all()
    assert (told.actor, told.resource_id) == ("bulk.run", row.id)


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"endpoint": "/v1/embeddings"}, "endpoint"),
        ({"completion_window": "24"}, "completion_window"),
        ({"completion_window": "0h"}, "completion_window"),
        ({"completion_window": "169h"}, "completion_window"),
        ({"metadata": {f"k{number}": "v" for number in range(17)}}, "metadata"),
        ({"metadata": {"k" * 65: "v"}}, f"metadata.{'k' * 65}.[key]"),
        ({"metadata": {"k": "v" * 513}}, "metadata.k"),
        ({"metadata": {"k": "\0"}}, "metadata.k"),
        ({"metadata": {"k": 1}}, "metadata.k"),
        ({"output_expires_after": {"seconds": 3599}}, "output_expires_after.seconds"),
        ({"output_expires_after": {"seconds": 2_592_001}}, "output_expires_after.seconds"),
        ({"output_expires_after": {"anchor": "updated_at", "seconds": 3600}}, "output_expires_after.anchor"),
        ({"input_file_id": ""}, "input_file_id"),
        ({"priority": 1}, "priority"),
    ],
)
def test_what_is_wrong_is_named(changes: dict[str, object], param: str) -> None:
    with pytest.raises(SchemaInvalid) as caught:
        parse(BatchInput, {"input_file_id": "file-x", "endpoint": bulk.CHAT, **changes})
    assert caught.value.param == param


async def test_the_file_is_one_of_the_account_with_the_purpose_of_a_batch(ctx: Context, tenants: Tenants) -> None:
    other = await tenants("other")
    theirs = await bulk.stored_file(other, bulk.lines(1))
    gone = await bulk.stored_file(ctx, bulk.lines(1))
    async with ctx.db.transaction() as session:
        (await session.get_one(File, gone.id)).deleted_at = clock.now()
    internal = await bulk.stored_file(ctx, bulk.lines(1))
    async with ctx.db.transaction() as session:
        (await session.get_one(File, internal.id)).internal = True
    for file_id in (theirs.id, gone.id, internal.id, "file-unknown"):
        with pytest.raises(NotFound) as unknown:
            await batches.create(ctx, BatchInput(input_file_id=file_id, endpoint="/v1/completions"))
        assert unknown.value.param == "input_file_id"
    tuning = await bulk.stored_file(ctx, bulk.lines(1), purpose="fine-tune")
    with pytest.raises(Invalid) as wrong:
        await batches.create(ctx, BatchInput(input_file_id=tuning.id, endpoint="/v1/completions"))
    assert (wrong.value.param, "'fine-tune'" in wrong.value.message) == ("input_file_id", True)
    assert await count(ctx, Batch) == await count(ctx, Outbox) == 0


async def test_one_key_makes_one_batch_and_one_retry(tenants: Tenants) -> None:
    ctx = await tenants(key="once")
    source = await bulk.stored_file(ctx, bulk.lines(2))
    spec = BatchInput(input_file_id=source.id, endpoint="/v1/chat/completions")
    first, *others = [await batches.create(ctx, spec) for _ in range(3)]
    assert {row.id for row in others} == {first.id} and await count(ctx, Batch) == 1
    with pytest.raises(Conflict):
        await batches.create(ctx, spec.model_copy(update={"completion_window": "1h"}))
    await bulk.moved(ctx, first.id, batch.IN_PROGRESS, total=2)
    await bulk.finished(ctx, first.id, [bulk.good(1), bulk.bad(2)])
    files = await count(ctx, File)
    ctx = replace(ctx, idempotency_key="again")
    again = {(await batch_retries.retry(ctx, first.id)).id for _ in range(2)}
    assert len(again) == 1
    assert (await count(ctx, Batch), await count(ctx, File)) == (2, files + 1)
    # What the second time had written before it knew is gone.
    assert len(await ctx.core.storage.list(f"{ctx.account.id}/files")) == files + 1


async def test_cancelling_keeps_to_what_is_still_to_be_asked(ctx: Context) -> None:
    row = await bulk.made(ctx)
    assert batches.allowed(ctx, row) == ["cancel"]
    first = await batches.cancel(ctx, row.id)
    assert (first.status, first.cancelling_at is not None) == (batch.CANCELLING, True)
    told = await count(ctx, Outbox)
    assert (await batches.cancel(ctx, row.id)).cancelling_at == first.cancelling_at
    assert await count(ctx, Outbox) == told
    await bulk.finished(ctx, row.id, [])
    other = await bulk.made(ctx)
    await bulk.moved(ctx, other.id, batch.IN_PROGRESS, batch.FINALIZING)
    for batch_id in (row.id, other.id):
        with pytest.raises(InvalidState):
            await batches.cancel(ctx, batch_id)
    assert (await batches.get(ctx, other.id)).status == batch.FINALIZING


async def test_nothing_of_it_is_anothers_and_a_part_of_an_eval_run_is_nobodys(ctx: Context, tenants: Tenants) -> None:
    row, other = await bulk.made(ctx), await tenants("other")
    part = await bulk.made(ctx)
    async with ctx.db.transaction() as session:
        (await session.get_one(Batch, part.id)).parent_id = "run_x"
    for caller, batch_id in ((other, row.id), (ctx, part.id)):
        for ask in (
            batches.get(caller, batch_id),
            batches.cancel(caller, batch_id),
            batch_retries.retry(caller, batch_id),
            batch_outcomes.page(caller, batch_id),
            batch_outcomes.causes(caller, batch_id),
            batch_outcomes.partial(caller, batch_id, True),
            batches.rows(caller, batch_id, "progress"),
        ):
            with pytest.raises(NotFound):
                await ask
    assert [item.id for item in (await batches.page(ctx)).items] == [row.id]
    assert (await batches.page(other)).items == []


async def test_batches_are_found_by_status_and_words(on_both: Tenants) -> None:
    ctx = await on_both()
    nightly = await bulk.made(ctx, filename="Evals_50%.jsonl", metadata={"team": "Red"})
    plain = await bulk.made(ctx)
    await bulk.moved(ctx, plain.id, batch.IN_PROGRESS, model="sums-v2")

    async def found(**terms: object) -> list[str]:
        return [row.id for row in (await batches.page(ctx, **terms)).items]  # type: ignore[arg-type]

    assert await found() == [plain.id, nightly.id]
    assert await found(status=[batch.IN_PROGRESS]) == [plain.id] == await found(search="SUMS-V2")
    assert await found(search="evals_50%") == [nightly.id] == await found(search="red") == await found(search=nightly.id)
    assert await found(search="evals%50") == []
    with pytest.raises(Invalid):
        await batches.page(ctx, status=["running"])


async def test_outcomes_are_read_by_line_and_grouped_by_cause(on_both: Tenants) -> None:
    ctx = await on_both()
    row = await bulk.made(ctx, bulk.lines(7))
    await bulk.moved(ctx, row.id, batch.IN_PROGRESS, total=7)
    rows = [bulk.good(1), bulk.bad(5), bulk.bad(2), bulk.bad(3, deployment_id="dep_b"), bulk.bad(6, "timeout", None, 504)]
    await bulk.settled(ctx, row.id, [*rows, bulk.bad(7)])
    first = await batch_outcomes.page(ctx, row.id, limit=2)
    assert ([item.line for item in first.items], first.has_more) == ([1, 2], True)
    rest = await batch_outcomes.page(ctx, row.id, after=2)
    assert ([item.line for item in rest.items], rest.has_more) == ([3, 5, 6, 7], False)

    async def found(**terms: object) -> list[int]:
        return [item.line for item in (await batch_outcomes.page(ctx, row.id, **terms)).items]  # type: ignore[arg-type]

    assert await found(ok=True) == [1]
    assert await found(ok=False, code="engine_error") == [2, 3, 5, 7]
    assert await found(deployment_id="dep_b") == [3]
    assert await found(after=10**17) == []
    causes = [(cause.code, cause.deployment_id, cause.count) for cause in await batch_outcomes.causes(ctx, row.id)]
    assert causes == [("engine_error", "dep_a", 3), ("engine_error", "dep_b", 1), ("timeout", None, 1)]
    assert [cause.first.line for cause in await batch_outcomes.causes(ctx, row.id)] == [2, 3, 6]


async def test_what_there_is_so_far_is_in_the_order_of_the_lines(ctx: Context) -> None:
    row = await bulk.made(ctx, bulk.lines(50))
    assert await content(await batch_outcomes.partial(ctx, row.id, True)) == b""
    await bulk.moved(ctx, row.id, batch.IN_PROGRESS, total=50)
    good = {number: bulk.good(number) for number in range(50, 0, -1) if number % 7}
    failed = {number: bulk.bad(number) for number in range(7, 50, 7)}
    wanted = b"".join(good[number].payload or b"" for number in sorted(good))
    errors = b"".join(failed[number].payload or b"" for number in sorted(failed))
    await bulk.settled(ctx, row.id, [*good.values(), *failed.values()])
    assert await content(await batch_outcomes.partial(ctx, row.id, True)) == wanted
    assert await content(await batch_outcomes.partial(ctx, row.id, False)) == errors
    token = batch_outcomes.url(ctx.core, row, False).split("/downloads/")[1].partition("/")[0]
    assert await content(await exports.open(ctx.platform, token)) == errors
    await bulk.finished(ctx, row.id, [])
    whole = await batch_outcomes.partial(ctx, row.id, True)
    assert (whole.size_bytes, await content(whole)) == (len(wanted), wanted)
    assert await content(await exports.open(ctx.platform, token)) == errors


async def test_a_download_goes_on_in_the_file_that_is_stored_meanwhile(ctx: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_outcomes, "FIRST", 2)
    monkeypatch.setattr(batch_outcomes, "AT_ONCE_BYTES", 500)
    row = await bulk.made(ctx, bulk.lines(20))
    await bulk.moved(ctx, row.id, batch.IN_PROGRESS, total=20)
    # The second line has none yet: it comes behind what has been read.
    first = {number: bulk.good(number) for number in range(1, 21) if number not in (2, 9)}
    later = {2: bulk.good(2), 9: bulk.bad(9)}
    payloads = {number: one.payload or b"" for number, one in first.items()}
    await bulk.settled(ctx, row.id, first.values())
    found = await batch_outcomes.partial(ctx, row.id, True)
    chunks = [await anext(found.stream)]
    assert chunks[0] == payloads[1] + payloads[3]
    await bulk.finished(ctx, row.id, list(later.values()))
    chunks += [chunk async for chunk in found.stream]
    assert b"".join(chunks) == b"".join(payloads[number] for number in sorted(payloads))
    assert len(chunks) > 3


async def test_the_file_of_an_ended_batch_may_be_none_or_gone(ctx: Context) -> None:
    row = await bulk.made(ctx)
    await bulk.moved(ctx, row.id, batch.IN_PROGRESS, total=3)
    done = await bulk.finished(ctx, row.id, [bulk.good(number) for number in (1, 2, 3)])
    none = await batch_outcomes.partial(ctx, row.id, False)
    assert (done.error_file_id, none.size_bytes, await content(none)) == (None, 0, b"")
    async with ctx.db.transaction() as session:
        (await session.get_one(File, done.output_file_id)).deleted_at = clock.now()
    with pytest.raises(NotFound):
        await batch_outcomes.partial(ctx, row.id, True)


async def test_a_retry_is_a_batch_of_the_failed_lines_as_they_were_written(ctx: Context) -> None:
    odd = '{"body": {"messages": [], "model": "süm"},  "custom_id":"q-2", "method": "POST", "url": "/v1/chat/completions"}\r\n'
    text = bulk.line("q-1") + odd + "\n" + bulk.line("q-4") + bulk.line("q-5").rstrip("\n")
    row = await bulk.made(ctx, text.encode(), filename="in.put.jsonl", completion_window="2h", metadata={"a": "b"})
    with pytest.raises(InvalidState):
        await batch_retries.retry(ctx, row.id)
    await bulk.moved(ctx, row.id, batch.IN_PROGRESS, total=4)
    done = await bulk.finished(ctx, row.id, [bulk.good(1), bulk.bad(2), bulk.good(4), bulk.bad(5)])
    assert batches.allowed(ctx, done) == ["download", "retry"]
    new = await batch_retries.retry(ctx, row.id)
    assert (new.retry_of, new.status, new.completion_window_s, new.labels) == (row.id, batch.VALIDATING, 7200, {"a": "b"})
    assert await stored(ctx, new.input_file_id) == odd.replace("\r\n", "\n").encode() + bulk.line("q-5").encode()
    async with ctx.db.read() as session:
        source = await session.get_one(File, new.input_file_id)
    assert (source.filename, source.purpose, source.internal) == ("in.put-retry.jsonl", "batch", False)


async def test_what_cannot_be_tried_again_leaves_nothing(ctx: Context) -> None:
    good, gone = await bulk.made(ctx), await bulk.made(ctx)
    for row in (good, gone):
        await bulk.moved(ctx, row.id, batch.IN_PROGRESS, total=1)
    await bulk.finished(ctx, good.id, [bulk.good(1)])
    await bulk.finished(ctx, gone.id, [bulk.bad(1)])
    async with ctx.db.transaction() as session:
        (await session.get_one(File, gone.input_file_id)).deleted_at = clock.now()
    invalid = await bulk.made(ctx)
    await bulk.moved(ctx, invalid.id, batch.FAILED, errors=[{"line": 1, "code": "x", "message": "m", "param": None}])
    before = await count(ctx, Batch), await count(ctx, File), await ctx.core.storage.list(ctx.account.id)
    for row in (good, gone, invalid):
        with pytest.raises(InvalidState):
            await batch_retries.retry(ctx, row.id)
    assert (await count(ctx, Batch), await count(ctx, File), await ctx.core.storage.list(ctx.account.id)) == before


async def test_a_retry_that_cannot_be_stored_leaves_no_file(ctx: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    row = await bulk.made(ctx)
    await bulk.moved(ctx, row.id, batch.IN_PROGRESS, total=1)
    await bulk.finished(ctx, row.id, [bulk.bad(1)])
    before = await ctx.core.storage.list(ctx.account.id)

    async def away(*_: object) -> Batch:
        raise ConnectionError

    monkeypatch.setattr(batches, "begin", away)
    with pytest.raises(ConnectionError):
        await batch_retries.retry(ctx, row.id)
    assert await ctx.core.storage.list(ctx.account.id) == before


async def test_the_time_left_is_told_from_what_the_host_said_last_else_from_the_mean(
    ctx: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = clock.now_micros()
    monkeypatch.setattr(clock, "now_micros", lambda: start)
    row = await bulk.made(ctx, bulk.lines(4))
    assert batch_progress.of(row, None) == batch_progress.Progress(0, None, None, 0, None, None)
    row = await bulk.moved(ctx, row.id, batch.IN_PROGRESS, total=4)
    await bulk.settled(ctx, row.id, [bulk.good(1)])
    await bulk.progressed(ctx, row.id, total=4, completed=1, in_flight=2, per_second=0.5)
    (last,) = await batches.last_rows(ctx, row.id, "progress", 1)
    row = await batches.get(ctx, row.id)
    assert batch_progress.of(row, last) == batch_progress.Progress(1, 4, 0.25, 2, 0.5, 6)
    monkeypatch.setattr(clock, "now_micros", lambda: start + 20_000_000)
    assert batch_progress.of(row, last) == batch_progress.Progress(1, 4, 0.25, 0, 0.05, 60)
    row = await bulk.finished(ctx, row.id, [bulk.good(2), bulk.bad(3), bulk.bad(4)])
    assert batch_progress.of(row, last) == batch_progress.Progress(4, 4, 1.0, 0, None, None)


async def test_a_key_that_may_only_read_changes_nothing(ctx: Context) -> None:
    row = await bulk.made(ctx)
    reader = as_reader(ctx)
    before = await count(ctx, Batch)
    for ask in (batches.cancel(reader, row.id), batch_retries.retry(reader, row.id), batches.create(reader, spec_of(row))):
        with pytest.raises(Exception, match="scope 'write'"):
            await ask
    assert (await batches.get(reader, row.id)).status == batch.VALIDATING
    assert await count(ctx, Batch) == before
    assert batches.allowed(reader, row) == []


def spec_of(row: Batch) -> BatchInput:
    return BatchInput(input_file_id=row.input_file_id, endpoint="/v1/chat/completions")


def as_reader(ctx: Context) -> Context:
    return Context(ctx.platform, ctx.account, ctx.key, "req_test", None, frozenset({"read"}))


@pytest.mark.parametrize("text", [b"", b"\n", b"a", b"a\n", b"a\n\nb", "ü\n\u2028x\r\n".encode(), b"x" * 3_000_000 + b"\ny\n"])
async def test_lines_are_read_as_they_are_and_from_any_of_them_on(core_storage: Storage, text: bytes) -> None:
    await core_storage.put("a/lines", text)
    found = [item async for item in reading.lines(core_storage, "a/lines")]
    wanted = text.split(b"\n")
    assert [line for _, line in found] == (wanted if wanted[-1] else wanted[:-1])
    for offset, line in found:
        assert text[offset : offset + len(line)] == line
        after = [item async for item in reading.lines(core_storage, "a/lines", offset)]
        assert after == [item for item in found if item[0] >= offset]


@pytest.fixture
def core_storage(ctx: Context) -> Storage:
    return ctx.core.storage
