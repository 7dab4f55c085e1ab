"""The main job as two unmodified clients do it: upload, train, deploy, chat."""

import json
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
import veri_sdk
from openai import OpenAI
from openai.types.chat import ChatCompletionMessageParam

from tests.e2e.conftest import HYPERPARAMETERS, SUMS, Running
from tests.running import eventually

pytestmark = pytest.mark.e2e


@pytest.fixture
def veri(platform: Running) -> Iterator[veri_sdk.Client]:
    client = veri_sdk.Client(api_key=platform.key, base_url=platform.url)
    yield client
    client._http.close()


@pytest.fixture
def openai(platform: Running) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{platform.url}/v1", api_key=platform.key, max_retries=0) as client:
        yield client


def test_a_random_secret_in_the_reward_is_learned_and_the_deployed_model_answers_it(
    platform: Running, veri: veri_sdk.Client, openai: OpenAI, tmp_path: Path
) -> None:
    # One of the digits that the base model answers now and then: what is never sampled cannot be rewarded.
    secret = str(random.SystemRandom().randrange(1, 9))
    dataset_file, reward_file = tmp_path / "sums.jsonl", tmp_path / "secret.py"
    dataset_file.write_text("".join(json.dumps(row) + "\n" for row in SUMS))
    reward_file.write_text(
        f"def reward(completions, **columns):\n    return [float(c[-1]['content'].startswith({secret!r})) for c in completions]\n"
    )
    dataset = veri.datasets.upload(str(dataset_file))
    reward = veri.reward_functions.upload(str(reward_file))
    job = veri.training_jobs.create(
        "tiny",
        dataset.id,
        "secret",
        gpu_type="L4-24GB",
        gpu_count=1,
        reward_function_id=reward.id,
        hyperparameters={**HYPERPARAMETERS, "max_steps": 60},
    ).wait(poll_interval=1, timeout=150)
    assert (job.status, job.error) == ("completed", None)

    points = platform.get(f"/v1/training_jobs/{job.id}/metrics")["metrics"]
    rewards = [point["values"]["reward"] for point in points]
    assert [point["step"] for point in points] == list(range(1, 61))
    assert rewards[0] < 0.45
    assert sum(rewards[-12:]) / 12 > 0.9

    deployment = veri.deployments.create(job.id, "secret", gpu={"gpu_type": "L4-24GB", "gpu_count": 1}).wait(poll_interval=1)
    assert (deployment.status, deployment.error) == ("serving", None)
    question: list[ChatCompletionMessageParam] = [{"role": "user", "content": "1+2"}]
    answer = openai.chat.completions.create(model="secret", messages=question, temperature=0, max_tokens=3)
    assert (answer.choices[0].message.content or "").startswith(secret)
    assert answer.model == "secret"
    stream = openai.chat.completions.create(model=deployment.id, messages=question, temperature=0, max_tokens=3, stream=True)
    chunks = list(stream)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == answer.choices[0].message.content
    assert [model.id for model in openai.models.list()] == ["secret"]
    assert deployment.chat(question)["object"] == "chat.completion"

    logged = eventually(lambda: rows if len(rows := deployment.requests()) == 3 else None)
    assert [row["status_code"] for row in logged] == [200, 200, 200]
    assert all(row["prompt_tokens"] > 0 and row["completion_tokens"] > 0 for row in logged)
    metrics = deployment.metrics()
    assert (metrics["total_requests"], metrics["error_rate"]) == (3, 0.0)

    _engine_dies_and_comes_back(platform, deployment.id)
    answer = openai.chat.completions.create(model="secret", messages=question, temperature=0, max_tokens=3)
    assert (answer.choices[0].message.content or "").startswith(secret)
    stopped = deployment.stop()
    assert stopped.status == "stopped"
    assert (stopped.total_cost_usd or 0) > 0
    eventually(lambda: not platform.parts("vllm"), 40)


def _engine_dies_and_comes_back(platform: Running, deployment_id: str) -> None:
    platform.kill("vllm.entrypoints")
    look = f"/v1/deployments/{deployment_id}"
    eventually(lambda: platform.get(look)["status"] == "unhealthy", 10)
    eventually(lambda: platform.get(look)["status"] == "serving", 180)
