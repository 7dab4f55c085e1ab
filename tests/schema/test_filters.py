"""Which items a list gives: filters of every noun, of logs too, and the pages of what belongs to one thing."""

from datetime import timedelta
from typing import Any

import pytest

from burnish.kit import clock
from models import job
from resolvers.cursors import Cursor
from tests.schema.conftest import Api, NewRun
from tests.schema.test_statements import fill

pytestmark = pytest.mark.anyio

LOGS = """query($id: ID!, $first: Int! = 2, $after: Cursor, $filter: LogFilter) { job(id: $id) {
  logs(first: $first, after: $after, filter: $filter) { nodes { message } pageInfo { hasNextPage endCursor } } } }"""


async def names(api: Api, arguments: str, *, of: str = "jobs", name: str = "outputName", **variables: Any) -> list[str]:
    """Return the names of a list's items."""
    declared = "($at: DateTime)" if "at" in variables else ""
    found = await api.data(f"query{declared} {{ {of}({arguments}) {{ nodes {{ {name} }} }} }}", **variables)
    return [node[name] for node in found[of]["nodes"]]


async def test_jobs_are_filtered_by_all_of_what_is_given(api: Api, new_run: NewRun) -> None:
    one, two, three = [await new_run(output_name=name) for name in ("sums_one", "SUMS-two", "poems")]
    await three.move(job.CANCELLED)
    used = (await api.data("query($id: ID!) { job(id: $id) { dataset { id } rewardFunction { id } createdAt } }", id=two.id))[
        "job"
    ]
    cases = {
        'filter: {search: "sums"}': ["SUMS-two", "sums_one"],
        'filter: {search: "s_o"}': ["sums_one"],
        'filter: {search: "%"}': [],
        f'filter: {{search: "{one.id}"}}': ["sums_one"],
        "filter: {status: [CANCELLED]}": ["poems"],
        'filter: {status: [CANCELLED], search: "sums"}': [],
        'filter: {baseModel: "tiny"}': ["poems", "SUMS-two", "sums_one"],
        'filter: {baseModel: "other"}': [],
        f'filter: {{datasetId: "{used["dataset"]["id"]}"}}': ["SUMS-two"],
        f'filter: {{rewardFunctionId: "{used["rewardFunction"]["id"]}"}}': ["SUMS-two"],
        "filter: null": ["poems", "SUMS-two", "sums_one"],
    }
    for arguments, expected in cases.items():
        assert await names(api, arguments) == expected, arguments
    assert await names(api, "filter: {createdAfter: $at}", at=used["createdAt"]) == ["poems", "SUMS-two"]
    assert await names(api, "filter: {createdBefore: $at}", at=used["createdAt"]) == ["sums_one"]
    other = Api(api.server, await api.server.new_tenant("other"))
    assert await names(other, f'filter: {{datasetId: "{used["dataset"]["id"]}"}}') == []


async def test_what_jobs_are_made_of_and_what_is_made_of_them_is_filtered(api: Api) -> None:
    await fill(api, 3)
    newest = (await api.data("{ jobs(first: 1) { nodes { id } } }"))["jobs"]["nodes"][0]["id"]
    soon = (clock.now() + timedelta(hours=1)).isoformat()
    lists = {
        "datasets": (('search: "A-1"', ["data-1"]), ("createdAfter: $at", []), ("createdBefore: $at, first: 1", ["data-2"])),
        "rewardFunctions": (
            ('search: "-1"', ["reward-1"]),
            ("createdAfter: $at", []),
            ("createdBefore: $at, first: 1", ["reward-2"]),
        ),
        "deployments": (
            ('filter: {search: "SERVE-0"}', ["serve-0"]),
            (f'filter: {{model: "{newest}"}}', ["serve-2"]),
            ("filter: {source: HUGGINGFACE}", []),
            ('status: [SERVING], filter: {search: "2"}', ["serve-2"]),
            ("filter: {createdAfter: $at}", []),
        ),
    }
    for of, cases in lists.items():
        for arguments, expected in cases:
            variables = {"at": soon} if "$at" in arguments else {}
            assert await names(api, arguments, of=of, name="name", **variables) == expected, arguments
    checkpoints = "query($id: ID!) { checkpoints(filter: {jobId: $id, final: true}) { nodes { step job { id } } } }"
    assert (await api.data(checkpoints, id=newest))["checkpoints"]["nodes"] == [{"step": 2, "job": {"id": newest}}]
    assert await names(api, "filter: {final: false}", of="checkpoints", name="id") == []
    assert len(await names(api, "first: 2", of="checkpoints", name="id")) == 2


