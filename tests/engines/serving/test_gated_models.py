"""A gated model is opened by the deployment's token or its account's, which the fetching child gets by its environment only."""

import asyncio
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engines.serving import vllm
from models.deployment import TERMINAL, Deployment
from resolvers import deployment_inputs, deployments, integrations
from resolvers.context import Context
from tests.conftest import Server
from tests.engines.bases.stub_hub import COMMIT, Hub, serving
from tests.engines.serving.hosting import ENGINE, ROOT, hosted, until
from tests.rest_compat import things

pytestmark = pytest.mark.anyio
CANARY, OTHER = "hf_canary-5d0c93b1-must-never-be-seen", "hf_another-77c1-must-never-be-seen"
MODEL = {"config.json": b'{"architectures": ["Qwen3ForCausalLM"]}', "model.safetensors": b"weights"}


@pytest.fixture
def gated(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with serving(Hub({"acme/gated": MODEL}, token=CANARY)) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        yield hub


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[tuple[list[str], dict[str, str]]]:
    """The argv and the environment of every child; replicas are stand-ins."""
    seen: list[tuple[list[str], dict[str, str]]] = []
    real = asyncio.create_subprocess_exec

    async def spy(*argv: Any, **options: Any) -> Any:
        seen.append((list(argv), options["env"]))
        return await real(*argv, **options)

    def command(model: Path, names: list[str], port: int, device: str, **_: Any) -> tuple[list[str], dict[str, str]]:
        return [sys.executable, "-c", ENGINE, str(port), str(model), *names], {"PYTHONPATH": str(ROOT)}

    monkeypatch.setattr(asyncio, "create_subprocess_exec", spy)
    monkeypatch.setattr(vllm, "command", command)
    return seen


async def settled(ctx: Context, **more: Any) -> Deployment:
    """Deploy the gated model and wait until it serves or has failed."""
    spec = {"model": "acme/gated", "source": "huggingface", "name": "gated", "gpu": {"type": "CPU", "count": 1}, **more}
    row = await deployments.create(ctx, deployment_inputs.DeploymentInput.model_validate(spec))

    async def look() -> Deployment | None:
        found = await deployments.get(ctx, row.id)
        return found if found.status in ("serving", *TERMINAL) else None

    found: Deployment = await until(look)
    return found


async def said(server: Server, ctx: Context, row: Deployment) -> str:
    """Return all that anybody can read of it, and all that the database holds."""
    streams = [(await deployments.rows(ctx, row.id, kind)) for kind in ("logs", "events")]
    return repr(streams) + json.dumps(await things.everything(server))


async def test_a_deployments_own_token_opens_its_model_and_is_seen_nowhere(
    server: Server, gated: Hub, started: list[tuple[list[str], dict[str, str]]]
) -> None:
    ctx = await server.context()
    await integrations.put(ctx, "huggingface", integrations.IntegrationInput(token=OTHER))
    async with hosted(server):
        row = await settled(ctx, hf_token=CANARY, revision="main")
    assert (row.status, row.error, row.revision) == ("serving", None, COMMIT)
    assert "GET /api/models/acme/gated/revision/main" in gated.requests
    given = [env for _, env in started if env.get("HF_TOKEN") is not None]
    assert [env["HF_TOKEN"] for env in given] == [CANARY]
    assert not any(CANARY in word for argv, _ in started for word in argv)
    assert CANARY not in await said(server, ctx, row)


async def test_the_accounts_token_is_taken_where_the_deployment_has_none(
    server: Server, gated: Hub, started: list[tuple[list[str], dict[str, str]]]
) -> None:
    ctx = await server.context()
    await integrations.put(ctx, "huggingface", integrations.IntegrationInput(token=CANARY))
    async with hosted(server):
        row = await settled(ctx)
    assert (row.status, row.error) == ("serving", None)
    assert CANARY not in await said(server, ctx, row)


@pytest.mark.parametrize("token", [{}, {"hf_token": OTHER}])
async def test_a_token_that_does_not_open_it_fails_the_deployment_without_being_told(
    server: Server, gated: Hub, started: list[tuple[list[str], dict[str, str]]], token: dict[str, str]
) -> None:
    ctx = await server.context()
    async with hosted(server):
        row = await settled(ctx, **token)
    why = "model_unavailable: The model acme/gated is gated: it needs a token whose owner has been granted access."
    assert (row.status, row.error) == ("failed", why)
    assert OTHER not in await said(server, ctx, row)
