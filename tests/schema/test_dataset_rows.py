"""A dataset's rows through GraphQL."""

from typing import Any

import pytest

from tests.schema.conftest import Api

pytestmark = pytest.mark.anyio
CREATE = (
    """mutation($upload: ID!) { createDataset(input: {name: "d", uploadId: $upload}) { dataset { id } errors { message } } }"""
)
ROWS = """query($id: ID!, $first: Int! = 2, $after: Cursor, $offset: Int, $search: String) { dataset(id: $id) {
  rows(first: $first, after: $after, offset: $offset, search: $search) { nodes { number sizeBytes data preview }
    edges { cursor } pageInfo { hasNextPage endCursor } } } }"""


@pytest.fixture
async def dataset_id(api: Api) -> str:
    content = b"".join(b'{"prompt": "%d", "big": 123456789012345678901234567890}\n' % number for number in range(5))
    made = await api.data(CREATE, upload=await api.upload(content))
    found: str = made["createDataset"]["dataset"]["id"]
    return found


async def test_rows_are_paged_jumped_to_and_searched(api: Api, dataset_id: str) -> None:
    async def rows(**given: Any) -> Any:
        return (await api.data(ROWS, id=dataset_id, **given))["dataset"]["rows"]

    page = await rows()
    assert [node["number"] for node in page["nodes"]] == [0, 1]
    assert page["nodes"][0] == {
        "number": 0,
        "sizeBytes": 54,
        "data": {"prompt": "0", "big": 123456789012345678901234567890.0},
        "preview": '{"prompt": "0", "big": 123456789012345678901234567890}',
    }
    assert (page["pageInfo"]["hasNextPage"], page["pageInfo"]["endCursor"]) == (True, page["edges"][1]["cursor"])
    page = await rows(after=page["pageInfo"]["endCursor"], first=100)
    assert ([node["number"] for node in page["nodes"]], page["pageInfo"]["hasNextPage"]) == ([2, 3, 4], False)
    assert [node["number"] for node in (await rows(offset=3))["nodes"]] == [3, 4]
    assert [node["number"] for node in (await rows(search='"3"'))["nodes"]] == [3]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"offset": -1}, "Rows are numbered from 0."),
        ({"first": 101}, "first is 1 to 100."),
        ({"after": "x", "offset": 1}, "Give either a cursor or the number of a row."),
    ],
)
async def test_a_page_that_cannot_be_is_refused(api: Api, dataset_id: str, given: dict[str, Any], message: str) -> None:
    (error,) = (await api(ROWS, id=dataset_id, **given))["errors"]
    assert error["message"] == message


async def test_a_model_that_nobody_has_renders_nothing(api: Api, dataset_id: str) -> None:
    query = 'query($id: ID!) { dataset(id: $id) { rendered(baseModel: "no such") { tokens pieces { text special } } } }'
    (error,) = (await api(query, id=dataset_id))["errors"]
    assert error["extensions"]["code"] == "INVALID"
