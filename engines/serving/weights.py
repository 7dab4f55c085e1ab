"""The files of what a replica serves, brought to its machine: a job's checkpoint, a registered folder, or one of the hub's."""

import asyncio
import contextlib
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import update
from sqlmodel import col

from engines import protocol
from engines.evidence import ADAPTED, ADAPTER, FILE, MODEL, Evidence, Form, Unreadable, read, template_hash, template_of
from engines.serving import fetch
from engines.serving.adapters import Refused, modules_of
from engines.sources import base_of, source_of
from engines.spawn import Child
from models import integration, leases
from models.deployment import Deployment, DeploymentVersion
from models.job import Checkpoint, Job
from models.replica import Replica

if TYPE_CHECKING:
    from engines.serving.replica_run import ReplicaRun


@dataclass(frozen=True)
class Adapter:
    """An adapter's own folder, the rank that its engine needs room for, and the parts of the model that it is for."""

    folder: Path
    rank: int
    modules: tuple[str, ...]


@dataclass(frozen=True)
class Files:
    """What a replica serves: a whole model, or the base that an adapter goes on top of. `evidence` is what the training side
    wrote of it; where there is none, `uncompared` says why.
    """

    model: Path
    adapter: Adapter | None = None
    evidence: Evidence | None = None
    uncompared: str | None = None

    @property
    def form(self) -> Form:
        return MODEL if self.adapter is None else ADAPTED


async def fetched(run: "ReplicaRun", version: DeploymentVersion, folder: Path, *, merged: bool = False) -> Files:
    """Return the files on this machine; ChildFailure (`model_unavailable`) where they cannot be had.

    A checkpoint with an adapter is fetched as that, unless it is wanted `merged` or its base cannot be had.
    """
    async with run.core.db.read() as session:
        checkpoint = await session.get(Checkpoint, version.checkpoint_id) if version.checkpoint_id else None
        source = await source_of(session, run.settings, version.model, version.revision)
    if checkpoint is None:
        return Files(await _untrained(run, version, folder, source), uncompared="it was not trained here")
    if checkpoint.adapter_rank is not None and not merged:
        try:
            return await adapted(run, checkpoint, folder)
        except Refused as refusal:
            await _tell_merged(run, str(refusal))
    model = folder / "model"
    await run.core.storage.fetch_folder(checkpoint.storage_prefix, model)
    return _with_evidence(model, None, model)


async def merged(run: "ReplicaRun", version: DeploymentVersion, folder: Path, why: str) -> Files:
    """Return a checkpoint's files merged into its base, in place of its adapter."""
    await _tell_merged(run, why)
    return await fetched(run, version, folder, merged=True)


async def _tell_merged(run: "ReplicaRun", why: str) -> None:
    await run.say(f"The checkpoint is served merged into its base, not as an adapter: {why}", level="warning")


async def adapted(run: "ReplicaRun", checkpoint: Checkpoint, folder: Path) -> Files:
    """Return a checkpoint's adapter with its base; Refused where it has none, or the base cannot be had as it was."""
    if checkpoint.adapter_rank is None:
        raise Refused("it is no adapter")
    base = await _base(run, checkpoint, folder)
    target = Path(tempfile.mkdtemp(prefix="adapter-", dir=folder))
    await run.core.storage.fetch_folder(f"{checkpoint.storage_prefix}/{ADAPTER}", target)
    with contextlib.suppress(FileNotFoundError):
        await run.core.storage.fetch(f"{checkpoint.storage_prefix}/{FILE}", target / FILE)
    files = _with_evidence(base, Adapter(target, checkpoint.adapter_rank, modules_of(target)), target)
    if files.evidence is not None and files.evidence.base.chat_template_sha256 != template_hash(template_of(base)):
        raise Refused("its base has another chat template by now")
    return files


async def _base(run: "ReplicaRun", checkpoint: Checkpoint, folder: Path) -> Path:
    async with run.core.db.read() as session:
        trained_by = await session.get_one(Job, checkpoint.job_id)
        source = await base_of(session, run.settings, trained_by)
    if source is None:
        raise Refused(f"no model is registered as {trained_by.base_model} any more")
    if "path" in source:
        base = Path(source["path"])
        if not (base / "config.json").is_file():
            raise Refused(f"the files of {trained_by.base_model} are gone")
        return base
    try:
        # As its job fetched it: without a token, from the cache that all share.
        return Path((await _from_hub(run, folder, source, None))["path"])
    except protocol.ChildFailure as failure:
        if run.is_told:
            raise
        raise Refused(failure.message) from None


def _with_evidence(model: Path, adapter: Adapter | None, folder: Path) -> Files:
    try:
        found = read(folder)
    except Unreadable as problem:
        return Files(model, adapter, uncompared=str(problem))
    return Files(model, adapter, found, None if found else f"its checkpoint has no {FILE}")


async def _untrained(run: "ReplicaRun", version: DeploymentVersion, folder: Path, source: dict[str, Any]) -> Path:
    if "path" in source:
        return of_text(version.model, Path(source["path"]))
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


def of_text(name: str, folder: Path) -> Path:
    """Return the folder of a registered model; ChildFailure where it is a pipeline of diffusers, which no engine here serves."""
    if (folder / "model_index.json").is_file():
        message = f"{name} is a pipeline of diffusers: it can be trained on clips, and deployments answer with text."
        raise protocol.ChildFailure("model_unavailable", message)
    return folder
