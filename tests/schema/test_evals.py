"""Evals over GraphQL: made, run, followed, read item by item, compared and deleted."""

from pathlib import Path
from typing import Any

import pytest

from models import eval as evaluation
from resolvers import eval_runs
from tests.conftest import Server
from tests.rest_compat import evaluated
from tests.rest_compat.evaluated import EXACT
from tests.schema.conftest import Answer, Api, Sockets

pytestmark = pytest.mark.anyio
CREATE = """mutation($input: CreateEvalInput!) { createEval(input: $input) {
    eval { id name scorers generationParams dataset { name } viewerCan runs { nodes { id } } } errors { code path reason } } }"""
START = """mutation($input: StartEvalRunInput!) { startEvalRun(input: $input) {
    run { id status model rows samples generationParams ownsDeployment viewerCan deployment { id } eval { id }
        progress { answered processed total fraction etaSeconds } results { answered } }
    errors { code path } } }"""
CANCEL = "mutation($input: CancelEvalRunInput!) { cancelEvalRun(input: $input) { run { status } errors { code } } }"
DELETE = "mutation($input: DeleteEvalInput!) { deleteEval(input: $input) { deletedId errors { code } } }"
RUN = """query($id: ID!) { evalRun(id: $id) { status completedAt progress { answered processed total fraction }
    results { answered unanswered causes { code count } latencyP50Ms latencyP95Ms
        score { ...F } scorers { name figures { ...F } } }
    events { nodes { type } } logs { nodes { message } } } }
    fragment F on EvalFigures { mean low high count missing passAtK { k value } }"""
ITEMS = """query($id: ID!, $filter: EvalItemFilter!, $first: Int!, $after: Cursor) {
    evalItems(runId: $id, filter: $filter, first: $first, after: $after) {
        nodes { itemIndex sample input output label score error latencyMs scores { name value error } }
        pageInfo { hasNextPage endCursor } } }"""
COMPARE = """query($a: ID!, $b: ID!, $changed: Boolean!, $first: Int!, $after: Cursor) { compareEvalRuns(a: $a, b: $b) {
    a { id } b { id } figures { rows better worse same mean low high }
    items(onlyChanged: $changed, first: $first, after: $after) {
        nodes { itemIndex input label scoreA scoreB difference a { output } b { output } }
        pageInfo { hasNextPage endCursor } } } }"""
PROGRESS = """subscription($id: ID!, $after: Cursor) { evalRunProgress(runId: $id, after: $after) { __typename
    ... on EvalRunPoints { cursor points { total answered processed } } ... on StreamEnd { reason } } }"""
EVENTS = """subscription($id: ID!) { evalRunEvents(runId: $id) { __typename
    ... on EvalRunUpdate { run { status } events { type } } ... on StreamEnd { reason } } }"""


async def test_an_eval_is_made_and_what_is_wrong_is_at_its_field(api: Api, server: Server, tmp_path: Path) -> None:
    dataset = await evaluated.dataset(await server.context(), tmp_path)
    given = {"name": "sums", "datasetId": dataset.id, "scorers": [EXACT], "generationParams": {"temperature": 0.5}}
    made = (await api.data(CREATE, input=given))["createEval"]
    assert made["errors"] == [] and made["eval"]["id"].startswith("eval_")
    assert {**made["eval"], "id": None} == {
        "id": None,
        "name": "sums",
        "scorers": [EXACT],
        "generationParams": {"temperature": 0.5},
        "dataset": {"name": "sums"},
        "viewerCan": ["delete", "run"],
        "runs": {"nodes": []},
    }
    for changes, path in (
        ({"datasetId": "ds_unknown"}, ["datasetId"]),
        ({"scorers": []}, ["scorers"]),
        ({"scorers": [EXACT, {"type": "regex"}]}, ["scorers", "1", "pattern"]),
        ({"generationParams": {"temprature": 1}}, ["generationParams", "temprature"]),
    ):
        refused = (await api.data(CREATE, input={**given, **changes}))["createEval"]
        assert refused["eval"] is None and refused["errors"][0]["path"] == path


