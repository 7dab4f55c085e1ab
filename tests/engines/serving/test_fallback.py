"""A replica whose vLLM refuses the model at its start is served by transformers, and says so: the whole way."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import select

from engines.serving import engine_choice, vllm
from models.replica import Replica
from resolvers import base_models, deployment_inputs, deployments
from tests.conftest import Server
from tests.engines.serving.hosting import hosted, until

pytestmark = [pytest.mark.anyio, pytest.mark.engine]
REFUSAL = "ValueError: Model architectures ['Qwen3ForCausalLM'] are not supported for now."
SPEC: dict[str, Any] = {
    "model": "tiny",
    "source": "huggingface",
    "name": "sums",
    "gpu": {"type": "CPU", "count": 1},
    "extra_args": ["--max-model-len=64", "--block-size=32"],
}


async def test_the_other_engine_serves_where_vllm_refuses_the_model(
    server: Server, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[Any] = []

    def refusing(*args: Any, **_: Any) -> tuple[list[str], dict[str, str]]:
        started.append(args)
        return [sys.executable, "-c", f"import sys; print({REFUSAL!r}); print('shutting down'); sys.exit(1)"], {}

    monkeypatch.setattr(vllm, "command", refusing)
    monkeypatch.setattr(engine_choice, "_learned", {})
    ctx = await server.context()
    await base_models.add(server.platform.core, "tiny", tiny_model)
    async with hosted(server):
        row = await deployments.create(ctx, deployment_inputs.DeploymentInput.model_validate(SPEC))

        async def serves() -> bool:
            found = await deployments.get(ctx, row.id)
            assert found.error is None
            return found.status == "serving"

        await until(serves)
        async with server.client() as client:
            body = {"model": "sums", "messages": [{"role": "user", "content": "1+2"}], "max_tokens": 3, "temperature": 0}
            answer = await client.post("/v1/chat/completions", json=body)
            streamed = await client.post("/v1/chat/completions", json={**body, "stream": True})
            too_long = await client.post("/v1/chat/completions", json={**body, "max_tokens": 63})
        found = await deployments.get(ctx, row.id)
        async with server.platform.db.read() as session:
            [replica] = (await session.exec(select(Replica).where(Replica.deployment_id == row.id))).all()
    assert len(started) == 1
    assert (answer.status_code, answer.json()["choices"][0]["message"]["content"]) == (200, "3")
    assert answer.json()["model"] == "sums"
    assert [json.loads(line[6:])["choices"][0]["delta"].get("content") for line in streamed.text.split("\n\n")[:-2]] == [
        "",
        "3",
        None,
    ]
    assert (too_long.status_code, too_long.json()["error"]["code"]) == (400, "context_length_exceeded")
    assert (found.engine, found.engine_reason) == ("transformers", f"vLLM refused the model: {REFUSAL}")
    assert replica.engine == "transformers"
    lines = [(line.data["level"], line.data["message"]) for line in await deployments.rows(ctx, row.id, "logs")]
    assert ("info", f"Engine: transformers, vLLM refused the model: {REFUSAL}") in lines
    assert ("warning", "--block-size has no effect with the engine transformers: it has nothing like it") in lines
