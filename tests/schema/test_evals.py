"""Evals over GraphQL: made, run, read, compared, followed."""

from pathlib import Path
from typing import Any

import pytest

from models import eval as evaluation
from tests.conftest import Server
from tests.rest_compat import evaluated
from tests.rest_compat.evaluated import EXACT
from tests.schema.conftest import Answer, Api, Sockets

pytestmark = pytest.mark.anyio
CREATE = """mutation($input: CreateEvalInput!) { createEval(input: $input) {
    eval { id name scorers generationParams viewerCan dataset { id } runs { nodes { id } } } errors { code path message } } }"""
START = """mutation($input: StartEvalRunInput!) { startEvalRun(input: $input) {
    run { id status model rows samples generationParams ownsDeployment viewerCan eval { id } deployment { id }
        progress { answered processed total fraction etaSeconds } results { answered } } errors { code path message } } }"""
CANCEL = "mutation($input: CancelEvalRunInput!) { cancelEvalRun(input: $input) { run { status } errors { code path } } }"
DELETE = "mutation($input: DeleteEvalInput!) { deleteEval(input: $input) { deletedId errors { code path } } }"
RUN = """query($id: ID!) { evalRun(id: $id) { status error cost { amount } progress { processed total fraction }
    results { answered unanswered score { ...F } scorers { name figures { ...F } } } events { nodes { type } } } }
    fragment F on EvalFigures { mean low high count missing passAtK { k value } }"""
ITEMS = """query($id: ID!, $first: Int, $after: Cursor, $filter: EvalItemFilter! = ALL) {
    evalItems(runId: $id, first: $first, after: $after, filter: $filter) { pageInfo { hasNextPage endCursor }
        nodes { itemIndex sample input output label score scores { name value error } latencyMs error } } }"""
COMPARE = """query($a: ID!, $b: ID!, $first: Int, $after: Cursor, $changed: Boolean! = false) {
    compareEvalRuns(a: $a, b: $b) { a { id } b { id } figures { rows better worse same mean }
        items(first: $first, after: $after, onlyChanged: $changed) { pageInfo { hasNextPage endCursor }
            nodes { itemIndex input label scoreA scoreB difference a { output } b { output } } } } }"""
RUNS = (
    "query($id: ID, $status: [EvalRunStatus!]) { evalRuns(evalId: $id, status: $status) { nodes { id } } evals { nodes { id } } }"
)
PROGRESS = """subscription($id: ID!, $after: Cursor) { evalRunProgress(runId: $id, after: $after) { __typename
    ... on EvalRunPoints { cursor points { total answered processed } } ... on StreamEnd { reason } } }"""
EVENTS = """subscription($id: ID!) { evalRunEvents(runId: $id) { __typename
    ... on EvalRunUpdate { run { status } events { type } } ... on StreamEnd { reason } } }"""