async def test_a_run_is_started_followed_and_cancelled(api: Api, server: Server, tmp_path: Path) -> None:
    ctx = await server.context()
    row = await evaluated.made(ctx, tmp_path)
    deployment_id = await evaluated.deployment(ctx)
    given = {"evalId": row.id, "model": "answers", "numSamples": 2, "generationParams": {"n": 2, "temperature": 1}}
    made = (await api.data(START, input=given))["startEvalRun"]
    assert made["errors"] == []
    run_id = made["run"].pop("id")
    assert made["run"] == {
        "status": "QUEUED",
        "model": "answers",
        "rows": 2,
        "samples": 2,
        "generationParams": {"temperature": 1},
        "ownsDeployment": False,
        "viewerCan": ["cancel"],
        "deployment": {"id": deployment_id},
        "eval": {"id": row.id},
        "progress": {"answered": 0, "processed": 0, "total": 4, "fraction": 0.0, "etaSeconds": None},
        "results": None,
    }
    refused = (await api.data(START, input={**given, "model": "dep_unknown"}))["startEvalRun"]
    assert (refused["run"], refused["errors"]) == (None, [{"code": "NOT_FOUND", "path": ["model"]}])
    gpu = {**given, "model": "Qwen/Qwen3-8B", "hardware": {"type": "abacus"}}
    assert (await api.data(START, input=gpu))["startEvalRun"]["errors"] == [{"code": "INVALID", "path": ["hardware", "type"]}]
    await evaluated.moved(ctx, run_id, evaluation.RUNNING)
    run = await eval_runs.get(ctx, run_id)
    await evaluated.asking(ctx, run, completed=1, failed=1)
    found = (await api.data(RUN, id=run_id))["evalRun"]
    assert (found["status"], found["progress"]) == ("RUNNING", {"answered": 2, "processed": 0, "total": 4, "fraction": 0.25})
    assert (await api.data(DELETE, input={"id": row.id}))["deleteEval"] == {"deletedId": None, "errors": [{"code": "CONFLICT"}]}
    assert (await api.data(CANCEL, input={"id": run_id}))["cancelEvalRun"] == {"run": {"status": "CANCELLED"}, "errors": []}
    assert (await api.data(CANCEL, input={"id": run_id}))["cancelEvalRun"]["errors"] == [{"code": "INVALID_STATE"}]
    assert (await api.data(DELETE, input={"id": row.id}))["deleteEval"] == {"deletedId": row.id, "errors": []}
    gone = await api.data(
        "query($a: ID!, $b: ID!) { eval(id: $a) { id } evalRun(id: $b) { id } node(id: $b) { id } }", a=row.id, b=run_id
    )
    assert gone == {"eval": None, "evalRun": None, "node": None}


async def test_a_completed_run_has_its_figures_and_its_answers(api: Api, server: Server, tmp_path: Path) -> None:
    ctx = await server.context()
    row = await evaluated.made(ctx, tmp_path)
    await evaluated.deployment(ctx)
    items = [evaluated.item(0, 1.0), evaluated.item(1, 0.0), evaluated.item(2, None, errors={"exact-match": "No label."})]
    items.append(evaluated.item(3, None, output=None, error="The engine has a fault.", latency_ms=None))
    run = await evaluated.completed(ctx, row, items, model="answers")
    found = (await api.data(RUN, id=run.id))["evalRun"]
    figures = {"mean": 0.5, "low": 0.25, "high": 0.75, "count": 3, "missing": 1}
    assert found["results"] == {
        "answered": 3,
        "unanswered": 1,
        "causes": [{"code": "engine_error", "count": 1}],
        "latencyP50Ms": 12.5,
        "latencyP95Ms": 20.0,
        "score": {**figures, "passAtK": [{"k": 1, "value": 0.5}]},
        "scorers": [{"name": "exact-match", "figures": {**figures, "passAtK": []}}],
    }
    assert found["progress"] == {"answered": 4, "processed": 4, "total": 4, "fraction": 1.0}
    assert [one["type"] for one in found["events"]["nodes"]] == ["created", "running", "scoring", "completed"]
    assert found["logs"]["nodes"][0] == {"message": "Status: queued"}
    page = (await api.data(ITEMS, id=run.id, filter="ALL", first=3))["evalItems"]
    assert [one["itemIndex"] for one in page["nodes"]] == [0, 1, 2]
    assert page["nodes"][0] == {
        "itemIndex": 0, "sample": 0, "input": "1 + 1?", "output": "4", "label": "2", "score": 1.0, "error": None,
        "latencyMs": 12.5, "scores": [{"name": "exact-match", "value": 1.0, "error": None}],
    }  # fmt: skip
    assert page["nodes"][2]["scores"] == [{"name": "exact-match", "value": None, "error": "No label."}]
    rest = (await api.data(ITEMS, id=run.id, filter="ALL", first=3, after=page["pageInfo"]["endCursor"]))["evalItems"]
    assert [(one["itemIndex"], one["output"], one["error"]) for one in rest["nodes"]] == [(3, None, "The engine has a fault.")]
    assert not rest["pageInfo"]["hasNextPage"]
    failed = (await api.data(ITEMS, id=run.id, filter="FAILED", first=9))["evalItems"]["nodes"]
    assert [one["itemIndex"] for one in failed] == [1, 2, 3]


