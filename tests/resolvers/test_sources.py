"""Connected datasets: looked into, made, read when they are needed; and nothing secret left anywhere."""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import select
from sqlmodel import SQLModel

from burnish.kit import clock, ids
from burnish.kit.core import Core
from burnish.kit.errors import Conflict, Forbidden, Invalid, NotFound, RateLimited, SchemaInvalid
from burnish.kit.settings import Settings
from engines.data import reading
from engines.protocol import ChildFailure
from models.dataset import Dataset
from models.integration import Integration
from resolvers import datasets, sources, statistics
from resolvers.context import Context
from resolvers.sources import ConnectInput, SourceInput
from tests.engines.bases.stub_hub import Hub
from tests.engines.bases.stub_hub import serving as hub_serving
from tests.engines.data.files import Files, serving
from tests.engines.data.test_urls import FILES, ROWS
from tests.resolvers.conftest import Tenants

pytestmark = pytest.mark.anyio
SECRET = "a-very-secret-word-9731"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """As an operator has it whose sources lie on this machine."""
    settings.open_networks = "127.0.0.0/8"
    return settings


@pytest.fixture
def served() -> Iterator[Files]:
    with serving(dict(FILES) | {"/bad.jsonl": b'{"prompt": "a"}\nnot json\n{"answer": 1}\n'}) as made:
        yield made


def spec(url: str, **more: Any) -> ConnectInput:
    return ConnectInput.model_validate({"name": "rows", "source_type": "url", "source_uri": url, **more})


def at(url: str) -> SourceInput:
    return SourceInput.model_validate({"source_type": "url", "source_uri": url})


async def heard(core: Core, row: Dataset) -> list[str]:
    """Read a dataset as a job does; return what the job's log says."""
    said: list[str] = []

    async def say(line: str) -> None:
        said.append(line)

    await reading.materialise(core, row, say)
    return said


async def everything(core: Core) -> str:
    """Return all that is stored, as one text."""
    async with core.db.read() as session:
        connection = await session.connection()
        held = [repr((await connection.execute(select(table))).all()) for table in SQLModel.metadata.sorted_tables]
    return "\n".join(held) + "\n".join(key for key, _ in await core.storage.list(""))


async def test_a_look_shows_real_rows_and_makes_nothing(ctx: Context, served: Files) -> None:
    found = await sources.validate(
        ctx, SourceInput.model_validate({"source_type": "url", "source_uri": f"{served.url}/rows.parquet"})
    )
    assert (found.valid, found.num_rows, found.columns, found.sample, found.errors) == (
        True,
        300,
        ["prompt", "answer"],
        ROWS[:5],
        [],
    )
    assert (await datasets.page(ctx)).items == []


async def test_what_is_wrong_with_a_source_is_part_of_the_answer(ctx: Context, served: Files) -> None:
    bad = await sources.validate(ctx, SourceInput.model_validate({"source_type": "url", "source_uri": f"{served.url}/bad.jsonl"}))
    assert (bad.valid, [(problem.code, problem.line) for problem in bad.errors]) == (
        False,
        [("invalid_row", 2), ("invalid_row", 3)],
    )
    gone = await sources.validate(
        ctx, SourceInput.model_validate({"source_type": "url", "source_uri": "http://127.0.0.1:1/a.jsonl"})
    )
    assert (gone.valid, gone.num_rows, gone.sample, [problem.code for problem in gone.errors]) == (
        False,
        None,
        [],
        ["source_unreachable"],
    )


async def test_a_source_without_credentials_is_read_by_its_first_job_and_once(ctx: Context, served: Files) -> None:
    row = await sources.connect(ctx, spec(f"{served.url}/rows.jsonl"))
    assert (row.num_rows, row.sha256, row.storage_key, row.columns, row.read_at) == (None, None, None, [], None)
    assert served.requests == []
    lines = await heard(ctx.core, row)
    assert lines == [
        f"Reading the dataset from its source, {served.url}/rows.jsonl",
        f"The dataset is read: 300 rows, {len(FILES['/rows.jsonl']) / 1e6:.1f} MB",
    ]
    read = await datasets.get(ctx, row.id)
    assert (read.num_rows, read.columns, read.size_bytes) == (300, ["prompt", "answer"], len(FILES["/rows.jsonl"]))
    assert read.read_at is not None and read.statistics is not None and read.storage_key is not None
    assert await ctx.core.storage.read(read.storage_key) == FILES["/rows.jsonl"]
    asked = len(served.requests)
    assert await heard(ctx.core, read) == []
    assert len(served.requests) == asked


