"""All that is wrong with a file is found at once, by line, and nothing of it is sent."""

from collections.abc import AsyncIterator

import pytest

from burnish.kit.settings import Settings
from engines.bulk import reading
from models import batch
from models.file import File
from tests.engines.bulk.working import CHAT, FakePool, Installation, request
from tests.models import rows

pytestmark = pytest.mark.anyio
PARSE = "This line is not parseable as valid JSON: "


async def problems(installation: Installation, content: bytes | list[bytes]) -> list[tuple[int | None, str, str | None]]:
    """Return line, code and parameter of what is wrong, as the batch and its error file tell it."""
    batch_id = await installation.batch(content)
    pool = FakePool()
    row = await installation.work(batch_id, pool)
    told = await installation.lines(row.error_file_id)
    assert (row.status, row.output_file_id, row.total, pool.asked) == ("failed", None, 0, [])
    assert row.problem_count == len(told)
    assert row.errors == told[:100]
    assert await installation.outcomes(batch_id) == []
    return [(each["line"], each["code"], each["param"]) for each in told]


async def test_every_problem_of_every_line_is_told(any_installation: Installation) -> None:
    body = {"model": "dep"}
    found = await problems(
        any_installation,
        [
            request("good"),
            b"{broken",
            b"[1]",
            b"",
            b"{}",
            request("good"),
            request(""),
            request(7),
            request("x" * 513),
            b'{"custom_id":"\\u0000","method":"POST","url":"' + CHAT.encode() + b'","body":{"model":"dep"}}',
            request("method", method="GET"),
            request("url", url="/v1/completions"),
            request("body", body=[]),
            request("stream", body={**body, "stream": True}),
            request("quiet", body={**body, "stream": False}),
            request("none", body={}),
            request("number", body={"model": 3}),
            request("unknown", body={"model": "gpt-5"}),
            request("zero", body={"model": "\0"}),
            b'{"custom_id":"half \\ud800","method":"POST","url":"' + CHAT.encode() + b'","body":{"model":"dep"}}',
            b"\xff\xfe",
            request("all", method="PUT", url="/", body={"stream": 1}),
        ],
    )
    assert found == [
        (2, "invalid_json_line", None),
        (3, "invalid_json_line", None),
        (5, "missing_required_parameter", "custom_id"),
        (5, "missing_required_parameter", "method"),
        (5, "missing_required_parameter", "url"),
        (5, "missing_required_parameter", "body"),
        (6, "duplicate_custom_id", "custom_id"),
        (7, "invalid_custom_id", "custom_id"),
        (8, "invalid_type", "custom_id"),
        (9, "invalid_custom_id", "custom_id"),
        (10, "invalid_custom_id", "custom_id"),
        (11, "invalid_method", "method"),
        (12, "invalid_url", "url"),
        (13, "invalid_type", "body"),
        (14, "stream_not_supported", "body.stream"),
        (16, "missing_required_parameter", "body.model"),
        (17, "invalid_type", "body.model"),
        (18, "model_not_found", "body.model"),
        (19, "model_not_found", "body.model"),
        (20, "invalid_json_line", None),
        (21, "invalid_json_line", None),
        (22, "invalid_method", "method"),
        (22, "invalid_url", "url"),
        (22, "stream_not_supported", "body.stream"),
        (22, "missing_required_parameter", "body.model"),
    ]


async def test_messages_say_what_is_wrong_and_where(installation: Installation) -> None:
    batch_id = await installation.batch([b'{"a":', request("x"), request("y", url="/x"), request("x")])
    row = await installation.work(batch_id, FakePool())
    assert row.errors is not None
    assert [each["message"] for each in row.errors] == [
        PARSE + "unexpected end of data at column 6.",
        f"The URL is not the endpoint of the batch, '{CHAT}'.",
        "The custom_id of this request is that of line 2: each is unique in a batch.",
    ]


@pytest.mark.parametrize("content", [b"", b"\n \r\n\n", b"\xef\xbb\xbf"])
async def test_a_file_without_requests(installation: Installation, content: bytes) -> None:
    assert await problems(installation, content) == [(None, "empty_file", None)]


