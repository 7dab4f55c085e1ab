"""The life of a run of an eval: asked, scored and ended, whatever ends it and wherever its host dies."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import update

from burnish.kit import clock
from burnish.kit.settings import Settings
from engines import leased
from engines.bulk import outcomes
from engines.bulk.sending import Answer, Line
from engines.evals import ending, grading
from models.dataset import Dataset
from models.deployment import Deployment
from models.eval import EvalRun
from tests.engines.bulk.working import FakePool, Mortal, fine
from tests.engines.evals.working import EXACT, Evals, asked, said
from tests.models import rows as made

pytestmark = pytest.mark.anyio
ROWS = [
    {"prompt": '{"sum": 4}', "answer": '{"sum": 4}'},
    {"prompt": [{"role": "system", "content": "Add."}, {"role": "user", "content": "four"}], "answer": ["4", "four"]},
    {"prompt": "too long", "answer": "5"},
    {"prompt": "mumble", "answer": "6"},
]
REWARD = """def reward(prompts, completions, answer, **columns):
    texts = [one if isinstance(one, str) else one[0]["content"] for one in completions]
    return [None if text == "mumble" else len(text) / 4 for text in texts]
"""
SCHEMA = {"type": "object", "properties": {"sum": {"type": "integer"}}, "required": ["sum"]}
SUMS = [{"prompt": str(number), "answer": str(number % 2)} for number in range(5)]


@pytest.fixture
async def evals(settings: Settings) -> AsyncIterator[Evals]:
    world = Evals(settings)
    await world.begin()
    yield world
    await world.core.close()


def echo(line: Line) -> Answer:
    """Say what was asked, and as a judge that a number is worth all, a word half, and all else nothing that can be read."""
    text = asked(line)
    if text == "too long":
        return fine(line, 400)
    if text.startswith("Judge: "):
        verdicts = {"four": "Score: 5", '{"sum": 4}': "Score: 10"}
        return said(line, verdicts.get(text.removeprefix("Judge: "), "Who knows?"))
    return said(line, text)


async def test_answers_are_asked_scored_and_summed_up(evals: Evals) -> None:
    evals.pool = FakePool(echo)
    judge_id = await made.deployment(evals.core.db, name="wise", status="serving")
    reward_id = await evals.reward(REWARD)
    scorers = [
        {**EXACT, "weight": 2},
        {"type": "regex", "pattern": "(four)", "column": "answer"},
        {"type": "json-schema", "schema": SCHEMA, "weight": 0},
        {"type": "reward-function", "reward_function_id": reward_id},
        {"type": "judge", "model": "wise", "prompt": "Judge: {output}", "scale": [0, 10]},
    ]
    run_id = await evals.eval_run(ROWS, scorers, owns_deployment=True, generation={"temperature": 0.5, "system_prompt": None})
    await evals.evaluate(run_id)
    row = await evals.assert_ended(run_id, "completed")
    assert (row.total, row.processed, row.attempt) == (4, 4, 1)
    # Of the model alone; the cost is of all that was asked, three answers by the model and three by the judge.
    assert (row.prompt_tokens, row.completion_tokens, row.cost_nanos) == (12, 6, 700)
    questions = [line for line in evals.pool.asked if line.deployment_id == evals.deployment_id]
    assert {line.custom_id: line.body["messages"] for line in questions} == {
        "0-0": [{"role": "user", "content": '{"sum": 4}'}],
        "1-0": ROWS[1]["prompt"],
        "2-0": [{"role": "user", "content": "too long"}],
        "3-0": [{"role": "user", "content": "mumble"}],
    }
    assert {line.body["temperature"] for line in questions} == {0.5}
    judged = [line for line in evals.pool.asked if line.deployment_id == judge_id]
    assert sorted(line.custom_id for line in judged) == ["0-0", "1-0", "3-0"]
    names = ("exact-match", "regex", "json-schema", "reward-function", "judge")
    items = await evals.items(run_id)
    assert [tuple(item.scores[name] for name in names) for item in items] == [
        (1.0, 0.0, 1.0, 2.5, 1.0),
        (1.0, 1.0, 0.0, 1.0, 0.5),
        (None,) * 5,
        (0.0, 0.0, 0.0, None, None),
    ]
    assert [item.score for item in items] == [pytest.approx(5.5 / 5), pytest.approx(4.5 / 5), None, 0.0]
    assert [item.output for item in items] == ['{"sum": 4}', "four", None, "mumble"]
    assert [(item.input, item.label) for item in items][:2] == [
        ('{"sum": 4}', '{"sum": 4}'),
        ("system: Add.\n\nuser: four", '["4", "four"]'),
    ]
    assert [item.error for item in items] == [None, None, "bad: No.", None]
    errors = items[3].errors
    assert errors is not None and sorted(errors) == ["judge", "reward-function"]
    assert errors["judge"] == "The judge gave no number and no score: Who knows?"
    assert [(item.latency_ms, item.prompt_tokens, item.completion_tokens, item.finish_reason) for item in items][:1] == [
        (12.5, 3, 2, "stop")
    ]
    results = row.results
    assert results is not None
    assert {name: (one["mean"], one["scored"], one["errors"]) for name, one in results["scorers"].items()} == {
        "exact-match": (pytest.approx(2 / 3), 3, 0),
        "regex": (pytest.approx(1 / 3), 3, 0),
        "json-schema": (pytest.approx(1 / 3), 3, 0),
        "reward-function": (1.75, 2, 1),
        "judge": (0.75, 2, 1),
    }
    assert (results["score"]["mean"], results["score"]["items"]) == (pytest.approx(2 / 3), 3)
    assert (results["answered"], results["unanswered"], results["errors"]) == (3, 1, {"bad": 1})
    assert (results["pass_at_k"], results["cost_usd"]) == ({"1": pytest.approx(1 / 3)}, 7e-7)
    types = [one["type"] for one in await evals.said(run_id, "events")]
    assert types == ["submitted", "running", "scoring", "completed"]
    assert (await evals.said(run_id, "progress"))[-1].items() >= {"total": 4, "answered": 4, "processed": 4}.items()


async def test_several_answers_a_row_differ_in_their_seed(evals: Evals) -> None:
    evals.pool = FakePool(lambda line: said(line, str(line.body["seed"])))
    run_id = await evals.eval_run(
        [{"prompt": "a", "answer": "7"}, {"prompt": "b", "answer": "x"}, {"prompt": "c", "answer": "7"}],
        [EXACT], first=2, samples=3, eval_generation={"n": 3, "seed": 7, "top_p": 0.5}, generation={"top_p": 1.0},
    )  # fmt: skip
    row = await evals.evaluate(run_id)
    assert (row.status, row.total) == ("completed", 6)
    assert [(item.item_index, item.sample, item.output, item.score) for item in await evals.items(run_id)] == [
        (index, sample, str(7 + sample), float((index, sample) == (0, 0))) for index in range(2) for sample in range(3)
    ]
    assert {(line.body["top_p"], "n" in line.body) for line in evals.pool.asked} == {(1.0, False)}
    assert row.results is not None
    assert row.results["pass_at_k"] == {"1": pytest.approx(1 / 6), "2": pytest.approx(1 / 3), "3": 0.5}


async def test_a_run_goes_on_from_wherever_its_host_dies(
    evals: Evals, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grading, "PAGE_ITEMS", 2)
    # What it says is written where it must be and at no other time, so that each write has its number; answers at once.
    monkeypatch.setattr(leased, "FLUSH_S", 3600.0)
    monkeypatch.setattr(outcomes, "FLUSH_S", 0.01)
    evals.pool = FakePool(lambda line: said(line, str(int(asked(line)) % 2)))
    stages, fatal, lived = set(), 0, False
    while not lived:
        fatal += 1
        evals.pool.asked.clear()
        run_id = await evals.eval_run(SUMS, [EXACT])
        lived = await Mortal(settings, fatal, after=False).work(evals, run_id, evals.pool)
        before = await evals.found(run_id)
        stages.add((before.status, before.processed))
        assert len(await evals.items(run_id)) == before.processed
        await evals.lapse(run_id)
        row = await evals.evaluate(run_id)
        assert (row.status, row.processed, len(evals.pool.asked)) == ("completed", 5, 5)
        assert [(item.item_index, item.score) for item in await evals.items(run_id)] == [(index, 1.0) for index in range(5)]
        assert [part.labels for part in await evals.parts(run_id)] == [{"part": "answers"}]
        assert row.results is not None and row.results["score"]["items"] == 5
        await evals.assert_ended(run_id, "completed")
    where = [("queued", 0), ("running", 0), *(("scoring", count) for count in (0, 2, 4, 5)), ("completed", 5)]
    assert stages == set(where)


async def test_a_host_that_stops_hands_its_run_over(evals: Evals) -> None:
    evals.pool = FakePool(echo, free=0)
    run_id = await evals.eval_run(SUMS, [EXACT])
    first = evals.run(run_id, evals.pool)
    task = asyncio.create_task(first.run())
    await evals.until(run_id, lambda row: row.status == "running")
    first.halt()
    await task
    row = await evals.found(run_id)
    assert (row.status, row.lease_holder, row.attempt) == ("running", None, 1)
    evals.pool._free = None
    for part in await evals.parts(run_id):
        await evals.restart(part.id)
    row = await evals.evaluate(run_id)
    assert (row.status, row.attempt, row.processed) == ("completed", 2, 5)


async def test_rows_that_are_gone_end_it(evals: Evals) -> None:
    run_id = await evals.eval_run(SUMS, [EXACT], owns_deployment=True)
    await evals.core.storage.delete(evals.dataset_key)
    await evals.evaluate(run_id)
    row = await evals.assert_ended(run_id, "failed")
    assert (row.error, evals.pool.asked) == ("The dataset's rows are gone: it was deleted.", [])


async def test_a_deleted_dataset_is_not_asked(evals: Evals) -> None:
    run_id = await evals.eval_run(SUMS, [EXACT])
    async with evals.core.db.transaction() as session:
        await session.exec(update(Dataset).values(deleted_at=clock.now()))
    await evals.evaluate(run_id)
    row = await evals.assert_ended(run_id, "failed")
    assert (row.error, await evals.parts(run_id)) == ("The dataset was deleted.", [])


async def test_a_deployment_that_has_ended_answers_nothing(evals: Evals) -> None:
    run_id = await evals.eval_run(SUMS, [EXACT])
    async with evals.core.db.transaction() as session:
        await session.exec(update(Deployment).values(status="failed", error="Out of memory."))
    row = await evals.evaluate(run_id)
    assert (row.status, row.results) == ("failed", None)
    assert row.error == "The deployment that was to answer does not serve: dep is failed (Out of memory.)."
    assert await evals.parts(run_id) == []


async def test_a_deployment_that_ends_in_the_middle_ends_the_run(evals: Evals) -> None:
    gone = Answer(None, b"", "deployment_not_serving", "dep is stopped.")
    evals.pool = FakePool(lambda line: said(line, "0") if line.custom_id == "0-0" else gone)
    run_id = await evals.eval_run(SUMS, [EXACT], owns_deployment=True)
    await evals.evaluate(run_id)
    row = await evals.assert_ended(run_id, "failed")
    assert row.error is not None and row.error.endswith("dep is stopped. 1 of 5 requests were answered.")
    assert (row.processed, await evals.items(run_id), row.prompt_tokens) == (0, [], 3)


async def test_a_run_whose_every_request_fails_says_why(evals: Evals) -> None:
    evals.pool = FakePool(lambda line: fine(line, 400))
    run_id = await evals.eval_run(SUMS, [EXACT], owns_deployment=True)
    await evals.evaluate(run_id)
    row = await evals.assert_ended(run_id, "failed")
    assert row.error == "None of the 5 requests was answered. 5 x bad: No."


async def test_a_judge_that_has_ended_is_found_before_anything_is_asked(evals: Evals) -> None:
    judge_id = await made.deployment(evals.core.db, name="wise", status="stopped")
    run_id = await evals.eval_run(SUMS, [{"type": "judge", "model": judge_id}], owns_deployment=True)
    await evals.evaluate(run_id)
    row = await evals.assert_ended(run_id, "failed")
    assert row.error == f"The judge '{judge_id}' names no active deployment of this account."
    assert evals.pool.asked == []


async def test_a_reward_function_that_fails_scores_nothing_and_no_zero(evals: Evals) -> None:
    reward_id = await evals.reward("def reward(completions, **columns):\n    raise ValueError('no idea')\n")
    run_id = await evals.eval_run(SUMS[:2], [{"type": "reward-function", "reward_function_id": reward_id}, EXACT])
    await evals.evaluate(run_id)
    row = await evals.assert_ended(run_id, "completed")
    items = await evals.items(run_id)
    assert [item.scores for item in items] == [{"reward-function": None, "exact-match": 1.0}] * 2
    assert all("no idea" in (item.errors or {})["reward-function"] for item in items)
    assert row.results is not None
    assert row.results["scorers"]["reward-function"] == {"mean": None, "ci_low": None, "ci_high": None, "scored": 0, "errors": 2}


async def test_a_cancelled_run_asks_nothing_more_and_its_deployment_stops(evals: Evals) -> None:
    evals.pool = FakePool(lambda line: said(line, "0"), places=1, free=2)
    run_id = await evals.eval_run(SUMS, [EXACT], owns_deployment=True)
    task = asyncio.create_task(evals.evaluate(run_id))
    async with asyncio.timeout(10):
        while len(evals.pool.asked) < 3:
            await asyncio.sleep(0.005)
    async with evals.core.db.transaction() as session:
        row = await session.get_one(EvalRun, run_id, with_for_update=True)
        assert await ending.cancel(session, row)
        assert not await ending.cancel(session, row)
    # As the message to the hosts does.
    evals.look()
    await task
    row = await evals.assert_ended(run_id, "cancelled")
    (part,) = await evals.parts(run_id)
    assert (part.status, part.completed, part.failed, len(evals.pool.asked)) == ("cancelled", 2, 3, 3)
    assert (row.processed, row.results, await evals.items(run_id)) == (0, None, [])
    assert (await evals.said(run_id))[-1]["message"] == "Status: cancelled, by the user"
