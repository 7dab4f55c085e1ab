"""What arrives in a bucket or at a hub, of models that were trained before their host died: those are only delivered."""

import hashlib
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import ModelCard

from burnish.kit import clock
from burnish.kit.settings import Settings
from engines.delivery import bucket as bucket_module
from models.job import Checkpoint, Job
from resolvers.context import Context
from tests.conftest import Server
from tests.engines.bases.stub_hub_writes import WritableHub, serving_writes
from tests.engines.test_delivery import bucket, endpoint, soon, told
from tests.engines.test_supervise import ended, new_job, supervising, until
from tests.resolvers.test_job_plans import integrate
from tests.rest_compat import things

pytestmark = pytest.mark.anyio
__all__ = ["bucket", "endpoint", "soon"]
HYPER = {"max_steps": 4, "rollouts_per_prompt": 2, "global_batch_size": 4, "lora_rank": 4}


async def delivered(
    server: Server, ctx: Context, folder: Path, destination: dict[str, Any], spoil: str | None = None, **values: Any
) -> Job:
    """Deliver a model that was trained as an adapter; return its job. The file `spoil` is another by then."""
    job = await new_job(server, ctx, folder, checkpoint_destination=destination, hyperparameters=HYPER)
    model, prefix = folder / "model", f"{job.account_id}/{job.id}/1/final"
    for path, content in things.ADAPTED.items():
        (model / path).parent.mkdir(parents=True, exist_ok=True)
        (model / path).write_bytes(content)
    stored = await ctx.core.storage.put_folder(prefix, model)
    if spoil is not None:
        await ctx.core.storage.put(f"{prefix}/{spoil}", b"another")
    async with ctx.db.transaction() as session:
        row = await session.get_one(Job, job.id)
        row.latest_metrics, row.best_step = (
            {"reward": 0.87512, "kl": 0.0123456, "eval_reward": 0.75, "rewards/secret/mean": 1.0},
            3,
        )
        session.add(row)
        session.add(
            Checkpoint(
                id="ckpt_final", job_id=job.id, account_id=job.account_id, attempt=1, step=4, final=True, storage_prefix=prefix,
                adapter_rank=4, score=0.75, created_at=clock.now(), **{**stored._asdict(), **values},
            )
        )  # fmt: skip
    async with supervising(server):
        found: Job = await until(ended(ctx, job.id), 60)
    assert (found.status, found.error) == ("completed", None)
    return found


def content_of(client: Any, name: str, folder: str) -> dict[str, bytes]:
    found = client.list_objects_v2(Bucket=name, Prefix=folder + "/").get("Contents", [])
    return {
        item["Key"].removeprefix(folder + "/"): client.get_object(Bucket=name, Key=item["Key"])["Body"].read() for item in found
    }


def summed(files: dict[str, bytes]) -> bytes:
    return "".join(f"{hashlib.sha256(files[path]).hexdigest()}  {path}\n" for path in sorted(files)).encode()


@pytest.mark.parametrize(("weights", "files"), [("merged", things.MERGED), ("adapter", things.ADAPTER), ("both", things.ADAPTED)])
async def test_a_bucket_gets_the_weights_that_are_wanted_and_their_checksums(
    server: Server, bucket: tuple[str, Any], tmp_path: Path, weights: str, files: dict[str, bytes]
) -> None:
    ctx, (name, client) = await server.context(), bucket
    uri = f"s3://{name}/tenant/sums"
    row = await delivered(server, ctx, tmp_path, {"type": "s3", "uri": uri, "weights": weights})
    assert row.destination_url == uri
    assert content_of(client, name, "tenant/sums") == {**files, "SHA256SUMS": summed(files)}


async def test_a_bucket_gets_one_archive_with_its_own_checksum(server: Server, bucket: tuple[str, Any], tmp_path: Path) -> None:
    ctx, (name, client) = await server.context(), bucket
    uri = f"s3://{name}/tenant/packed"
    row = await delivered(server, ctx, tmp_path, {"type": "s3", "uri": uri, "archive": True, "weights": "adapter"})
    assert row.destination_url == f"{uri}/out.tar.gz"
    found = content_of(client, name, "tenant/packed")
    archive = found.pop("out.tar.gz")
    assert found == {"SHA256SUMS": summed({"out.tar.gz": archive})}
    assert things.unpacked(archive) == {**things.ADAPTER, "SHA256SUMS": summed(things.ADAPTER)}
    _, events = await told(ctx, row.id)
    assert events["checkpoint_delivered"] == {"url": f"{uri}/out.tar.gz"}