async def test_keys_that_are_not_in_force_are_listed_on_request(api: Api) -> None:
    made = await api.data('mutation { createApiKey(input: {name: "old"}) { apiKey { id } } }')
    key_id = made["createApiKey"]["apiKey"]["id"]
    await api.data("mutation($id: ID!) { revokeApiKey(input: {id: $id}) { apiKey { id } } }", id=key_id)
    assert await names(api, "first: 20", of="apiKeys", name="name") == ["default"]
    assert await names(api, "active: false", of="apiKeys", name="name") == ["old", "default"]
    assert await names(api, 'active: false, search: "OL"', of="apiKeys", name="name") == ["old"]
    found = await api.data("query($id: ID!) { apiKey(id: $id) { name revokedAt } }", id=key_id)
    assert (found["apiKey"]["name"], found["apiKey"]["revokedAt"] is not None) == ("old", True)


async def test_the_jobs_of_a_dataset_are_paged(api: Api, new_run: NewRun) -> None:
    run = await new_run(output_name="one")
    found = (await api.data("query($id: ID!) { job(id: $id) { dataset { id } rewardFunction { id } } }", id=run.id))["job"]
    create = "mutation($input: TrainingJobInput!) { createTrainingJob(input: $input) { job { id } errors { message } } }"
    for name in ("two", "three"):
        made = {"baseModel": "tiny", "outputName": name, "hardware": {"type": "CPU"}, "datasetId": found["dataset"]["id"]}
        answer = await api.data(create, input=made | {"rewardFunctionId": found["rewardFunction"]["id"]})
        assert answer["createTrainingJob"]["errors"] == []
    for kind, thing in (("Dataset", found["dataset"]), ("RewardFunction", found["rewardFunction"])):
        query = f"""query($id: ID!, $after: Cursor) {{ node(id: $id) {{ ... on {kind} {{
          jobs(first: 2, after: $after) {{ nodes {{ outputName dataset {{ id }} }}
            pageInfo {{ hasNextPage endCursor }} }} }} }} }}"""
        first = (await api.data(query, id=thing["id"]))["node"]["jobs"]
        assert [node["outputName"] for node in first["nodes"]] == ["three", "two"]
        assert [node["dataset"] for node in first["nodes"]] == [found["dataset"]] * 2
        rest = (await api.data(query, id=thing["id"], after=first["pageInfo"]["endCursor"]))["node"]["jobs"]
        assert [node["outputName"] for node in rest["nodes"]] == ["one"]
        assert (first["pageInfo"]["hasNextPage"], rest["pageInfo"]["hasNextPage"]) == (True, False)
        (error,) = (
            await api("query($after: Cursor) { jobs(after: $after) { nodes { id } } }", after=first["pageInfo"]["endCursor"])
        )["errors"]
        assert error["extensions"]["reason"] == "invalid_cursor"


async def pages(api: Api, job_id: str, wanted: dict[str, Any], first: int = 2) -> tuple[list[str], int]:
    """Read a filtered log to its end; return the lines and how many pages that took."""
    after: Cursor | None = None
    lines: list[str] = []
    for count in range(1, 50):
        page = (await api.data(LOGS, id=job_id, first=first, after=after, filter=wanted))["job"]["logs"]
        lines += [node["message"] for node in page["nodes"]]
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            return lines, count
    raise AssertionError("the log never ends")


async def test_a_log_is_filtered_by_all_of_what_is_given(api: Api, new_run: NewRun) -> None:
    run = await new_run()
    await run.log("Loss 0.5", "loss 0.25", "saved")
    line = {"at": clock.now().isoformat(), "level": "error", "source": "stderr", "message": "LOSS is NaN"}
    await run.append("logs", [line], attempt=2)
    assert await pages(api, run.id, {"search": "loss"}) == (["Loss 0.5", "loss 0.25", "LOSS is NaN"], 2)
    assert await pages(api, run.id, {"search": "loss", "attempt": 1}) == (["Loss 0.5", "loss 0.25"], 2)
    assert await pages(api, run.id, {"levels": ["ERROR"]}) == (["LOSS is NaN"], 1)
    assert await pages(api, run.id, {"sources": ["platform", "stderr"]}) == (["Status: queued", "LOSS is NaN"], 1)
    assert await pages(api, run.id, {"levels": []}) == ([], 1)
    assert await pages(api, run.id, {}) == (["Status: queued", "Loss 0.5", "loss 0.25", "saved", "LOSS is NaN"], 3)