async def test_two_runs_side_by_side(api: Api, server: Server, tmp_path: Path) -> None:
    ctx = await server.context()
    row = await evaluated.made(ctx, tmp_path)
    await evaluated.deployment(ctx)
    first = await evaluated.completed(ctx, row, [evaluated.item(index, 0.0) for index in range(3)], model="answers")
    others = [evaluated.item(0, 1.0, output="2"), evaluated.item(1, 0.5), evaluated.item(2, 0.0)]
    second = await evaluated.completed(ctx, row, others, model="answers")
    asked: dict[str, Any] = {"a": first.id, "b": second.id, "first": 1}
    found = (await api.data(COMPARE, **asked, changed=True))["compareEvalRuns"]
    assert (found["a"], found["b"]) == ({"id": first.id}, {"id": second.id})
    assert {**found["figures"], "low": None, "high": None} == {
        "rows": 3, "better": 2, "worse": 0, "same": 1, "mean": 0.5, "low": None, "high": None,
    }  # fmt: skip
    assert found["figures"]["low"] < 0.5 < found["figures"]["high"]
    assert found["items"]["nodes"] == [
        {"itemIndex": 0, "input": "1 + 1?", "label": "2", "scoreA": 0.0, "scoreB": 1.0, "difference": 1.0,
         "a": [{"output": "4"}], "b": [{"output": "2"}]},
    ]  # fmt: skip
    after = found["items"]["pageInfo"]["endCursor"]
    last = (await api.data(COMPARE, **asked, changed=True, after=after))["compareEvalRuns"]["items"]
    assert ([one["itemIndex"] for one in last["nodes"]], last["pageInfo"]["hasNextPage"]) == ([1], False)
    every = (await api.data(COMPARE, **{**asked, "first": 9}, changed=False))["compareEvalRuns"]["items"]["nodes"]
    assert [one["itemIndex"] for one in every] == [0, 1, 2]
    swapped = await api(COMPARE, a=second.id, b=first.id, first=1, changed=True, after=after)
    assert swapped["errors"][0]["extensions"]["reason"] == "invalid_cursor"


async def test_lists_of_evals_and_runs(api: Api, server: Server, tmp_path: Path) -> None:
    ctx = await server.context()
    rows = [await evaluated.made(ctx, tmp_path, name=name) for name in ("one", "two")]
    await evaluated.deployment(ctx)
    runs = [await evaluated.started(ctx, row, "answers") for row in (rows[0], rows[0], rows[1])]
    query = (
        "{ evals { nodes { id runs(first: 1) { nodes { id } pageInfo { hasNextPage endCursor } } } } evalRuns { nodes { id } } }"
    )
    found = await api.data(query)
    shown = [(one["id"], [run["id"] for run in one["runs"]["nodes"]]) for one in found["evals"]["nodes"]]
    assert shown == [(rows[1].id, [runs[2].id]), (rows[0].id, [runs[1].id])]
    assert [run["id"] for run in found["evalRuns"]["nodes"]] == [run.id for run in reversed(runs)]
    after = found["evals"]["nodes"][1]["runs"]["pageInfo"]["endCursor"]
    rest = await api.data(
        "query($id: ID!, $a: Cursor) { eval(id: $id) { runs(after: $a) { nodes { id } } } }", id=rows[0].id, a=after
    )
    assert rest["eval"]["runs"]["nodes"] == [{"id": runs[0].id}]
    await eval_runs.cancel(ctx, runs[0].id)
    ended = await api.data("query($id: ID!) { evalRuns(evalId: $id, status: [CANCELLED]) { nodes { id } } }", id=rows[0].id)
    assert ended["evalRuns"]["nodes"] == [{"id": runs[0].id}]
    named = await api.data('{ evals(search: "TW") { nodes { id } } }')
    assert named["evals"]["nodes"] == [{"id": rows[1].id}]


