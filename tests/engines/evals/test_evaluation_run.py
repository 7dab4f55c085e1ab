"""Runs of evals on hosts that work and that die, with the real runs of their batches."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import update
from sqlmodel import col

from burnish.kit.settings import Settings
from engines.bulk.sending import NOT_SERVING, Answer, Line
from engines.evals import ending, inner
from engines.evals.evaluation_run import EvaluationRun
from models import batch, transitions
from models import eval as evaluation
from models.dataset import Dataset
from models.deployment import Deployment
from models.eval import Eval, EvalRun
from tests.engines.bulk.working import FakePool, fine
from tests.engines.evals.running import EXACT, SUMS, Evals, Host, lives, said, solve
from tests.models import rows

pytestmark = pytest.mark.anyio
JUDGE = {"type": "judge", "model": "dep"}


async def test_a_dataset_is_asked_scored_and_summed_up(evals: Evals) -> None:
    eval_id = await evals.eval([EXACT, {"type": "regex", "pattern": r"\d", "weight": 3}], generation={"max_tokens": 8, "n": 2})
    run_id = await evals.queued(eval_id, samples=2, generation={"temperature": 0.5, "seed": 7, "system_prompt": "Add."})

    run = await evals.finish(run_id, FakePool(solve))

    assert (run.status, run.error, run.total, run.processed) == ("completed", None, 10, 10)
    asked = await evals.asked(run_id)
    messages = [{"role": "system", "content": "Add."}, {"role": "user", "content": "0 + 1"}]
    body = {"model": evals.deployment_id, "messages": messages, "max_tokens": 8, "temperature": 0.5}
    assert asked[0] == {"custom_id": "0-0", "method": "POST", "url": "/v1/chat/completions", "body": {**body, "seed": 7}}
    assert asked[1] == {"custom_id": "0-1", "method": "POST", "url": "/v1/chat/completions", "body": {**body, "seed": 8}}
    assert [line["custom_id"] for line in asked] == [f"{index}-{sample}" for index in range(5) for sample in range(2)]
    items = await evals.items(run_id)
    assert [(item.item_index, item.sample) for item in items] == [(index, sample) for index in range(5) for sample in range(2)]
    assert (items[2].input, items[2].output, items[2].label) == ("1 + 1", "3", "2")
    assert (items[2].scores, items[2].score, items[2].errors) == ({"exact-match": 0.0, "regex": 1.0}, 0.75, None)
    assert (items[2].latency_ms, items[2].prompt_tokens, items[2].completion_tokens) == (3.0, 3, 3)
    assert (items[2].finish_reason, items[2].error) == ("stop", None)
    found = run.results
    assert found is not None
    assert found["score"]["mean"] == pytest.approx(0.9)
    assert found["score"]["items"] == 10
    assert found["scorers"]["exact-match"]["mean"] == pytest.approx(0.6)
    assert (found["scorers"]["regex"]["scored"], found["scorers"]["regex"]["errors"]) == (10, 0)
    assert found["pass_at_k"] == {"1": 0.6, "2": 0.6}
    assert (found["samples"], found["errors"]) == (2, {})
    assert found["latency_ms"] == {"p50": 5.5, "p95": pytest.approx(9.55)}
    assert found["usage"] == {"prompt_tokens": 30, "completion_tokens": 55}
    assert found["cost_usd"] == 1000 / 10**9
    assert (run.prompt_tokens, run.completion_tokens, run.cost_nanos) == (30, 55, 1000)
    assert (run.lease_holder, run.lease_expires_at) == (None, None)


async def test_only_the_first_rows_are_asked_where_a_run_says_so(evals: Evals) -> None:
    run_id = await evals.queued(await evals.eval([EXACT]), rows=2)

    run = await evals.finish(run_id, FakePool(solve))

    assert (run.total, run.processed) == (2, 2)
    assert [line["body"]["messages"][0]["content"] for line in await evals.asked(run_id)] == ["0 + 1", "1 + 1"]


async def test_messages_are_asked_as_they_are(evals: Evals) -> None:
    prompt = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "4 + 1"}]
    run_id = await evals.queued(await evals.eval([EXACT], [{"prompt": prompt, "label": "5"}]))

    run = await evals.finish(run_id, FakePool(solve))

    assert (await evals.asked(run_id))[0]["body"]["messages"] == prompt
    (item,) = await evals.items(run_id)
    assert (item.input, item.score) == ("system: Be brief.\n\nuser: 4 + 1", 1.0)
    assert run.results is not None
    assert run.results["score"] == {"mean": 1.0, "ci_low": None, "ci_high": None, "items": 1}


async def test_what_failed_is_an_item_without_a_score(evals: Evals) -> None:
    def some(line: Line) -> Answer:
        return fine(line, 400) if line.line in (2, 4) else solve(line)

    run_id = await evals.queued(await evals.eval([EXACT]))

    run = await evals.finish(run_id, FakePool(some))

    items = await evals.items(run_id)
    assert [item.score for item in items] == [1.0, None, 1.0, None, 1.0]
    assert (items[1].output, items[1].error, items[1].scores) == (None, "bad: No.", {"exact-match": None})
    assert (run.status, run.processed) == ("completed", 5)
    assert run.results is not None
    assert run.results["errors"] == {"bad": 2}
    assert run.results["scorers"]["exact-match"] == {"mean": 1.0, "ci_low": 1.0, "ci_high": 1.0, "scored": 3, "errors": 0}


async def test_a_judge_is_asked_in_a_batch_of_its_own(evals: Evals) -> None:
    def judged(line: Line) -> Answer:
        if "Grade" not in line.body["messages"][0]["content"]:
            return fine(line, 400) if line.line == 3 else solve(line)
        return {"0-0": said(line, "Score: 8"), "1-0": said(line, "no idea"), "3-0": fine(line, 400)}.get(
            line.custom_id, said(line, "1/10")
        )

    run_id = await evals.queued(await evals.eval([{**JUDGE, "scale": [0, 10]}]))

    run = await evals.finish(run_id, FakePool(judged))

    asked = await evals.asked(run_id, inner.judging(0))
    assert [line["custom_id"] for line in asked] == ["0-0", "1-0", "3-0", "4-0"]
    assert asked[0]["body"]["model"] == evals.deployment_id
    assert "[Task]\n0 + 1\n\n[Reference]\n1\n\n[Answer]\n1\n" in asked[0]["body"]["messages"][0]["content"]
    items = await evals.items(run_id)
    assert [item.score for item in items] == [0.8, None, None, None, 0.1]
    assert items[1].errors == {"judge": "The judge gave no number and no score: no idea"}
    assert items[2].errors is None
    assert items[3].errors == {"judge": "The judge did not answer: bad: No."}
    assert run.results is not None
    assert (run.results["scorers"]["judge"]["scored"], run.results["scorers"]["judge"]["errors"]) == (2, 2)
    assert run.results["cost_usd"] == 900 / 10**9
    assert (run.cost_nanos, run.prompt_tokens) == (900, 15)


async def test_a_reward_function_scores_in_its_jail(evals: Evals) -> None:
    source = (
        "def reward(prompts, completions, label, **columns):\n"
        "    assert '2 + 1' not in prompts, 'not this one'\n"
        "    return [None if c == '5' else float(c == l) / 2 for c, l in zip(completions, label)]\n"
    )
    run_id = await evals.queued(await evals.eval([{"type": "reward-function", "reward_function_id": await evals.reward(source)}]))

    run = await evals.finish(run_id, FakePool(solve))

    assert (run.status, run.error) == ("completed", None)
    items = await evals.items(run_id)
    assert [item.score for item in items] == [0.5, 0.0, None, None, None]
    errors = [(item.errors or {}).get("reward-function", "") for item in items]
    assert errors[:2] == ["", ""]
    assert errors[2].endswith("AssertionError: not this one")
    assert errors[3:] == ["The reward function gave no score."] * 2


@pytest.mark.parametrize("after", [False, True])
async def test_hosts_that_die_at_any_write_ask_and_score_nothing_twice(evals: Evals, settings: Settings, after: bool) -> None:
    eval_id = await evals.eval([EXACT, JUDGE])
    calm, wild = await evals.queued(eval_id, samples=2), await evals.queued(eval_id, samples=2)
    await evals.finish(calm, FakePool(solve))
    deaths = 0

    while not await lives(evals, settings, wild, FakePool(solve), deaths + 1, after=after):
        deaths += 1
        assert deaths < 40, "each host gets further than the one before"
        await evals.release()

    # How many writes a host needs depends on how many answers come at once.
    assert deaths >= 5
    run, expected = await evals.standing(wild), await evals.standing(calm)
    assert (run.status, run.error) == ("completed", None)
    parts = await evals.parts(wild)
    assert [(part.labels, part.status, part.total, part.completed) for part in parts] == [
        ({"part": "answers"}, "completed", 10, 10),
        ({"part": "judge-1"}, "completed", 10, 10),
    ]
    assert run.results == expected.results
    assert (run.total, run.processed, run.cost_nanos) == (10, 10, expected.cost_nanos)
    plain = [(i.item_index, i.sample, i.input, i.output, i.scores, i.score) for i in await evals.items(wild)]
    assert plain == [(i.item_index, i.sample, i.input, i.output, i.scores, i.score) for i in await evals.items(calm)]
    stored = {key for key, _ in await evals.core.storage.list(f"acct/evals/{wild}")}
    assert len(stored) == len(parts)


async def test_a_host_that_stops_hands_a_run_on_with_what_is_done(evals: Evals) -> None:
    run_id = await evals.queued(await evals.eval([EXACT]))

    class Halting(FakePool):
        async def answer(self, line: Line) -> Answer:
            host.run.halt(drained=True)
            return await super().answer(line)

    host = Host(evals, evals.core, run_id, Halting(solve))
    await asyncio.wait_for(host.work(), 30)

    run = await evals.standing(run_id)
    assert (run.status, run.lease_holder, run.lease_expires_at) == ("running", None, None)
    assert (await evals.finish(run_id, FakePool(solve))).status == "completed"


async def owning(evals: Evals) -> tuple[str, str]:
    """Return a run with a deployment of its own, and that."""
    own = await rows.deployment(evals.core.db, name="own", status="serving")
    run_id = await evals.queued(await evals.eval([EXACT]), deployment_id=own, owns_deployment=True)
    return run_id, own


async def status_of(evals: Evals, deployment_id: str) -> str:
    async with evals.core.db.read() as session:
        return (await session.get_one(Deployment, deployment_id)).status


async def test_a_deployment_that_was_made_for_a_run_stops_with_it(evals: Evals) -> None:
    run_id, own = await owning(evals)

    assert (await evals.finish(run_id, FakePool(solve))).status == "completed"
    assert await status_of(evals, own) == "stopped"
    assert await status_of(evals, evals.deployment_id) == "serving"


async def test_a_run_that_is_cancelled_asks_no_more_and_lets_its_deployment_go(evals: Evals) -> None:
    run_id, own = await owning(evals)

    class Cancelling(FakePool):
        async def answer(self, line: Line) -> Answer:
            if line.line == 3:
                async with evals.core.db.transaction() as session:
                    row = await session.get_one(EvalRun, run_id, with_for_update=True)
                    if row.status == evaluation.RUNNING:
                        assert await ending.cancel(session, row)
            return await super().answer(line)

    run = await evals.finish(run_id, Cancelling(solve, places=1, free=3))

    assert (run.status, run.error, run.results, run.lease_holder) == ("cancelled", None, None, None)
    (part,) = await evals.parts(run_id)
    assert (part.status, part.total) == ("cancelled", 5)
    assert part.completed + part.failed == 5
    assert part.failed >= 2
    assert await status_of(evals, own) == "stopped"
    assert await evals.items(run_id) == []
    async with evals.core.db.transaction() as session:
        assert not await ending.cancel(session, await session.get_one(EvalRun, run_id))


async def refuse_all(evals: Evals, values: dict[str, Any]) -> tuple[EvalRun, int]:
    """Run where something is wrong; return what the run is then, and how many batches it has."""
    run_id = await evals.queued(**values)
    run = await evals.finish(run_id, FakePool(lambda line: fine(line, 400)))
    assert (run.results, run.processed, run.lease_holder) == (None, 0, None)
    return run, len(await evals.parts(run_id))


async def test_a_run_fails_where_nothing_was_answered(evals: Evals) -> None:
    run, parts = await refuse_all(evals, {"eval_id": await evals.eval([EXACT])})

    assert (run.status, run.error, parts) == ("failed", "None of the 5 requests was answered. 5 x bad: No.", 1)


async def test_a_run_fails_where_its_deployment_has_ended(evals: Evals) -> None:
    gone = await rows.deployment(evals.core.db, name="gone", status="failed", error="out of memory")
    run, parts = await refuse_all(evals, {"eval_id": await evals.eval([EXACT]), "deployment_id": gone})

    message = "The deployment that was to answer does not serve: gone is failed (out of memory)."
    assert (run.status, run.error, parts) == ("failed", message, 0)


async def test_a_run_fails_where_its_deployment_ends_meanwhile(evals: Evals) -> None:
    def ending_at_three(line: Line) -> Answer:
        if line.line < 3:
            return solve(line)
        return Answer(None, b"", NOT_SERVING, "The deployment dep is stopped.")

    run_id = await evals.queued(await evals.eval([EXACT]))

    run = await evals.finish(run_id, FakePool(ending_at_three))

    message = "The deployment ended before it had answered all: The deployment dep is stopped. 2 of 5 requests were answered."
    assert (run.status, run.error) == ("failed", message)


@pytest.mark.parametrize(
    ("rows_", "message"),
    [
        ([], "The dataset has no rows."),
        ([{"prompt": "x"}, {"question": "y"}], "Line 2 of the dataset: no 'prompt'."),
    ],
)
async def test_a_run_fails_where_the_dataset_asks_nothing(evals: Evals, rows_: list[dict[str, Any]], message: str) -> None:
    run, parts = await refuse_all(evals, {"eval_id": await evals.eval([EXACT], rows_)})

    assert (run.status, run.error, parts) == ("failed", message, 0)
    assert await evals.core.storage.list(f"acct/evals/{run.id}") == []


async def test_a_run_fails_where_the_rows_are_gone(evals: Evals) -> None:
    eval_id = await evals.eval([EXACT])
    async with evals.core.db.transaction() as session:
        dataset = await session.get_one(Dataset, (await session.get_one(Eval, eval_id)).dataset_id)
        assert dataset.storage_key is not None
        await evals.core.storage.delete(dataset.storage_key)

    run, parts = await refuse_all(evals, {"eval_id": eval_id})

    assert (run.status, run.error, parts) == ("failed", "The dataset's rows are gone: it was deleted.", 0)


@pytest.mark.parametrize(
    ("scorer", "message"),
    [
        ({**JUDGE, "model": "nobody"}, "The judge 'nobody' names no active deployment of this account."),
        ({"type": "reward-function", "reward_function_id": "rf_1"}, "The reward function rf_1 is not there any more."),
        ({"type": "regex", "pattern": "("}, "scorers.0.pattern: This is no regular expression: missing ) at position 1."),
    ],
)
async def test_a_run_asks_nothing_where_it_could_not_be_scored(evals: Evals, scorer: dict[str, Any], message: str) -> None:
    run, parts = await refuse_all(evals, {"eval_id": await evals.eval([scorer])})

    assert (run.status, run.error, parts) == ("failed", message, 0)


async def test_a_run_fails_where_what_it_asked_was_cancelled(evals: Evals) -> None:
    run_id = await evals.queued(await evals.eval([EXACT]))

    class Cancelling(FakePool):
        async def answer(self, line: Line) -> Answer:
            async with evals.core.db.transaction() as session:
                (part,) = await inner.parts(session, run_id, lock=True)
                if part.status == batch.IN_PROGRESS:
                    await transitions.move(session, part, batch.CANCELLING)
            return await super().answer(line)

    run = await evals.finish(run_id, Cancelling(solve, free=0))

    (part,) = await evals.parts(run_id)
    assert (run.status, run.error) == ("failed", f"The batch {part.id}, which asked the model, was cancelled.")


async def test_a_host_whose_lease_is_gone_writes_nothing(evals: Evals) -> None:
    run_id = await evals.queued(await evals.eval([EXACT]))

    class Losing(FakePool):
        async def answer(self, line: Line) -> Answer:
            async with evals.core.db.transaction() as session:
                await session.exec(update(EvalRun).where(col(EvalRun.id) == run_id).values(lease_token=EvalRun.lease_token + 1))
            return await super().answer(line)

    await evals.finish(run_id, Losing(solve))

    run = await evals.standing(run_id)
    assert (run.status, run.processed) == ("running", 0)
    assert await evals.items(run_id) == []


def test_a_run_takes_no_room_and_costs_nothing_itself() -> None:
    assert (EvaluationRun.takes_room, EvaluationRun.pays) == (False, False)
    assert [row["prompt"] for row in SUMS] == ["0 + 1", "1 + 1", "2 + 1", "3 + 1", "4 + 1"]
