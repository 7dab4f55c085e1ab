"""What an engine with adapters is started with, what is read of it, and which replicas are asked to take a version over."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx2
import pytest

from burnish.kit import clock, ids
from burnish.kit.db import Database, Session
from engines.serving import adapters, swaps
from engines.serving.adapters import Refused
from engines.serving.batching.engine import Transformers
from engines.serving.engine_args import EngineArgs
from engines.serving.engine_choice import Choice
from engines.serving.plan import Wanted, plan
from engines.serving.served import Loaded, Served
from engines.serving.vllm import Vllm
from engines.serving.weights import Files
from models.deployment import Deployment, DeploymentVersion
from models.job import Checkpoint
from models.replica import RUNNING, Replica
from tests.engines.serving.upstream import Upstream
from tests.models import rows

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("rank", "flags", "room"),
    [(4, [], (16, 2)), (16, [], (16, 2)), (17, [], (32, 2)), (8, ["--max-lora-rank=64", "--max-loras=8"], (64, 8))],
)
def test_there_is_room_for_the_adapter_and_its_successor(rank: int, flags: list[str], room: tuple[int, int]) -> None:
    args = adapters.with_room(EngineArgs.parse(["--seed=3", *flags]), rank)
    assert (args.enable_lora, args.max_lora_rank, args.max_loras, args.seed) == (True, *room, 3)


@pytest.mark.parametrize(
    ("engine", "flags", "rank", "reason"),
    [
        (Vllm(), [], 512, None),
        (Vllm(), [], 513, "its rank of 513 is above the engine's 512"),
        (Vllm(), ["--no-enable-lora"], 8, "the deployment's --no-enable-lora says so"),
        (Vllm(), ["--quantization=fp8"], 8, "the base would be quantised (fp8)"),
        (Transformers(), [], 8, "the engine transformers takes no adapters"),
    ],
)
def test_what_cannot_be_served_as_an_adapter_has_a_reason(engine: Any, flags: list[str], rank: int, reason: str | None) -> None:
    assert adapters.hindrance(engine, EngineArgs.parse(flags), rank) == reason


def test_an_engine_is_prepared_for_the_parts_that_are_adapted(tmp_path: Path) -> None:
    config = tmp_path / "adapter_config.json"
    config.write_text(json.dumps({"target_modules": ["model.layers.1.mlp.up_proj", "model.layers.0.mlp.up_proj", "q_proj"]}))
    assert adapters.modules_of(tmp_path) == ("q_proj", "up_proj")
    for named in ("all-linear", [], ["--model=/etc"]):
        config.write_text(json.dumps({"target_modules": named}))
        with pytest.raises(Refused):
            adapters.modules_of(tmp_path)


@pytest.mark.parametrize(
    ("engine", "flags", "modules", "prepared"),
    [
        (Vllm(), [], ("q_proj", "up_proj"), ["--lora-target-modules", "q_proj", "up_proj"]),
        (Vllm(), ["--enable-lora"], ("up_proj",), ["--lora-target-modules", "up_proj"]),
        # Without parts of its own it would prepare all, the output layer among them.
        (Vllm(), ["--enable-lora"], (), ["--lora-target-modules", "q_proj", "k_proj", "v_proj", "o_proj"]),
        (Vllm(), ["--no-enable-lora"], (), []),
        (Vllm(), [], (), []),
        (Transformers(), ["--enable-lora"], (), []),
    ],
)
def test_an_engine_never_prepares_its_output_layer(
    engine: Any, flags: list[str], modules: tuple[str, ...], prepared: list[str]
) -> None:
    assert adapters.flags(engine, EngineArgs.parse(flags), modules) == prepared


async def test_an_exchange_that_the_platform_fails_is_left_to_another_replica(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not to nobody: the update would wait for this one for ever."""
    refused: list[tuple[Any, ...]] = []

    async def broken(*_: Any) -> None:
        raise ValueError("adapter_config.json")

    async def refuse(_: Served, *why: Any) -> None:
        refused.append(why)

    monkeypatch.setattr(Served, "_successor", broken)
    monkeypatch.setattr(Served, "_refuse", refuse)
    run: Any = SimpleNamespace(id="rep_1", settings=SimpleNamespace(replica_start_s=30.0))
    deployment = Deployment(
        id="dep_1", account_id="acct", name="d", model="m", source="training_job", gpu_requested=rows.GPU,
        created_at=clock.now(), updated_at=clock.now(),
    )  # fmt: skip
    one = Served(run, Choice(Vllm(), ""), Files(Path("/base")), Path("/run"), deployment, EngineArgs(), 1)
    async with httpx2.AsyncClient(trust_env=False, verify=False) as client:
        await one._exchange(client, 2, Loaded(1, "dep_1:v1", Path("/adapter")))
    assert refused == [(2, "the platform failed (ValueError)")]


