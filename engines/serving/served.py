"""What a replica's engine serves and under which name: proven before it gets traffic, and exchanged while it runs.

An adapter is loaded under a name that no other has had in this engine, so that requests for the one before and for the one after
run side by side, each with its own weights to the end. The gateways ask for whichever name the replica's row says.
"""

import asyncio
import contextlib
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import httpx2
import structlog
from obstore.exceptions import BaseError
from sqlalchemy.exc import DBAPIError
from sqlmodel import select

from engines import protocol
from engines.serving import adapters, engine, parity, weights
from engines.serving.adapters import Refused
from engines.serving.engine_args import EngineArgs
from engines.serving.engine_choice import Choice
from engines.serving.parity import Parity
from engines.serving.weights import Adapter, Files
from models.deployment import Deployment, DeploymentVersion
from models.job import Checkpoint
from models.leases import LeaseLost
from models.replica import Replica

if TYPE_CHECKING:
    from engines.serving.replica_run import ReplicaRun

log = structlog.get_logger(__name__)
READY_EVERY_S = 0.25
# A gateway may have chosen the name just before the row told the next one.
SETTLE_S = 2.0
IN_USE_EVERY_S = 0.5
UNABLE = (Refused, protocol.ChildFailure, httpx2.HTTPError, BaseError, OSError)


@dataclass(frozen=True)
class Loaded:
    """An adapter in the engine, of a version of the deployment."""

    version: int
    name: str
    folder: Path