async def test_an_eval_is_made_and_run_and_what_is_wrong_is_at_its_field(api: Api, server: Server, tmp_path: Path) -> None:
    ctx = await server.context()
    dataset, deployment_id = await evaluated.dataset(ctx, tmp_path), await evaluated.deployed(ctx)
    given = {"name": "sums", "datasetId": dataset.id, "scorers": [EXACT], "generationParams": {"n": 2, "temperature": 0.5}}
    made = (await api.data(CREATE, input=given))["createEval"]
    eval_id = made["eval"]["id"]
    assert made == {
        "eval": {
            "id": eval_id, "name": "sums", "scorers": [EXACT], "generationParams": {"n": 2, "temperature": 0.5},
            "viewerCan": ["delete", "run"], "dataset": {"id": dataset.id}, "runs": {"nodes": []},
        },
        "errors": [],
    }  # fmt: skip
    for changes, path in (
        ({"datasetId": "ds_x"}, ["datasetId"]),
        ({"name": ""}, ["name"]),
        ({"scorers": [{"type": "regex"}]}, ["scorers", "0", "pattern"]),
        ({"generationParams": {"n": 0}}, ["generationParams", "n"]),
    ):
        refused = (await api.data(CREATE, input={**given, **changes}))["createEval"]
        assert refused["eval"] is None and refused["errors"][0]["path"] == path
    started = (await api.data(START, input={"evalId": eval_id, "model": "dep", "numSamples": 2}))["startEvalRun"]
    run_id = started["run"]["id"]
    assert started == {
        "run": {
            "id": run_id, "status": "QUEUED", "model": "dep", "rows": 2, "samples": 2, "generationParams": {"temperature": 0.5},
            "ownsDeployment": False, "viewerCan": ["cancel"], "eval": {"id": eval_id}, "deployment": {"id": deployment_id},
            "progress": {"answered": 0, "processed": 0, "total": 4, "fraction": 0.0, "etaSeconds": None}, "results": None,
        },
        "errors": [],
    }  # fmt: skip
    for changes, path in (
        ({"evalId": "eval_x"}, ["evalId"]),
        ({"model": "dep_x"}, ["model"]),
        ({"numSamples": 0}, ["numSamples"]),
        ({"generationParams": {"temperature": 3}}, ["generationParams", "temperature"]),
    ):
        refused = (await api.data(START, input={"evalId": eval_id, "model": "dep", **changes}))["startEvalRun"]
        assert refused["run"] is None and refused["errors"][0]["path"] == path
    assert (await api.data(DELETE, input={"id": eval_id}))["deleteEval"]["errors"][0]["code"] == "RESOURCE_IN_USE"
    assert (await api.data(CANCEL, input={"id": run_id}))["cancelEvalRun"] == {"run": {"status": "CANCELLED"}, "errors": []}
    again = (await api.data(CANCEL, input={"id": run_id}))["cancelEvalRun"]["errors"]
    assert again[0]["code"] == "INVALID_STATE"
    assert (await api.data(DELETE, input={"id": eval_id}))["deleteEval"] == {"deletedId": eval_id, "errors": []}
    assert (await api.data(RUNS)) == {"evalRuns": {"nodes": []}, "evals": {"nodes": []}}


async def test_a_run_is_read_with_its_figures_and_compared(api: Api, server: Server, tmp_path: Path) -> None:
    ctx = await server.context()
    made = await evaluated.made(ctx, tmp_path)
    await evaluated.deployed(ctx)
    a, b, waiting = [await evaluated.started(ctx, made.id) for _ in range(3)]
    await evaluated.completed(ctx, a, [[1.0], [0.0], [None]])
    await evaluated.completed(ctx, b, [[1.0], [1.0], [0.5]])
    margin = pytest.approx(12.7062 / 2, abs=1e-3)
    run = (await api.data(RUN, id=a.id))["evalRun"]
    (exact,), score = run["results"]["scorers"], run["results"]["score"]
    assert (run["status"], run["cost"], run["progress"]) == (
        "COMPLETED",
        {"amount": "0.000002000"},
        {"processed": 3, "total": 3, "fraction": 1.0},
    )
    assert (run["results"]["answered"], run["results"]["unanswered"], exact["name"]) == (2, 1, "exact-match")
    for figures in (score, exact["figures"]):
        assert (figures["mean"], figures["count"], figures["missing"]) == (0.5, 2, 1)
        assert (figures["high"] - 0.5, 0.5 - figures["low"]) == (margin, margin)
    assert (score["passAtK"], exact["figures"]["passAtK"]) == ([{"k": 1, "value": 0.5}], [])
    assert [one["type"] for one in run["events"]["nodes"]] == ["created", "running", "scoring", "completed"]
    first = (await api.data(ITEMS, id=a.id, first=2))["evalItems"]
    assert first["nodes"][1] == {
        "itemIndex": 1, "sample": 0, "input": "1?", "output": "says 0", "label": "1", "score": 0.0,
        "scores": [{"name": "exact-match", "value": 0.0, "error": None}], "latencyMs": 12.5, "error": None,
    }  # fmt: skip
    rest = (await api.data(ITEMS, id=a.id, after=first["pageInfo"]["endCursor"]))["evalItems"]
    assert [(one["itemIndex"], one["output"], one["error"]) for one in rest["nodes"]] == [(2, None, "bad: No.")]
    failed = (await api.data(ITEMS, id=a.id, filter="FAILED"))["evalItems"]["nodes"]
    assert [one["itemIndex"] for one in failed] == [1, 2]
    compared = (await api.data(COMPARE, a=a.id, b=b.id, first=1))["compareEvalRuns"]
    assert compared["figures"] == {"rows": 2, "better": 1, "worse": 0, "same": 1, "mean": 0.5}
    assert compared["items"]["nodes"] == [
        {
            "itemIndex": 2, "input": "2?", "label": "2", "scoreA": None, "scoreB": 0.5, "difference": None,
            "a": [{"output": None}], "b": [{"output": "says 0.5"}],
        }
    ]  # fmt: skip
    after = compared["items"]["pageInfo"]["endCursor"]
    following = (await api.data(COMPARE, a=a.id, b=b.id, after=after, changed=True))["compareEvalRuns"]["items"]["nodes"]
    assert [(one["itemIndex"], one["difference"]) for one in following] == [(1, 1.0)]
    listed = await api.data(RUNS, id=made.id, status=["COMPLETED"])
    assert [one["id"] for one in listed["evalRuns"]["nodes"]] == [b.id, a.id]
    assert [one["id"] for one in (await api.data(RUNS, status=["QUEUED"]))["evalRuns"]["nodes"]] == [waiting.id]