GAUGE = 'vllm:lora_requests_info{{engine="0",max_lora="2",running_lora_adapters="{}",waiting_lora_adapters="{}"}} {}\n'


def test_the_newest_of_the_gauges_says_which_adapters_are_in_use() -> None:
    text = (
        "# TYPE vllm:lora_requests_info gauge\n" + GAUGE.format("d:v1", "", "1.7e9") + GAUGE.format("d:v2,d:v3", "d:v1", "1.8e9")
    )
    assert adapters.used(text) == {"d:v1", "d:v2", "d:v3"}
    assert adapters.used(text + GAUGE.format("", "", "1.9e9")) == set()
    assert adapters.used("vllm:num_requests_running 1\n") == set()


async def test_an_adapter_that_the_engine_refuses_is_refused_in_its_words(upstream: Upstream, client: httpx2.AsyncClient) -> None:
    """The stand-in has no such route at all."""
    with pytest.raises(Refused, match="the engine answered 404"):
        await adapters.load(client, upstream.url, "d:v1", Path("/adapter"))


# --- who is asked to take a version over ---


async def a_version(
    session: Session, deployment_id: str, number: int, base: tuple[str, str | None] = ("tiny", None), rank: int | None = 4
) -> DeploymentVersion:
    job = await rows.add_job(session, "acct", status="completed", base_revision=base[1])
    job.base_model = base[0]
    checkpoint = Checkpoint(
        id=ids.new("ckpt"), job_id=job.id, account_id="acct", attempt=1, step=1, final=True, storage_prefix="p",
        file_count=1, size_bytes=1, adapter_rank=rank, created_at=clock.now(),
    )  # fmt: skip
    session.add(checkpoint)
    await session.flush()
    made = DeploymentVersion(
        id=ids.new("dver"), account_id="acct", deployment_id=deployment_id, number=number, model=job.id, source="training_job",
        checkpoint_id=checkpoint.id, created_at=clock.now(),
    )  # fmt: skip
    session.add(made)
    await session.flush()
    return made


def a_replica(version: int = 1, **values: Any) -> Replica:
    given = {"status": RUNNING, "served_name": f"dep_1:v{version}", **values}
    return Replica(
        id=ids.new("rep"), account_id="acct", deployment_id="dep_1", version=version, gpu_requested=rows.GPU,
        created_at=clock.now(), **given,
    )  # fmt: skip


async def asked(database: Database, new: dict[str, Any], *live: Replica) -> list[int | None]:
    """Return what each replica is asked when version 2 is wanted."""
    await rows.account(database)
    deployment_id = await rows.deployment(database)
    for row in live:
        row.deployment_id = deployment_id
    async with database.transaction() as session:
        await a_version(session, deployment_id, 1)
        session.add_all(live)
        await session.flush()
        await swaps.ask(session, await a_version(session, deployment_id, 2, **new), live)
        return [row.swap_version for row in live]


async def test_replicas_with_an_adapter_of_the_same_base_are_asked(database: Database) -> None:
    assert await asked(database, {}, a_replica(), a_replica()) == [2, 2]


@pytest.mark.parametrize("new", [{"rank": None}, {"base": ("other", None)}, {"base": ("tiny", "c0ffee")}])
async def test_a_version_of_another_base_or_without_an_adapter_needs_another_engine(
    database: Database, new: dict[str, Any]
) -> None:
    assert await asked(database, new, a_replica()) == [None]


async def test_only_those_that_can_are_asked(database: Database) -> None:
    unable = [
        a_replica(served_name=None),
        a_replica(status="warming"),
        a_replica(stop_requested_at=clock.now()),
        a_replica(swap_refused=2),
        a_replica(version=2),
    ]
    assert await asked(database, {}, *unable, a_replica(swap_version=3)) == [None] * 5 + [2]


def test_a_replica_that_takes_a_version_over_stays_and_none_is_started_beside_it() -> None:
    one, other = a_replica(swap_version=2), a_replica()
    made = plan(Wanted(version=2, count=1), [one], set(), "scaled down")
    assert (made.start, list(made.stop)) == (0, [])
    made = plan(Wanted(version=2, count=1), [other], set(), "scaled down")
    assert made.start == 1


def test_a_failed_comparison_is_the_versions_and_a_refusal_only_the_replicas() -> None:
    version = DeploymentVersion(
        id="dver_1", account_id="acct", deployment_id="dep_1", number=2, model="m", source="training_job", created_at=clock.now()
    )
    assert swaps.refusal(version, [a_replica(swap_refused=2)]) is None
    failed = a_replica(swap_refused=2, swap_error="parity_failed: prompt 1 of 4")
    assert swaps.refusal(version, [a_replica(), failed]) == "parity_failed: prompt 1 of 4"
    assert swaps.refusal(version.model_copy(update={"number": 3}), [failed]) is None