async def test_two_jobs_at_once_get_the_same_rows_and_leave_one_file(ctx: Context, served: Files) -> None:
    row = await sources.connect(ctx, spec(f"{served.url}/rows.jsonl"))

    async def say(line: str) -> None: ...

    keys = await asyncio.gather(*(reading.materialise(ctx.core, row, say) for _ in range(3)))
    assert len(set(keys)) == 1
    assert [key for key, _ in await ctx.core.storage.list(ctx.account.id)] == [keys[0]]
    assert list(ctx.core.settings.uploads.iterdir()) == []


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("none.jsonl", "The dataset's source cannot be read: {host} answers HTTP 404: there is no such file."),
        ("bad.jsonl", "The dataset's source cannot be used: row 2: not JSON: Expecting value at column 1 (and 1 more)"),
    ],
)
async def test_a_source_that_fails_is_the_jobs_dataset_error_and_stays_unread(
    ctx: Context, served: Files, path: str, message: str
) -> None:
    row = await sources.connect(ctx, spec(f"{served.url}/{path}"))
    with pytest.raises(ChildFailure) as caught:
        await heard(ctx.core, row)
    host = served.url.removeprefix("http://")
    assert (caught.value.code, caught.value.attribution) == ("dataset_error", "user")
    assert caught.value.message == message.format(host=host)
    assert (await datasets.get(ctx, row.id)).storage_key is None
    assert await ctx.core.storage.list(ctx.account.id) == []