async def test_nothing_of_it_is_anothers(api: Api, server: Server, sockets: Sockets, tmp_path: Path) -> None:
    ctx = await server.context()
    made = await evaluated.made(ctx, tmp_path)
    await evaluated.deployed(ctx)
    run = await evaluated.started(ctx, made.id)
    other = Api(server, await server.new_tenant("other"))
    nodes = "query($e: ID!, $r: ID!) { eval(id: $e) { id } evalRun(id: $r) { id } a: node(id: $e) { id } b: node(id: $r) { id } }"
    assert await other.data(nodes, e=made.id, r=run.id) == dict.fromkeys(("eval", "evalRun", "a", "b"))
    mine = await api.data(nodes, e=made.id, r=run.id)
    assert [one["id"] for one in mine.values()] == [made.id, run.id, made.id, run.id]
    assert await other.data(RUNS) == {"evalRuns": {"nodes": []}, "evals": {"nodes": []}}

    async def code(query: str, **variables: Any) -> str:
        answer: Answer = await other(query, **variables)
        if "errors" in answer:
            return str(answer["errors"][0]["extensions"]["code"])
        (payload,) = answer["data"].values()
        return str(payload["errors"][0]["code"])

    for query, given in ((START, {"evalId": made.id, "model": "dep"}), (CANCEL, {"id": run.id}), (DELETE, {"id": made.id})):
        assert await code(query, input=given) == "NOT_FOUND"
    assert await code(ITEMS, id=run.id) == await code(COMPARE, a=run.id, b=run.id) == await code(RUNS, id=made.id) == "NOT_FOUND"
    async with sockets(other.tenant) as socket:
        for query in (PROGRESS, EVENTS):
            refused = await (await socket.start(query, id=run.id)).next()
            assert refused["payload"][0]["extensions"]["code"] == "NOT_FOUND"


async def test_its_progress_and_its_events_are_followed_to_the_end(server: Server, sockets: Sockets, tmp_path: Path) -> None:
    ctx = await server.context()
    made = await evaluated.made(ctx, tmp_path)
    await evaluated.deployed(ctx)
    run = await evaluated.started(ctx, made.id)
    await evaluated.moved(ctx, run.id, evaluation.RUNNING)
    await evaluated.progressed(ctx, run.id, answered=1)
    async with sockets() as socket:
        progress, events = await socket.start(PROGRESS, id=run.id), await socket.start(EVENTS, id=run.id)
        first = await progress.frame()
        assert first["points"] == [{"total": 3, "answered": 1, "processed": 0}]
        seen = await events.frame()
        assert (seen["run"]["status"], [one["type"] for one in seen["events"]]) == ("RUNNING", ["created", "running"])
        await evaluated.progressed(ctx, run.id, answered=3, processed=2)
        assert (await progress.frame())["points"] == [{"total": 3, "answered": 3, "processed": 2}]
        await evaluated.moved(ctx, run.id, evaluation.SCORING, evaluation.FAILED, error="Gone.")
        (end,) = await progress.until_end()
        *updates, last = await events.until_end()
        again = await (await socket.start(PROGRESS, id=run.id, after=first["cursor"])).until_end()
    assert (end["reason"], last["reason"]) == ("failed", "failed")
    assert [one["type"] for frame in updates for one in frame["events"]] == ["scoring", "failed"]
    assert updates[-1]["run"] == {"status": "FAILED"}
    assert [point["processed"] for point in again[0]["points"]] == [2]
