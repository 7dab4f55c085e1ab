"""Adapters on a real vLLM, one after the other in one engine: what is served is what was trained, and no request is lost."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest
from sqlmodel import col, select

from engines import evidence
from engines.evidence import Evidence
from engines.serving import parity
from models.deployment import Deployment, DeploymentVersion
from models.replica import Replica
from resolvers import base_models, deployment_changes, deployment_inputs, deployments
from resolvers.context import Context
from tests.conftest import Server
from tests.engines.serving import trained
from tests.engines.serving.hosting import hosted

pytestmark = [pytest.mark.anyio, pytest.mark.engine]
WAIT_S = 240
FIRST = 2


@pytest.fixture(scope="session")
def right(make_spec: Callable[..., dict[str, Any]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained.train(make_spec, tmp_path_factory.mktemp("right"), trained.RIGHT)


@pytest.fixture(scope="session")
def seven(make_spec: Callable[..., dict[str, Any]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained.train(make_spec, tmp_path_factory.mktemp("seven"), trained.SEVEN)


def known(folder: Path) -> Evidence:
    found = evidence.read(folder)
    assert found is not None
    return found


async def until(look: Callable[[], Any]) -> Any:
    async with asyncio.timeout(WAIT_S):
        while not (found := await look()):
            await asyncio.sleep(0.05)
    return found


async def replicas(ctx: Context, row: Deployment) -> list[Replica]:
    async with ctx.db.read() as session:
        its = select(Replica).where(Replica.deployment_id == row.id).order_by(col(Replica.created_at))
        return list((await session.exec(its)).all())


async def versions(ctx: Context, row: Deployment) -> dict[int, tuple[str, str | None]]:
    async with ctx.db.read() as session:
        its = select(DeploymentVersion).where(DeploymentVersion.deployment_id == row.id)
        return {each.number: (each.status, each.error) for each in (await session.exec(its)).all()}


async def logged(ctx: Context, row: Deployment) -> list[str]:
    return [line.data["message"] for line in await deployments.rows(ctx, row.id, "logs")]


async def update(ctx: Context, row: Deployment, job_id: str) -> None:
    wanted = deployment_inputs.VersionInput.model_validate({"model": job_id, "source": "training_job"})
    await deployment_changes.update(ctx, row.id, wanted)


async def says(client: httpx2.AsyncClient, row: Deployment, found: Evidence) -> list[list[int]]:
    """Return the first tokens that the deployment answers to the prompts of some evidence."""
    answers = []
    for prompt in found.prompts:
        body = {"model": row.name, "messages": prompt.messages, "temperature": 0, "max_tokens": FIRST, "return_token_ids": True}
        answer = (await client.post("/v1/chat/completions", json=body)).raise_for_status().json()
        assert answer["model"] == row.name
        answers.append(answer["choices"][0]["token_ids"])
    return answers


def firsts(found: Evidence) -> list[list[int]]:
    return [prompt.completion_ids[:FIRST] for prompt in found.prompts]


class Load:
    """Callers that never pause: what they were answered, by status."""

    def __init__(self, client: httpx2.AsyncClient, row: Deployment) -> None:
        self._client, self._row = client, row
        self._going = True
        self.statuses: list[int] = []
        self.broken: list[str] = []
        self._tasks = [asyncio.create_task(self._call(stream=number % 2 == 1)) for number in range(4)]

    async def _call(self, *, stream: bool) -> None:
        body = {"model": self._row.id, "prompt": "1+2=", "max_tokens": 40, "ignore_eos": True, "stream": stream}
        while self._going:
            answer = await self._client.post("/v1/completions", json=body)
            self.statuses.append(answer.status_code)
            if "error" in answer.text or (stream and not answer.text.endswith("data: [DONE]\n\n")):
                self.broken.append(answer.text)

    async def end(self) -> None:
        self._going = False
        await asyncio.gather(*self._tasks)


async def test_adapters_are_proven_served_and_exchanged_without_a_restart(
    server: Server, tiny_model: Path, right: Path, seven: Path, tmp_path: Path
) -> None:
    ctx = await server.context()
    await base_models.add(server.platform.core, "tiny", tiny_model)
    first, second = await trained.completed(server, right), await trained.completed(server, seven)
    wrong = await trained.completed(server, trained.with_the_evidence_of(seven, right, tmp_path / "wrong"))
    spec = {"model": first, "source": "training_job", "name": "sums", "gpu": {"type": "CPU", "count": 1}}

    async with hosted(server), server.client() as client:
        row = await deployments.create(ctx, deployment_inputs.DeploymentInput.model_validate(spec))

        async def serves(number: int) -> bool:
            found = await deployments.get(ctx, row.id)
            assert found.error is None
            its = await replicas(ctx, row)
            assert [one.fail_reason for one in its] == [None] * len(its)
            state = (found.status, [one.version for one in its], (await versions(ctx, row))[number][0])
            return state == ("serving", [number], "serving")

        await until(lambda: serves(1))
        [started] = await replicas(ctx, row)
        assert started.served_name == f"{row.id}:v1"
        assert started.parity is not None and started.parity.items() >= {"prompts": 4, "template_matches": True}.items()
        assert started.parity["max_difference"] < 0.1 < started.parity["tolerance"]
        assert await says(client, row, known(right)) == firsts(known(right))

        async def compared(name: str, found: Evidence) -> parity.Parity:
            assert started.url is not None
            async with httpx2.AsyncClient(timeout=60, trust_env=False) as direct:
                return await parity.check(direct, started.url, name, found, "adapter", 0.5)

        other = await compared(started.served_name, known(seven))
        assert other.template_matches and other.max_difference is not None and other.max_difference > 1
        assert other.problem is not None and other.problem.startswith("prompt ")
        base = await compared(f"{row.id}:base", known(right))
        assert base.problem is not None and "log-probability" in base.problem
        moved = known(right).model_copy(update={"prompts": [_templated(prompt) for prompt in known(right).prompts]})
        template = await compared(started.served_name, moved)
        assert not template.template_matches
        assert template.problem == (
            "prompt 1 of 4: its chat template gives 4 tokens here and 5 where it was trained, different from token 1 on"
        )

        load = Load(client, row)
        await update(ctx, row, second)
        await until(lambda: serves(2))
        [swapped] = await replicas(ctx, row)
        assert (swapped.id, swapped.pid, swapped.served_name) == (started.id, started.pid, f"{row.id}:v2")
        assert swapped.parity is not None and swapped.parity["checked_at"] > started.parity["checked_at"]

        async def unloaded() -> bool:
            return "Adapter of version 1 unloaded" in await logged(ctx, row)

        await until(unloaded)
        await load.end()
        assert set(load.statuses) == {200} and load.broken == []
        assert await says(client, row, known(seven)) == firsts(known(seven))
        async with httpx2.AsyncClient(trust_env=False) as direct:
            listed = (await direct.get(f"{swapped.url}/v1/models")).json()["data"]
        assert [model["id"] for model in listed] == [f"{row.id}:base", f"{row.id}:v2"]

        load = Load(client, row)
        await update(ctx, row, wrong)

        async def given_up() -> str | None:
            status, error = (await versions(ctx, row))[3]
            return error if status == "failed" else None

        error = await until(given_up)
        await load.end()
        assert error.startswith("parity_failed: prompt ") and "tolerated" in error
        assert set(load.statuses) == {200} and load.broken == []
        [kept] = await replicas(ctx, row)
        found = await deployments.get(ctx, row.id)
        assert (kept.id, kept.version, kept.served_name, found.version) == (started.id, 2, f"{row.id}:v2", 2)
        assert (found.status, found.model) == ("serving", second)
        await deployments.stop(ctx, row.id)


def _templated(prompt: evidence.Prompt) -> evidence.Prompt:
    """Return the prompt as another chat template would have written it."""
    return prompt.model_copy(update={"prompt_ids": [1, *prompt.prompt_ids]})