class Served:
    """The model of one engine process: `names`, `args`, `flags` and `environment` for its start, `prove` before traffic, `follow`
    from then on.
    """

    def __init__(
        self,
        run: "ReplicaRun",
        choice: Choice,
        files: Files,
        folder: Path,
        deployment: Deployment,
        args: EngineArgs,
        version: int,
    ) -> None:
        self._run = run
        self._choice = choice
        self._files = files
        self._folder = folder
        self._deployment = deployment
        self._version = version
        self._used: set[str] = set()
        self._current: Loaded | None = None
        self._retiring: set[asyncio.Task[None]] = set()
        self._asked = asyncio.Event()
        adapter = files.adapter
        self.args = args if adapter is None else adapters.with_room(args, adapter.rank)
        self.flags = adapters.flags(choice.engine, args, () if adapter is None else adapter.modules)
        self.environment = {} if adapter is None else adapters.ENVIRONMENT
        self.names = [deployment.name, deployment.id] if adapter is None else [f"{deployment.id}:base"]

    # --- before traffic ---

    async def prove(self, client: httpx2.AsyncClient) -> None:
        """Return once the engine has answered as the trained model would; Refused for an adapter that it does not take,
        ChildFailure (`parity_failed`) for another model than the one that was trained.
        """
        adapter = self._files.adapter
        if adapter is not None:
            self._current = await self._load(client, self._version, adapter)
        name = self.names[-1] if self._current is None else self._current.name
        await self._until_ready(client, name)
        found = await self._compare(client, name, self._files)
        async with self._run.row() as (_, row):
            row.parity = None if found is None else found.as_json()
            row.served_name = None if self._current is None else name
        # Before the log says that it is ready.
        await self._run.flush()
        if found is not None and found.problem is not None:
            raise protocol.ChildFailure(parity.FAILED, found.problem, "platform")

    async def _load(self, client: httpx2.AsyncClient, version: int, adapter: Adapter) -> Loaded:
        name = self._name(version)
        await adapters.load(client, self._url, name, adapter.folder)
        await self._run.say(f"Adapter of version {version} loaded, rank {adapter.rank}")
        return Loaded(version, name, adapter.folder)

    def _name(self, version: int) -> str:
        name = f"{self._deployment.id}:v{version}"
        while name in self._used:
            name += "+"
        self._used.add(name)
        return name

    @property
    def _url(self) -> str:
        assert self._run.url is not None
        return self._run.url

    async def _until_ready(self, client: httpx2.AsyncClient, name: str) -> None:
        while not await engine.ready(client, self._url, name):
            await asyncio.sleep(READY_EVERY_S)

    async def _compare(self, client: httpx2.AsyncClient, name: str, files: Files) -> Parity | None:
        """Return what the comparison with the training side found, None where there is nothing to compare."""
        if files.evidence is None:
            await self._run.say(f"Not compared with its training: {files.uncompared}")
            return None
        allowed = parity.tolerance(files.evidence.dtype, self.args)
        reads = self._choice.engine.abilities.prompt_logprobs
        found = await parity.check(client, self._url, name, files.evidence, files.form, allowed, reads_prompts=reads)
        if not found.prompts:
            await self._run.say("Not compared with its training: no prompt of the comparison fits this engine", level="warning")
            return None
        if found.problem is None:
            same = f"Compared with its training on {found.prompts} prompts: the same tokens from the chat template"
            await self._run.say(f"{same}, log-probabilities at most {found.max_difference:.3f} apart of {allowed:g} tolerated")
        return found

    # --- while it serves ---

    def ask(self, version: int | None) -> None:
        """Note that the replica is asked to take a version over."""
        if version is not None:
            self._asked.set()

    async def follow(self, client: httpx2.AsyncClient) -> None:
        """Take over each version that the replica is asked to, until cancelled."""
        try:
            while self._current is not None:
                await self._asked.wait()
                self._asked.clear()
                try:
                    await self._look(client, self._current)
                except DBAPIError as error:
                    # It is asked again with the next beat.
                    log.warning("database_unreachable", resource=self._run.id, error=str(error.orig))
        finally:
            for task in self._retiring:
                task.cancel()
            await asyncio.gather(*self._retiring, return_exceptions=True)

    async def _look(self, client: httpx2.AsyncClient, old: Loaded) -> None:
        async with self._run.core.db.read() as session:
            target = (await session.get_one(Replica, self._run.id)).swap_version
        if target is not None:
            await self._exchange(client, target, old)

    async def _exchange(self, client: httpx2.AsyncClient, target: int, old: Loaded) -> None:
        new: Loaded | None = None
        try:
            async with asyncio.timeout(self._run.settings.replica_start_s):
                files = await self._successor(target)
                assert files.adapter is not None
                new = await self._load(client, target, files.adapter)
                await self._until_ready(client, new.name)
                found = await self._compare(client, new.name, files)
        except UNABLE as error:
            reason = str(error) or f"it took longer than {self._run.settings.replica_start_s:g} s"
            await self._refuse(target, reason)
        except (DBAPIError, LeaseLost):
            raise
        except Exception as error:
            # Left to itself the update would wait for this replica for ever.
            log.error("swap_failed", resource=self._run.id, version=target, exc_info=error)
            await self._refuse(target, f"the platform failed ({type(error).__name__})")
        else:
            problem = None if found is None else found.problem
            if problem is not None:
                await self._refuse(target, problem, f"{parity.FAILED}: {problem}")
            elif await self._take_over(new, old, found):
                self._current, new = new, old
        if new is not None:
            self._retire(client, new)

    async def _successor(self, version: int) -> Files:
        """Return the files of a version's adapter; Refused where it is not of the base that this engine has."""
        async with self._run.core.db.read() as session:
            its = (DeploymentVersion.deployment_id == self._deployment.id, DeploymentVersion.number == version)
            found = (await session.exec(select(DeploymentVersion).where(*its))).one()
            checkpoint = await session.get(Checkpoint, found.checkpoint_id) if found.checkpoint_id else None
        if checkpoint is None:
            raise Refused("it is no adapter")
        files = await weights.adapted(self._run, checkpoint, self._folder)
        if files.model != self._files.model:
            raise Refused("it is of another base")
        prepared = () if self._files.adapter is None else self._files.adapter.modules
        if files.adapter is not None and not set(files.adapter.modules) <= set(prepared):
            raise Refused("it adapts parts of the model that the engine has not prepared")
        return files

    async def _take_over(self, new: Loaded, old: Loaded, found: Parity | None) -> bool:
        """Send what comes from now on to the new adapter; False where that is not wanted any more."""
        async with self._run.row() as (session, row):
            if row.swap_version != new.version or row.stop_requested_at is not None:
                return False
            row.version, row.served_name, row.swap_version, row.swap_refused = new.version, new.name, None, None
            row.parity = None if found is None else found.as_json()
            told = {"replica_id": row.id, "version": new.version, "from": old.version}
            line = f"Replica {row.id} serves version {new.version} in place of {old.version}, without a restart"
            await self._run.record(session, "replica_swapped", told, line)
        self._run.wake(self._deployment.id)
        return True

    async def _refuse(self, target: int, reason: str, error: str | None = None) -> None:
        """Leave a version to another replica or, with an error, to nobody."""
        async with self._run.row() as (_, row):
            if row.swap_version != target:
                return
            row.swap_version, row.swap_refused, row.swap_error = None, target, error
        await self._run.say(f"Version {target} does not take over while the engine runs: {reason}", level="warning")
        self._run.wake(self._deployment.id)

    def _retire(self, client: httpx2.AsyncClient, gone: Loaded) -> None:
        task = asyncio.create_task(self._unload(client, gone))
        self._retiring.add(task)
        task.add_done_callback(self._retiring.discard)

    async def _unload(self, client: httpx2.AsyncClient, gone: Loaded) -> None:
        """Have the engine forget an adapter once its last request has ended."""
        await asyncio.sleep(SETTLE_S)
        # An engine that does not answer has forgotten everything, or soon will.
        with contextlib.suppress(httpx2.HTTPError):
            while await adapters.is_in_use(client, self._url, gone.name):
                await asyncio.sleep(IN_USE_EVERY_S)
            await adapters.unload(client, self._url, gone.name)
            await self._run.say(f"Adapter of version {gone.version} unloaded")
        await asyncio.to_thread(shutil.rmtree, gone.folder, True)
