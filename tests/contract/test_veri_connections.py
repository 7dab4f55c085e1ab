"""Sources as the published clients connect them: the hub from both, buckets and databases from 0.2.1, which has the commands."""

from typing import Any

import pytest

from burnish.kit.settings import Settings
from tests.conftest import Server
from tests.contract.published import Published, Refused
from tests.engines.data.files import serving
from tests.engines.data.test_databases import database

__all__ = ["database"]
pytestmark = pytest.mark.anyio
ROWS = b'{"question": "1+1", "answer": "2"}\n{"question": "2+2", "answer": "4"}\n'


@pytest.fixture
def settings(settings: Settings) -> Settings:
    settings.open_networks = "127.0.0.0/8"
    return settings


async def test_the_hub(logged_in: Published) -> None:
    options = ("--config", "main", "--split", "train", "--map", "question=prompt", "--map", "answer=label")
    made = await logged_in.cli("datasets", "connect-hf", "openai/gsm8k", *options)
    (row,) = made.rows
    assert row[1:] == ["openai-gsm8k", "hf", "", "openai/gsm8k"]
    assert made.stdout.startswith(f"Connected {row[0]}.\n")
    shown = (await logged_in.cli("datasets", "get", row[0], "--json")).json
    assert shown == {
        "id": row[0],
        "name": "openai-gsm8k",
        "source_type": "hf",
        "source_uri": "",
        "huggingface_dataset": "openai/gsm8k",
    }


async def test_a_look_at_a_source(veri: Published) -> None:
    with serving({"/a.jsonl": ROWS}) as served:
        source: dict[str, Any] = {"source_type": "url", "source_uri": f"{served.url}/a.jsonl"}
        found = await veri.sdk("datasets.validate", **source, column_mapping={"question": "prompt", "answer": "label"})
        assert (found["valid"], found["num_rows"], found["mapped_columns"]) == (True, 2, ["prompt", "label"])
        assert found["sample"] == [{"prompt": "1+1", "label": "2"}, {"prompt": "2+2", "label": "4"}]
        gone = await veri.sdk("datasets.validate", **{**source, "source_uri": f"{served.url}/gone.jsonl"})
        assert (gone["valid"], [error["code"] for error in gone["errors"]]) == (False, ["source_not_found"])
    assert await veri.sdk("datasets.list") == []


async def test_what_cannot_be_fetched_is_refused_at_once(veri: Published) -> None:
    with pytest.raises(Refused):
        await veri.sdk("datasets.connect", "corpus", "volume")
    assert await veri.sdk("datasets.list") == []


@pytest.mark.parametrize("version", ["0.2.1"])
async def test_a_bucket(logged_in: Published) -> None:
    (row,) = (await logged_in.cli("datasets", "connect-s3", "s3://corpus/train.jsonl")).rows
    assert row[1:] == ["train.jsonl", "s3", "s3://corpus/train.jsonl", ""]


@pytest.mark.parametrize("version", ["0.2.1"])
async def test_a_database(logged_in: Published, server: Server, database: str) -> None:
    address = database.replace("postgres://", "postgres://postgres@")
    query = ("--query", "SELECT prompt, id FROM rows ORDER BY id LIMIT 3", "--name", "three")
    (row,) = (await logged_in.cli("datasets", "connect-postgres", address, *query)).rows
    assert row[1:3] == ["three", "postgres"]
    # Nothing secret is kept, so the rows are read while the credentials are there.
    async with server.client() as client:
        made = (await client.get(f"/v1/datasets/{row[0]}")).json()
    assert made["num_rows"] == 3
    refused = await logged_in.cli("datasets", "connect-postgres", address, "--query", "DROP TABLE rows", code=1)
    assert "400 Bad Request" in refused.stderr