async def test_a_source_that_never_ends_is_left_when_the_job_is_stopped_or_its_time_is_over(ctx: Context) -> None:
    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.read()
        finally:
            writer.close()

    server = await asyncio.start_server(hang, "127.0.0.1", 0)
    async with server:
        row = await sources.connect(ctx, spec(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/a.jsonl"))
        stop = asyncio.Event()

        async def say(line: str) -> None:
            stop.set()

        async with asyncio.timeout(20):
            with pytest.raises(reading.Interrupted):
                await reading.materialise(ctx.core, row, say, (asyncio.Event(), stop))
            ctx.core.settings.source_timeout_s = 1.0
            with pytest.raises(ChildFailure, match="It took longer than 1 s"):
                await heard(ctx.core, row)
    assert list(ctx.core.settings.uploads.iterdir()) == []


async def test_with_credentials_everything_is_read_at_once_and_nothing_secret_is_kept(ctx: Context, served: Files) -> None:
    served.authorization = f"Bearer {SECRET}"
    row = await sources.connect(ctx, spec(f"{served.url}/rows.jsonl", credentials={"token": SECRET}))
    assert (row.num_rows, row.source_uri) == (300, f"{served.url}/rows.jsonl")
    served.authorization = None
    signed = await sources.connect(ctx, spec(f"{served.url}/rows.jsonl?X-Amz-Signature={SECRET}"))
    inside = await sources.connect(ctx, spec(f"{served.url.replace('//', f'//user:{SECRET}@')}/rows.jsonl"))
    for made in (signed, inside):
        assert (made.num_rows, made.source_uri, made.connection) == (300, row.source_uri, row.connection)
    assert served.requests[-1][0] == "/rows.jsonl"
    assert served.requests[-1][1] is not None, "the userinfo of the URL is sent"
    assert SECRET not in await everything(ctx.core)


@pytest.mark.parametrize(
    "source",
    [
        {"source_type": "url", "source_uri": "http://127.0.0.1:1/a.jsonl", "credentials": {"token": SECRET}},
        {"source_type": "url", "source_uri": f"http://u:{SECRET}@127.0.0.1:1/a.jsonl"},
        {
            "source_type": "s3",
            "source_uri": "s3://bucket/a.jsonl",
            "credentials": {"access_key_id": "k", "secret_access_key": SECRET, "endpoint_url": "http://127.0.0.1:1"},
        },
        {"source_type": "postgres", "db_connection": f"postgres://u:{SECRET}@127.0.0.1:1/d", "db_query": "SELECT 1"},
        {"source_type": "mysql", "db_connection": f"mysql://u:{SECRET}@127.0.0.1:1/d", "db_query": "SELECT 1"},
    ],
)
async def test_a_source_that_cannot_be_read_with_its_credentials_is_not_connected(ctx: Context, source: dict[str, Any]) -> None:
    given = {"name": "rows", **source}
    with pytest.raises(Invalid) as caught:
        await sources.connect(ctx, ConnectInput.model_validate(given))
    assert caught.value.code == "source_unreachable"
    assert SECRET not in caught.value.message + json.dumps(caught.value.details)
    assert SECRET not in await everything(ctx.core)
    assert (await datasets.page(ctx)).items == []
    found = await sources.validate(ctx, SourceInput.model_validate(source))
    assert [problem.code for problem in found.errors] == ["source_unreachable"]
    assert SECRET not in repr(found)


URL, S3, HF, POSTGRES = ({"source_type": kind} for kind in ("url", "s3", "hf", "postgres"))


@pytest.mark.parametrize(
    ("source", "error", "param"),
    [
        ({"source_type": "volume"}, Invalid, "source_type"),
        (URL, SchemaInvalid, "source_uri"),
        ({**URL, "source_uri": "https://a.b/c", "db_query": "SELECT 1"}, SchemaInvalid, "db_query"),
        ({**URL, "source_uri": "ftp://a.b/c"}, Invalid, "source_uri"),
        ({**URL, "source_uri": "file:///etc/passwd"}, Invalid, "source_uri"),
        ({**URL, "source_uri": "https://"}, Invalid, "source_uri"),
        ({**URL, "source_uri": "https://a.b:99999/c"}, Invalid, "source_uri"),
        ({**URL, "source_uri": "https://a.b/c", "credentials": {"key": "x"}}, SchemaInvalid, "credentials"),
        ({**URL, "source_uri": "https://a.b/c", "credentials": {"token": ""}}, SchemaInvalid, "credentials.token"),
        ({**URL, "source_uri": "https://a.b/c", "credentials": {"username": "u"}}, Invalid, "credentials"),
        ({**S3, "source_uri": "gs://bucket/a"}, Invalid, "source_uri"),
        ({**S3, "source_uri": "s3://bucket/"}, Invalid, "source_uri"),
        ({**S3, "source_uri": "s3://bucket/a/../b"}, Invalid, "source_uri"),
        ({**S3, "source_uri": "s3://bucket/a", "credentials": {"access_key_id": "k"}}, Invalid, "credentials"),
        (
            {**S3, "source_uri": "s3://bucket/a", "credentials": {"endpoint_url": "file:///x"}},
            Invalid,
            "credentials.endpoint_url",
        ),
        ({"source_type": "az", "source_uri": "az://box/a"}, Invalid, "credentials.account_name"),
        (
            {"source_type": "gs", "source_uri": "gs://bucket/a", "credentials": {"service_account_key": "x"}},
            Invalid,
            "credentials.service_account_key",
        ),
        ({**POSTGRES, "db_connection": "postgres://h/d"}, SchemaInvalid, "db_query"),
        ({**POSTGRES, "db_connection": "mysql://h/d", "db_query": "SELECT 1"}, Invalid, "db_connection"),
        ({**POSTGRES, "db_connection": "postgres:///d", "db_query": "SELECT 1"}, Invalid, "db_connection"),
        ({**POSTGRES, "db_connection": "postgres://a,b/d", "db_query": "SELECT 1"}, Invalid, "db_connection"),
        (
            {**POSTGRES, "db_connection": "postgres://h/d?passfile=/etc/passwd", "db_query": "SELECT 1"},
            Invalid,
            "db_connection",
        ),
        ({**POSTGRES, "db_connection": "postgres://h/d?host=10.0.0.1", "db_query": "SELECT 1"}, Invalid, "db_connection"),
        ({**POSTGRES, "db_connection": "postgres://h/d", "db_query": "DROP TABLE x"}, Invalid, "db_query"),
        ({"source_type": "mysql", "db_connection": "mysql://h/d", "db_query": "SELECT 1; SELECT 2"}, Invalid, "db_query"),
        ({**HF, "huggingface_dataset": "../../etc"}, Invalid, "huggingface_dataset"),
        ({**HF, "huggingface_dataset": "a/b/c"}, Invalid, "huggingface_dataset"),
        (
            {**HF, "huggingface_dataset": "a/b", "huggingface_config": {"column_mapping": {"a": "p", "b": "p"}}},
            Invalid,
            "column_mapping",
        ),
    ],
)
async def test_a_description_that_is_none_names_the_field(
    ctx: Context, source: dict[str, Any], error: type[Invalid], param: str
) -> None:
    with pytest.raises(Invalid) as caught:
        await sources.validate(ctx, SourceInput.model_validate(source))
    assert (type(caught.value), caught.value.param) == (error, param)
    with pytest.raises(Invalid):
        await sources.connect(ctx, ConnectInput.model_validate({"name": "rows", **source}))
    assert (await datasets.page(ctx)).items == []


@pytest.mark.parametrize(
    "source",
    [
        {"source_type": "url", "source_uri": "http://169.254.169.254/latest/meta-data"},
        {"source_type": "url", "source_uri": "http://2852039166/"},
        {"source_type": "url", "source_uri": "https://[::ffff:10.0.0.1]/a.jsonl"},
        {"source_type": "s3", "source_uri": "s3://bucket/a", "credentials": {"endpoint_url": "http://10.0.0.1:9000"}},
        {"source_type": "postgres", "db_connection": "postgres://192.168.0.1/d", "db_query": "SELECT 1"},
        {"source_type": "mysql", "db_connection": "mysql://100.64.0.1/d", "db_query": "SELECT 1"},
    ],
)
async def test_an_address_inside_is_never_connected(ctx: Context, source: dict[str, Any]) -> None:
    with pytest.raises(Invalid) as caught:
        await sources.connect(ctx, ConnectInput.model_validate({"name": "rows", **source}))
    assert caught.value.code == "address_refused"
    assert (await datasets.page(ctx)).items == []
    found = await sources.validate(ctx, SourceInput.model_validate(source))
    assert [problem.code for problem in found.errors] == ["address_refused"]


async def test_the_accounts_own_token_of_the_hub_is_used_where_none_is_given(
    ctx: Context, tenants: Tenants, monkeypatch: pytest.MonkeyPatch
) -> None:
    with hub_serving(Hub({"acme/rows": {"train.jsonl": b'{"question": "q"}\n'}}, token="hf_of_the_account")) as stub:
        monkeypatch.setenv("HF_ENDPOINT", stub.url)
        config = {"column_mapping": {"question": "prompt"}}
        given = {"name": "rows", "source_type": "hf", "huggingface_dataset": "acme/rows", "huggingface_config": config}
        row = await sources.connect(ctx, ConnectInput.model_validate(given))
        assert (row.huggingface_dataset, row.source_uri, row.num_rows) == ("acme/rows", None, None)
        with pytest.raises(ChildFailure, match="is gated"):
            await heard(ctx.core, row)
        await keep_token(ctx, "hf_of_the_account")
        await heard(ctx.core, row)
        read = await datasets.get(ctx, row.id)
        assert read.storage_key is not None
        assert json.loads(await ctx.core.storage.read(read.storage_key)) == {"question": "q", "prompt": "q"}
        own = {**given, "huggingface_config": {**config, "token": "hf_of_the_account"}}
        assert (await sources.connect(await tenants("other"), ConnectInput.model_validate(own))).num_rows == 1
    assert "hf_of_the_account" not in await everything(ctx.core)


async def keep_token(ctx: Context, token: str) -> None:
    row_id, now = ids.new("int"), clock.now()
    async with ctx.db.transaction() as session:
        session.add(
            Integration(
                id=row_id,
                account_id=ctx.account.id,
                provider="huggingface",
                key_prefix="hf_",
                sealed_secret=ctx.core.secrets.encrypt(token, row_id),
                created_at=now,
                updated_at=now,
            )
        )


async def test_a_replay_makes_one_dataset_and_reads_once(ctx: Context, served: Files) -> None:
    served.authorization = f"Bearer {SECRET}"
    again = replace(ctx, idempotency_key="once")
    given = spec(f"{served.url}/rows.jsonl", credentials={"token": SECRET})
    first = await sources.connect(again, given)
    asked = len(served.requests)
    assert (await sources.connect(again, given)).id == first.id
    assert len(served.requests) == asked
    with pytest.raises(Conflict):
        await sources.connect(again, spec(f"{served.url}/rows.jsonl", credentials={"token": "another"}))
    assert [key for key, _ in await ctx.core.storage.list(ctx.account.id)] == [first.storage_key]


async def test_reading_much_at_once_is_limited_for_each_account(ctx: Context, tenants: Tenants, served: Files) -> None:
    ctx.platform.reading[ctx.account.id] = sources.READ_AT_ONCE
    look = at(f"{served.url}/rows.jsonl")
    with pytest.raises(RateLimited):
        await sources.validate(ctx, look)
    assert served.requests == []
    assert (await sources.validate(await tenants("other"), look)).valid


async def test_connecting_needs_its_scope(ctx: Context, served: Files) -> None:
    reader = replace(ctx, scopes=frozenset({"read"}))
    with pytest.raises(Forbidden):
        await sources.connect(reader, spec(f"{served.url}/rows.jsonl"))
    with pytest.raises(Forbidden):
        await sources.validate(reader, spec(f"{served.url}/rows.jsonl"))
    with pytest.raises(Forbidden):
        await datasets.delete(reader, "ds_any")
    assert served.requests == []


async def test_statistics_are_there_once_the_rows_are(ctx: Context, tenants: Tenants, served: Files) -> None:
    row = await sources.connect(ctx, spec(f"{served.url}/rows.jsonl"))
    before = await statistics.read(ctx, row.id)
    assert (before.num_rows, before.columns, before.duplicate_prompts, before.tokens) == (None, None, None, None)
    with pytest.raises(Invalid, match="has not been read yet"):
        await statistics.read(ctx, row.id, base_model="tiny")
    await heard(ctx.core, row)
    after = await statistics.read(ctx, row.id)
    assert (after.num_rows, after.duplicate_prompts, after.video_rows) == (300, 0, 0)
    assert after.columns == [
        statistics.Column("prompt", {"string": 300}, 0),
        statistics.Column("answer", {"integer": 300}, 0),
    ]
    with pytest.raises(NotFound):
        await statistics.read(await tenants("other"), row.id)