async def test_a_state_that_is_not_what_was_stored_is_not_gone_on_from(server: Server, tmp_path: Path) -> None:
    ctx = await server.context()
    job = await new_job(server, ctx, tmp_path, hyperparameters=HYPER)
    await things.checkpoint(server, job.id, 2, files=things.STATE)
    await ctx.core.storage.put(f"{job.account_id}/{job.id}/1/2/optimizer.pt", b"st4te")
    async with supervising(server):
        row: Job = await until(ended(ctx, job.id), 60)
    assert row.error is not None
    assert (row.status, row.error["code"], row.error["attribution"], row.cost_micros) == ("failed", "worker_lost", "platform", 0)
    assert row.error["message"].startswith(
        "The checkpoint of step 2 cannot be gone on from: optimizer.pt is not what was stored: its sha256 is "
    )


@pytest.mark.parametrize("archive", [False, True])
async def test_a_file_that_is_not_what_was_stored_is_never_delivered(
    server: Server, settings: Settings, bucket: tuple[str, Any], tmp_path: Path, archive: bool
) -> None:
    settings.delivery_attempts = 2
    ctx, (name, client) = await server.context(), bucket
    destination = {"type": "s3", "uri": f"s3://{name}/tenant/spoilt", "archive": archive}
    row = await delivered(server, ctx, tmp_path, destination, spoil="model.safetensors")
    assert row.destination_url is None
    # What comes before it in the folder was whole.
    before = [] if archive else ["adapter/adapter_config.json", "adapter/adapter_model.safetensors", "config.json"]
    assert sorted(content_of(client, name, "tenant/spoilt")) == before
    _, events = await told(ctx, row.id)
    assert "model.safetensors is not what was stored" in events["checkpoint_delivery_failed"]["message"]


async def test_a_second_try_sends_only_what_the_first_has_not(
    server: Server, bucket: tuple[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ctx, (name, client) = await server.context(), bucket
    asked: list[str] = []
    put = bucket_module._put

    async def fails_once(target: Any, path: str, *rest: Any) -> None:
        asked.append(path)
        if asked == ["adapter_config.json", "adapter_model.safetensors"]:
            raise OSError("the line is dead")
        await put(target, path, *rest)

    monkeypatch.setattr(bucket_module, "_put", fails_once)
    destination = {"type": "s3", "uri": f"s3://{name}/tenant/again", "weights": "adapter"}
    row = await delivered(server, ctx, tmp_path, destination)
    assert row.destination_url == destination["uri"]
    assert asked == ["adapter_config.json", "adapter_model.safetensors", "adapter_model.safetensors"]
    assert content_of(client, name, "tenant/again") == {**things.ADAPTER, "SHA256SUMS": summed(things.ADAPTER)}


async def test_a_hub_gets_the_adapter_alone_with_a_card_of_it(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ctx = await server.context()
    await integrate(ctx, "huggingface", "hf_secret")
    with serving_writes(WritableHub(token="hf_secret")) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        row = await delivered(server, ctx, tmp_path, {"type": "hf", "repo": "acme/sums", "weights": "adapter"})
    assert row.destination_url == f"{hub.url}/acme/sums"
    files = hub.repos["acme/sums"]
    card = files.pop("README.md").decode()
    assert files == {**things.ADAPTER, "SHA256SUMS": summed(things.ADAPTER)}
    head: Any = ModelCard(card).data
    about = {"library_name": "peft", "pipeline_tag": "text-generation", "tags": ["burnish", "grpo", "lora"]}
    assert head.to_dict() == about
    assert "| Mean reward | 0.8751 |\n| KL divergence from the base model | 0.01235 |" in card
    assert "secret" not in card


async def test_a_hub_gets_both_without_the_prompts_in_the_evidence(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ctx = await server.context()
    await integrate(ctx, "huggingface", "hf_secret")
    with serving_writes(WritableHub(token="hf_secret")) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        await delivered(server, ctx, tmp_path, {"type": "hf", "repo": "acme/sums"})
    public = {path: content for path, content in things.ADAPTED.items() if path != "parity.json"}
    files = hub.repos["acme/sums"]
    assert "`adapter/` holds the LoRA adapter of rank 4 by itself" in files.pop("README.md").decode()
    assert files == {**public, "SHA256SUMS": summed(public)}