async def test_its_progress_and_its_events_are_followed_to_the_end(server: Server, sockets: Sockets, tmp_path: Path) -> None:
    ctx = await server.context()
    row = await evaluated.made(ctx, tmp_path)
    await evaluated.deployment(ctx)
    run = await evaluated.started(ctx, row, "answers")
    await evaluated.progressed(ctx, run.id, status="running", total=4, processed=0, answered=1, failed=0)
    async with sockets() as socket:
        progress, events = await socket.start(PROGRESS, id=run.id), await socket.start(EVENTS, id=run.id)
        first = await progress.frame()
        assert first["points"] == [{"total": 4, "answered": 1, "processed": 0}]
        seen = await events.frame()
        assert (seen["run"]["status"], [one["type"] for one in seen["events"]]) == ("QUEUED", ["created"])
        await evaluated.progressed(ctx, run.id, status="scoring", total=4, processed=4)
        assert (await progress.frame())["points"] == [{"total": 4, "answered": 4, "processed": 4}]
        await evaluated.moved(
            ctx, run.id, evaluation.RUNNING, evaluation.SCORING, evaluation.COMPLETED, results=evaluated.results()
        )
        (end,) = await progress.until_end()
        *updates, last = await events.until_end()
        again = await (await socket.start(PROGRESS, id=run.id, after=first["cursor"])).until_end()
    assert (end["reason"], last["reason"]) == ("completed", "completed")
    assert updates[-1]["run"] == {"status": "COMPLETED"}
    assert [point["processed"] for point in again[0]["points"]] == [4]


async def test_nothing_of_it_is_anothers(api: Api, server: Server, sockets: Sockets, tmp_path: Path) -> None:
    ctx = await server.context()
    row = await evaluated.made(ctx, tmp_path)
    await evaluated.deployment(ctx)
    run = await evaluated.started(ctx, row, "answers")
    other = Api(server, await server.new_tenant("other"))
    query = "query($a: ID!, $b: ID!) { eval(id: $a) { id } evalRun(id: $b) { id } a: node(id: $a) { id } b: node(id: $b) { id } }"
    assert (await other.data(query, a=row.id, b=run.id)) == {"eval": None, "evalRun": None, "a": None, "b": None}
    kinds = await api.data(
        "query($a: ID!, $b: ID!) { a: node(id: $a) { __typename } b: node(id: $b) { __typename } }", a=row.id, b=run.id
    )
    assert kinds == {"a": {"__typename": "Eval"}, "b": {"__typename": "EvalRun"}}
    answers: list[Answer] = [
        await other(ITEMS, id=run.id, filter="ALL", first=1),
        await other(COMPARE, a=run.id, b=run.id, changed=False, first=1),
        await other("query($id: ID!) { evalRuns(evalId: $id) { nodes { id } } }", id=row.id),
    ]
    assert [answer["errors"][0]["extensions"]["code"] for answer in answers] == ["NOT_FOUND"] * 3
    assert (await other.data(CANCEL, input={"id": run.id}))["cancelEvalRun"]["errors"] == [{"code": "NOT_FOUND"}]
    assert (await other.data(DELETE, input={"id": row.id}))["deleteEval"]["errors"] == [{"code": "NOT_FOUND"}]
    start = {"evalId": row.id, "model": "answers"}
    assert (await other.data(START, input=start))["startEvalRun"]["errors"] == [{"code": "NOT_FOUND", "path": ["evalId"]}]
    async with sockets(other.tenant) as socket:
        for subscription in (PROGRESS, EVENTS):
            refused = await (await socket.start(subscription, id=run.id)).next()
            assert refused["payload"][0]["extensions"]["code"] == "NOT_FOUND"
