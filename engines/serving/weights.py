"""The files of what a replica serves, brought to its machine: a job's checkpoint, a registered folder, or one of the hub's."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import update
from sqlmodel import col

from engines import protocol
from engines.serving import fetch
from engines.sources import source_of
from engines.spawn import Child
from models import integration, leases
from models.deployment import Deployment, DeploymentVersion
from models.job import Checkpoint
from models.replica import Replica

if TYPE_CHECKING:
    from engines.serving.replica_run import ReplicaRun


async def fetched(run: "ReplicaRun", version: DeploymentVersion, folder: Path) -> Path:
    """Return the folder of the model's files on this machine; ChildFailure (`model_unavailable`) where it cannot be had."""
    async with run.core.db.read() as session:
        checkpoint = await session.get(Checkpoint, version.checkpoint_id) if version.checkpoint_id else None
        source = await source_of(session, run.settings, version.model, version.revision)
    if checkpoint is not None:
        await run.core.storage.fetch_folder(checkpoint.storage_prefix, folder / "model")
        return folder / "model"
    if "path" in source:
        return Path(source["path"])
    result = await _from_hub(run, folder, source, await _token(run))
    await _pin(run, version.number, str(result["revision"]))
    return Path(result["path"])


async def _token(run: "ReplicaRun") -> str | None:
    """Return what opens a gated model: the deployment's own token, or else its account's at Hugging Face."""
    async with run.core.db.read() as session:
        deployment = await session.get_one(Deployment, run.deployment_id)
        if deployment.sealed_hf_token is not None:
            return run.core.secrets.decrypt(deployment.sealed_hf_token, deployment.id)
        return await integration.secret(session, run.core.secrets, deployment.account_id, "huggingface")


async def _from_hub(run: "ReplicaRun", folder: Path, source: dict[str, Any], token: str | None) -> dict[str, Any]:
    env = {} if token is None else {fetch.TOKEN_VARIABLE: token}
    child = await Child.task("serving.fetch", source, cwd=folder, env=env)
    reading = asyncio.create_task(_pass_on(run, child))
    ending = asyncio.create_task(run.told_to_end())
    ending.add_done_callback(lambda _: child.kill())
    result: dict[str, Any] = {}
    try:
        async for message in child.messages():
            if message["type"] == "log":
                await run.say(message["message"], level=message["level"], source=message["source"])
            elif message["type"] == "failed":
                raise protocol.ChildFailure(message["code"], message["message"], message["attribution"])
            elif message["type"] == "done":
                result = message["result"]
    finally:
        child.kill()
        for task in (reading, ending):
            task.cancel()
        await asyncio.gather(reading, ending, return_exceptions=True)
    if not result:
        raise protocol.ChildFailure("model_unavailable", "The model could not be fetched.", "platform")
    return result


async def _pass_on(run: "ReplicaRun", child: Child) -> None:
    """Read what a fetch prints: a pipe that nobody empties would stop it."""
    async for line in child.log():
        if line:
            await run.say(line)


async def _pin(run: "ReplicaRun", version: int, revision: str) -> None:
    """Note which commit the version is, so that all its replicas serve the same."""
    async with run.core.db.transaction() as session:
        deployment = await session.get_one(Deployment, run.deployment_id, with_for_update=True)
        await leases.guard(session, Replica, run.id, run.token)
        its = (col(DeploymentVersion.deployment_id) == run.deployment_id, col(DeploymentVersion.number) == version)
        await session.exec(update(DeploymentVersion).where(*its).values(revision=revision))
        if deployment.version == version:
            deployment.revision = revision
            session.add(deployment)
