"""What memory a job is expected to take: where its model is found, beside what there is, and what is kept with the job."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from burnish.kit import clock, ids
from engines.compute import local
from models.base_model import BaseModel
from models.host import Host
from resolvers import jobs, memory
from resolvers.context import Context
from resolvers.memory import Fit
from tests.engines.training.memory.test_model import CONFIG, model
from tests.resolvers.test_jobs import make, request

pytestmark = pytest.mark.anyio


async def host(ctx: Context, memory_bytes: int | None, *, seconds_ago: int = 0) -> None:
    moment = clock.now() - timedelta(seconds=seconds_ago)
    offers = {"gpus": [], "cpu_slots": 2, "cpu_fallback": True}
    offers |= {} if memory_bytes is None else {"memory_bytes": memory_bytes}
    async with ctx.db.transaction() as session:
        session.add(Host(id=ids.new("host"), name="one", offers=offers, started_at=moment, seen_at=moment))


async def planned(ctx: Context, body: dict[str, Any]) -> Fit:
    plan = await jobs.plan(ctx, body)
    assert plan.memory_unknown is None
    assert plan.memory is not None
    return plan.memory


async def test_a_plan_tells_the_parts_beside_the_memory_of_the_largest_live_host(ctx: Context, jsonl: Path) -> None:
    await host(ctx, 8 * 10**9)
    await host(ctx, 64 * 10**9)
    await host(ctx, None)
    await host(ctx, 512 * 10**9, seconds_ago=3600)
    body = await request(ctx, jsonl, base_model="org/small-0.5B", hyperparameters={"lora_rank": 8, "global_batch_size": 8})
    found = await planned(ctx, body)
    assert found.total_bytes == sum(part["bytes"] for part in found.parts)
    assert found.parts[0] == {"name": "weights", "bytes": 10**9}
    assert (found.available_bytes, found.fits, found.advice) == (64 * 10**9, found.total_bytes <= 64 * 10**9, None)
    assert found.basis == "the 0.5B parameters in its name, as typical models of that size are shaped"


async def test_what_does_not_fit_is_told_with_what_to_change_and_not_refused(ctx: Context, jsonl: Path) -> None:
    await host(ctx, 2 * 10**9)
    body = await request(ctx, jsonl)
    plan = await jobs.plan(ctx, body)
    assert plan.problems == [] and plan.memory is not None
    assert plan.memory.fits is False
    missing = (plan.memory.total_bytes - 2 * 10**9) / 1e9
    assert plan.memory.advice is not None
    assert plan.memory.advice.startswith(
        f"About {missing:.1f} GB more are needed than there are. Less is taken with a lora_rank, "
    )
    assert (await make(ctx, body)).memory_estimate == vars(plan.memory)


async def test_without_a_host_it_is_not_known_whether_a_job_fits(ctx: Context, jsonl: Path) -> None:
    found = await planned(ctx, await request(ctx, jsonl))
    assert (found.available_bytes, found.fits, found.advice) == (None, None, None)


async def test_a_gpu_has_what_its_name_says(ctx: Context, jsonl: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "falls_back", lambda settings: False)
    found = await planned(ctx, await request(ctx, jsonl, hyperparameters={"lora_rank": 8, "load_in_4bit": False}))
    assert found.available_bytes == 80 * 10**9
    assert "CUDA context" in [part["name"] for part in found.parts]


@pytest.mark.parametrize(
    ("size", "changes", "told"),
    [
        ("8B", {"lora_rank": 8}, "The smallest shape on which it fits is 1 × A100-80GB."),
        ("8B", {}, "The smallest shape on which it fits is 1 × B300-270GB."),
        ("32B", {}, "The smallest shape on which it fits is 4 × B300-270GB."),
        ("32B", {"global_batch_size": 63, "rollouts_per_prompt": 7}, "The smallest shape on which it fits is 7 × B200-180GB."),
        ("8B", {"global_batch_size": 2**16}, "There is no GPU type on which it fits as it is."),
    ],
)
async def test_what_does_not_fit_is_told_with_the_smallest_shape_that_does(
    size: str, changes: dict[str, Any], told: str, ctx: Context, jsonl: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "falls_back", lambda settings: False)
    monkeypatch.setattr(memory, "_has_vllm", lambda: False)
    gpu = {"type": "T4-16GB", "count": 1}
    found = await planned(ctx, await request(ctx, jsonl, base_model=f"org/some-{size}", gpu=gpu, hyperparameters=changes))
    assert found.advice is not None and found.fits is False
    assert found.advice.endswith(f". {told}")
    shape = told.removesuffix(".").rpartition(" is ")[2].partition(" × ")
    if shape[1]:
        # The shape that it names is one on which the plan itself says that it fits.
        gpu = {"type": shape[2], "count": int(shape[0])}
        again = await planned(ctx, await request(ctx, jsonl, base_model=f"org/some-{size}", gpu=gpu, hyperparameters=changes))
        assert (again.fits, again.advice) == (True, None)


async def test_jobs_that_cannot_share_a_step_are_sent_to_one_gpu(
    ctx: Context, jsonl: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "falls_back", lambda settings: False)
    changes: dict[str, Any] = {"reward_function_id": None, "base_model": "org/some-70B", "method": "sft"}
    found = await planned(ctx, await request(ctx, jsonl, **changes, hyperparameters={}))
    assert found.advice is not None and found.advice.endswith("There is no GPU type on which it fits as it is.")
    found = await planned(ctx, await request(ctx, jsonl, **changes, hyperparameters={"lora_rank": 8}))
    assert found.advice is not None and found.advice.endswith("The smallest shape on which it fits is 1 × B200-180GB.")


async def test_on_the_cpu_the_smallest_shape_is_told_as_one_with_gpus(ctx: Context, jsonl: Path) -> None:
    await host(ctx, 2 * 10**9)
    found = await planned(ctx, await request(ctx, jsonl, base_model="org/some-1B", hyperparameters={"lora_rank": 8}))
    assert found.advice is not None and found.advice.endswith("The smallest shape with GPUs on which it fits is 1 × T4-16GB.")


async def test_a_model_whose_files_are_wrong_is_not_told_and_nothing_breaks(ctx: Context, jsonl: Path) -> None:
    folder = ctx.core.settings.cache / "hub" / "public" / "models--org--odd" / "snapshots" / "c0ffee"
    folder.mkdir(parents=True)
    body = await request(ctx, jsonl, base_model="org/odd")
    for wrong, why in (
        ({"num_key_value_heads": [8]}, "the num_key_value_heads in its config.json is not a size"),
        ({"num_experts": 2, "num_experts_per_tok": [2]}, "the num_experts_per_tok in its config.json is not a size"),
    ):
        model(folder, CONFIG | wrong)
        plan = await jobs.plan(ctx, body)
        assert (plan.memory, plan.memory_unknown) == (None, f"The memory that it takes cannot be told: {why}.")
    (folder / "config.json").write_text("[" * 200_000)
    assert (await make(ctx, body)).memory_estimate is None


async def test_a_registered_model_is_judged_by_its_files(ctx: Context, jsonl: Path, tmp_path: Path) -> None:
    folder = tmp_path / "own"
    folder.mkdir()
    async with ctx.db.transaction() as session:
        session.add(BaseModel(name="mine", path=str(model(folder)), created_at=clock.now()))
    found = await planned(ctx, await request(ctx, jsonl, base_model="mine"))
    assert found.basis == "the model's own files"
    assert found.parts[0] == {"name": "weights", "bytes": 4 * (2 * (2 * 96 + 3 * 128) + 808)}


async def test_a_repository_is_judged_by_what_the_cache_has_of_it(ctx: Context, jsonl: Path) -> None:
    body = await request(ctx, jsonl, base_model="org/nameless")
    plan = await jobs.plan(ctx, body)
    why = "its files are not on this machine, and its name does not tell how many parameters it has"
    assert (plan.memory, plan.memory_unknown) == (None, f"The memory that it takes cannot be told: {why}.")
    assert (await make(ctx, body)).memory_estimate is None
    # What a token fetched is told to nobody else.
    for realm, known in (("token-0123456789abcdef", False), ("public", True)):
        folder = ctx.core.settings.cache / "hub" / realm / "models--org--nameless" / "snapshots" / "c0ffee"
        folder.mkdir(parents=True)
        model(folder)
        plan = await jobs.plan(ctx, body)
        assert (plan.memory is not None, plan.memory_unknown is None) == (known, known)
    assert plan.memory is not None and plan.memory.basis == "the model's own files"


async def test_each_method_has_an_estimate(ctx: Context, jsonl: Path) -> None:
    without: dict[str, Any] = {"reward_function_id": None, "hyperparameters": {}}
    sft = await planned(ctx, await request(ctx, jsonl, method="sft", **without))
    dpo = await planned(ctx, await request(ctx, jsonl, method="dpo", **without))
    assert "reference model" not in [part["name"] for part in sft.parts]
    assert "reference model" in [part["name"] for part in dpo.parts]
    video = await request(ctx, jsonl, method="sft_video_gen", base_model="THUDM/CogVideoX-2b", **without)
    assert (await planned(ctx, video)).basis == "the name of CogVideoX-2b"


@pytest.mark.parametrize(
    "changes", [{"gpu": {"type": "B2000", "count": 1}}, {"hyperparameters": {"speed": 1}}, {"base_model": "../.."}]
)
async def test_a_plan_that_cannot_be_read_has_none(changes: dict[str, Any], ctx: Context, jsonl: Path) -> None:
    plan = await jobs.plan(ctx, await request(ctx, jsonl, **changes))
    assert plan.problems and (plan.memory, plan.memory_unknown) == (None, None)


def test_a_host_offers_the_memory_that_its_container_may_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    limit = tmp_path / "memory.max"
    monkeypatch.setattr(local, "CGROUP_LIMIT", limit)
    whole = local.memory_bytes()
    assert whole > 10**8
    for text, expected in (("max\n", whole), ("12345678\n", 12_345_678), (f"{whole * 2}\n", whole)):
        limit.write_text(text)
        assert local.memory_bytes() == expected
