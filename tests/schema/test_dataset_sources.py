"""Connected datasets, statistics and deletion in GraphQL: what REST does, with errors as data."""

import gzip
from collections.abc import Iterator
from typing import Any

import pytest

from burnish.kit.settings import Settings
from tests.engines.data.files import Files, serving
from tests.engines.data.test_urls import FILES, ROWS
from tests.schema.conftest import LINES, Api

pytestmark = pytest.mark.anyio

ERRORS = "errors { __typename code reason message path }"
LOOK = f"""mutation($input: DatasetSourceInput!) {{ validateDatasetSource(input: $input) {{
  validation {{ valid rowCount columns mappedColumns sample problems {{ code message line }} }} {ERRORS} }} }}"""
CONNECT = f"""mutation($input: ConnectDatasetInput!) {{ connectDataset(input: $input) {{
  dataset {{ id name sourceType sourceUri huggingfaceDataset rowCount sizeBytes sha256 columns readAt }} {ERRORS} }} }}"""
DELETE = f"mutation($input: DeleteDatasetInput!) {{ deleteDataset(input: $input) {{ deletedId {ERRORS} }} }}"
STATISTICS = """query($id: ID!, $model: String, $limit: Int) { dataset(id: $id) {
  statistics(baseModel: $model, maxPromptLength: $limit) {
    rowCount sizeBytes duplicatePrompts videoRows columns { name types missing } tokens { baseModel p50 max overLimit } } } }"""


@pytest.fixture
def settings(settings: Settings) -> Settings:
    settings.open_networks = "127.0.0.0/8"
    return settings


@pytest.fixture
def served() -> Iterator[Files]:
    with serving(dict(FILES)) as made:
        yield made


async def uploaded(api: Api, content: bytes = LINES) -> Any:
    query = """mutation($input: CreateDatasetInput!) { createDataset(input: $input) {
      dataset { id rowCount sha256 } errors { message } } }"""
    found = await api.data(query, input={"name": "sums", "uploadId": await api.upload(content)})
    assert found["createDataset"]["errors"] == []
    return found["createDataset"]["dataset"]


async def test_a_source_is_looked_into_and_connected(api: Api, served: Files) -> None:
    source = {"sourceType": "URL", "sourceUri": f"{served.url}/rows.parquet", "columnMapping": {"answer": "label"}}
    found = (await api.data(LOOK, input=source))["validateDatasetSource"]
    assert found["errors"] == []
    assert found["validation"] == {
        "valid": True,
        "rowCount": 300,
        "columns": ["prompt", "answer"],
        "mappedColumns": ["prompt", "label"],
        "sample": [{"prompt": row["prompt"], "label": row["answer"]} for row in ROWS[:5]],
        "problems": [],
    }
    made = (await api.data(CONNECT, input={"name": "rows", **source}))["connectDataset"]
    assert made["errors"] == []
    assert made["dataset"] == {
        "id": made["dataset"]["id"],
        "name": "rows",
        "sourceType": "url",
        "sourceUri": f"{served.url}/rows.parquet",
        "huggingfaceDataset": None,
        "rowCount": None,
        "sizeBytes": 0,
        "sha256": "",
        "columns": [],
        "readAt": None,
    }


async def test_credentials_are_used_before_the_answer(api: Api, served: Files) -> None:
    served.authorization = "Bearer sesame-open-1"
    source = {"sourceType": "URL", "sourceUri": f"{served.url}/rows.jsonl", "credentials": {"token": "sesame-open-1"}}
    made = (await api.data(CONNECT, input={"name": "rows", **source}))["connectDataset"]
    assert (made["errors"], made["dataset"]["rowCount"]) == ([], 300)


@pytest.mark.parametrize(
    ("source", "kind", "reason", "path"),
    [
        ({"sourceType": "URL"}, "FieldError", "schema_validation", ["sourceUri"]),
        ({"sourceType": "URL", "sourceUri": "http://10.0.0.1/a"}, "FieldError", "address_refused", ["sourceUri"]),
        (
            {"sourceType": "POSTGRES", "dbConnection": "postgres://h/d", "dbQuery": "DROP TABLE x"},
            "FieldError",
            None,
            ["dbQuery"],
        ),
        (
            {"sourceType": "URL", "sourceUri": "http://127.0.0.1:1/a", "credentials": {"token": "t"}},
            "FieldError",
            "source_unreachable",
            ["sourceUri"],
        ),
    ],
)
async def test_a_source_that_is_none_names_the_field(
    api: Api, source: dict[str, Any], kind: str, reason: str, path: list[str]
) -> None:
    found = (await api.data(CONNECT, input={"name": "rows", **source}))["connectDataset"]
    (error,) = found["errors"]
    assert (error["__typename"], error["reason"], error["path"], found["dataset"]) == (kind, reason, path, None)
    assert (await api.data("{ datasets { nodes { id } } }"))["datasets"]["nodes"] == []


async def test_an_upload_may_be_packed(api: Api) -> None:
    packed, plain = await uploaded(api, gzip.compress(LINES)), await uploaded(api)
    assert (packed["rowCount"], packed["sha256"]) == (2, plain["sha256"])


async def test_statistics_are_a_field_of_the_dataset(api: Api) -> None:
    made = await uploaded(api, LINES + LINES)
    found = (await api.data(STATISTICS, id=made["id"]))["dataset"]["statistics"]
    assert found == {
        "rowCount": 4,
        "sizeBytes": 2 * len(LINES),
        "duplicatePrompts": 2,
        "videoRows": 0,
        "columns": [
            {"name": "prompt", "types": {"string": 4}, "missing": 0},
            {"name": "answer", "types": {"string": 4}, "missing": 0},
        ],
        "tokens": None,
    }
    (error,) = (await api(STATISTICS, id=made["id"], limit=3))["errors"]
    assert (error["extensions"]["code"], error["extensions"]["param"]) == ("INVALID", "maxPromptLength")


async def test_a_dataset_is_deleted_and_hidden_everywhere(api: Api) -> None:
    made = await uploaded(api)
    gone = (await api.data(DELETE, input={"id": made["id"], "idempotencyKey": "k"}))["deleteDataset"]
    assert gone == {"deletedId": made["id"], "errors": []}
    assert (await api.data(DELETE, input={"id": made["id"], "idempotencyKey": "k"}))["deleteDataset"] == gone
    query = "query($id: ID!) { dataset(id: $id) { id } node(id: $id) { id } datasets { nodes { id } } }"
    assert await api.data(query, id=made["id"]) == {"dataset": None, "node": None, "datasets": {"nodes": []}}
    (error,) = (await api.data(DELETE, input={"id": made["id"]}))["deleteDataset"]["errors"]
    assert error["__typename"] == "NotFoundError"
