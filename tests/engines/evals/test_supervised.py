"""A host takes up runs of evals beside its other work, and a real server answers and judges."""

import asyncio

import pytest
from sqlalchemy import update
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from burnish.kit import clock
from engines.serving.engine import free_port
from engines.supervise import Supervisor
from models import eval as evaluation
from models.deployment import Deployment
from models.eval import EvalRun
from tests.engines.evals.running import EXACT, Evals
from tests.engines.serving.upstream import Upstream, usage

pytestmark = pytest.mark.anyio
MODEL = "model"


async def answer(engine: Upstream, _: Request) -> Response:
    content = str(engine.bodies[-1]["messages"][-1]["content"])
    if content.startswith("3 "):
        return JSONResponse({"error": {"message": "Longer than the maximum context length."}}, 400)
    text = "Score: 1" if "Grade" in content else "1"
    choice = {"message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    return JSONResponse({"choices": [choice], "usage": usage(5, 2)})


async def ended(evals: Evals, run_id: str) -> EvalRun:
    async with asyncio.timeout(30):
        while (run := await evals.standing(run_id)).status not in evaluation.TERMINAL or run.lease_holder is not None:
            await asyncio.sleep(0.02)
    return run


async def test_a_host_asks_a_server_and_has_it_judge(evals: Evals) -> None:
    engine = Upstream()
    engine.answer = lambda request: answer(engine, request)
    await engine.start(free_port())
    adopted = {"source": "adopted", "upstream_url": engine.url, "upstream_model": MODEL, "serving_since": clock.now()}
    async with evals.core.db.transaction() as session:
        await session.exec(update(Deployment).values(**adopted))
    run_id = await evals.queued(await evals.eval([EXACT, {"type": "judge", "model": "dep"}]), samples=2)
    supervisor = Supervisor(evals.core)
    task = asyncio.create_task(supervisor.run())
    try:
        run = await ended(evals, run_id)
    finally:
        await supervisor.stop()
        await task
        await engine.stop()

    assert (run.status, run.error, run.total, run.processed) == ("completed", None, 10, 10)
    assert run.results is not None
    assert run.results["scorers"]["exact-match"]["mean"] == 0.25
    assert run.results["scorers"]["judge"]["mean"] == 1.0
    assert run.results["errors"] == {"context_length_exceeded": 2}
    assert run.results["usage"] == {"prompt_tokens": 40, "completion_tokens": 16}
    assert run.results["latency_ms"]["p50"] > 0
    assert [body["model"] for body in engine.bodies if "temperature" in body] == [MODEL] * 8
    assert sum(len(body["messages"]) for body in engine.bodies if "messages" in body and body.get("max_tokens") != 1) >= 18