async def test_a_file_with_too_many_requests(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch, "MOST_LINES", 3)
    lines = [request(str(number)) for number in range(3)]
    assert (await installation.work(await installation.batch(lines), FakePool())).status == "completed"
    assert await problems(installation, [*lines, b"{", b"{"]) == [(None, "too_many_tasks", None)]


async def test_a_file_of_blank_lines_is_not_read_for_ever(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engines.bulk.validate.MOST_WITH_BLANKS", 4)
    lines = [request("a"), b"", b"", request("b")]
    assert (await installation.work(await installation.batch(lines), FakePool())).status == "completed"
    assert await problems(installation, [*lines, b""]) == [(None, "too_many_tasks", None)]


async def test_a_line_that_is_too_long_is_never_held_whole(settings: Settings) -> None:
    installation = Installation(settings.model_copy(update={"max_line_bytes": 1000}))
    await installation.begin()
    long = request("long", body={"model": "dep", "text": "x" * 5_000_000})
    assert await problems(installation, [request("a"), long, request("a")]) == [
        (2, "line_too_long", None),
        (3, "duplicate_custom_id", "custom_id"),
    ]
    batch_id = await installation.batch([request("a"), long, request("b")])
    row = await installation.row(batch_id)
    async with installation.core.db.read() as session:
        key = (await session.get_one(File, row.input_file_id)).storage_key
    held = [(offset, len(line)) async for offset, line in reading.lines(installation.core.storage, key, longest=1000)]
    first = len(request("a")) + 1
    assert [offset for offset, _ in held] == [0, first, first + len(long) + 1]
    assert 1000 < held[1][1] < 5_000_000
    await installation.core.close()


@pytest.mark.parametrize("status", ["stopped", "failed"])
async def test_a_deployment_that_has_ended_is_not_found(installation: Installation, status: str) -> None:
    ended = await rows.deployment(installation.core.db, name="old", status=status)
    batch_id = await installation.batch([request("a", body={"model": ended}), request("b", body={"model": "old"})])
    row = await installation.work(batch_id, FakePool())
    assert row.errors is not None
    assert [(each["code"], each["message"]) for each in row.errors] == [
        ("model_not_found", f"The deployment '{ended}' is {status}."),
        ("model_not_found", "The model 'old' names no active deployment of this account."),
    ]


async def test_the_deployment_of_another_account_is_not_found(installation: Installation) -> None:
    await rows.account(installation.core.db, name="other")
    other = await rows.deployment(installation.core.db, "other", name="theirs", status="serving")
    found = await problems(installation, [request("a", body={"model": other}), request("b", body={"model": "theirs"})])
    assert [code for _, code, _ in found] == ["model_not_found"] * 2


async def test_a_deployment_goes_by_each_of_its_names(installation: Installation) -> None:
    models = ["dep", "acct/dep", installation.deployment_id, f"deploy_id:{installation.deployment_id}"]
    pool = FakePool()
    batch_id = await installation.batch([request(model, body={"model": model}) for model in models])
    row = await installation.work(batch_id, pool)
    assert (row.status, row.model) == ("completed", None)
    assert {line.deployment_id for line in pool.asked} == {installation.deployment_id}


async def test_a_file_that_is_gone(installation: Installation) -> None:
    batch_id = await installation.batch([request("a")])
    await installation.core.storage.delete("acct/files")
    row = await installation.work(batch_id, FakePool())
    assert (row.status, [each["code"] for each in row.errors or []]) == ("failed", ["file_not_found"])


async def test_lines_are_the_same_however_the_file_is_cut(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    data = b"one\n\ntwo\r\nthree"

    size = 0

    async def pieces(key: str, *, offset: int = 0) -> AsyncIterator[bytes]:
        for start in range(offset, len(data), size):
            yield data[start : start + size]

    monkeypatch.setattr(installation.core.storage, "stream", pieces)
    for size in range(1, len(data) + 1):  # noqa: B007
        found = [each async for each in reading.lines(installation.core.storage, "key")]
        assert found == [(0, b"one"), (4, b""), (5, b"two\r"), (10, b"three")]
        assert [each async for each in reading.lines(installation.core.storage, "key", offset=5)] == found[2:]
