"""How a replica comes by its engine: which one, with which flags, and the other one where that shows that it cannot serve."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from engines import protocol
from engines.compute import hardware
from engines.serving import adapters, engine_choice
from engines.serving.engine import Launch
from engines.serving.engine_args import BadFlag, EngineArgs
from engines.serving.engine_choice import Choice
from engines.serving.served import Served
from engines.serving.weights import Files
from models import leases
from models.deployment import Deployment
from models.replica import Replica

if TYPE_CHECKING:
    from engines.serving.replica_run import ReplicaRun


async def chosen(run: "ReplicaRun", model: Path) -> Choice:
    """Return the engine of a replica, once the rows and the log say which it is and why."""
    choice = await engine_choice.choose(run.settings, model, run.placement.device)
    await _tell(run, choice)
    return choice


async def instead(run: "ReplicaRun", choice: Choice, model: Path) -> Choice | None:
    """Return the other engine where the start that failed has shown that this one cannot serve the model here; else None."""
    other = engine_choice.instead(run.settings, choice, model, run.placement.device, run.exit_code, run.last_lines)
    if other is not None:
        await _tell(run, other)
    return other


def arguments(deployment: Deployment) -> EngineArgs:
    """Return the flags of a deployment's replicas; ChildFailure where they contradict each other."""
    asked = deployment.gpu_requested
    gpus = 1 if hardware.canonical(asked["type"]) == hardware.CPU else asked["count"]
    try:
        return EngineArgs.of(deployment.extra_args, max_batch_size=deployment.max_batch_size, gpus=gpus)
    except BadFlag as error:
        raise protocol.ChildFailure("invalid_engine_args", str(error), "user") from None


def command(run: "ReplicaRun", choice: Choice, model: Path, served: Served, port: int) -> tuple[list[str], dict[str, str]]:
    """Return the argv of a replica's engine and what its environment needs besides."""
    argv, env = choice.engine.command(Launch(model, served.names, port, run.placement.device, args=served.args))
    argv, env = argv + served.flags, env | served.environment
    if run.placement.gpu_indices:
        env |= {"CUDA_VISIBLE_DEVICES": ",".join(map(str, run.placement.gpu_indices))}
    return argv, env


async def hindrance(run: "ReplicaRun", choice: Choice, files: Files) -> str | None:
    """Return why the engine cannot serve the adapter by itself, None where it can or there is none."""
    if files.adapter is None:
        return None
    return adapters.hindrance(choice.engine, arguments(await run.deployment()), files.adapter.rank)


def has_no_adapters(lines: Iterable[str]) -> bool:
    """Say whether the last words of an engine are that it has no adapters for the model."""
    return any(words in line for line in lines for words in adapters.NOT_FOR_THE_MODEL)


async def _tell(run: "ReplicaRun", choice: Choice) -> None:
    deployment = await run.deployment()
    async with run.core.db.transaction() as session:
        # The deployment before the replica, as its host locks them.
        row = await session.get_one(Deployment, run.deployment_id, with_for_update=True)
        await leases.guard(session, Replica, run.id, run.token)
        row.engine, row.engine_reason = choice.engine.name, choice.reason
        its = await session.get_one(Replica, run.id, populate_existing=True)
        its.engine = choice.engine.name
        session.add_all([row, its])
    first, *unheeded = choice.told(arguments(deployment), run.placement.device)
    await run.say(first)
    for line in unheeded:
        await run.say(line, level="warning")
