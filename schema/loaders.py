"""Loaders: what the fields of a list ask for one by one is fetched together.

They batch and never cache, so that a subscription or a second operation on the same socket always sees rows as they are.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from sqlmodel import col
from strawberry.dataloader import DataLoader

from burnish.kit.stream import Row
from models.api_key import KEY, SESSION, ApiKey
from models.audit import AuditEntry
from models.batch import Batch
from models.dataset import Dataset
from models.deployment import Deployment, DeploymentVersion, InferenceRequest
from models.eval import Eval, EvalRun
from models.file import File
from models.job import Checkpoint, Job
from models.ledger import LedgerTransaction
from models.replica import Replica
from models.reward_function import RewardFunction
from models.ssh_key import SshKey
from resolvers import deployments, related
from resolvers.context import Context
from resolvers.deployments import Totals

T = TypeVar("T")
LAST_LINES = 20


class Known(Protocol):
    """Whoever can say who calls."""

    @property
    def known(self) -> Context: ...


class Loaders:
    """One loader for each way from an id to rows of the caller's own account."""

    def __init__(self, source: Known) -> None:
        self._source = source
        self.api_key = self._row(ApiKey, ApiKey.kind == KEY)
        self.audit_entry = self._row(AuditEntry)
        # A part of an eval run is shown by that alone.
        self.batch = self._row(Batch, col(Batch.parent_id).is_(None))
        self.checkpoint = self._row(Checkpoint)
        self.dataset = self._row(Dataset)
        # What a job was made of is shown with it, deleted or not.
        self.dataset_of_job = self._row(Dataset, deleted=True)
        self.deployment = self._row(Deployment)
        self.file = self._row(File, col(File.internal).is_(False))
        self.eval = self._row(Eval)
        self.eval_run = self._row(EvalRun)
        self.inference_request = self._row(InferenceRequest)
        self.job = self._row(Job)
        self.job_of_deployment = self._row(Job)
        self.reward_function = self._row(RewardFunction)
        self.transaction = self._row(LedgerTransaction)
        self.session = self._row(ApiKey, ApiKey.kind == SESSION)
        self.ssh_key = self._row(SshKey)
        self.reward_function_of_job = self._row(RewardFunction, deleted=True)
        self.checkpoints_of_job: DataLoader[str, list[Checkpoint]] = self._rows(related.checkpoints)
        self.deployments_of_job: DataLoader[str, list[Deployment]] = self._rows(related.deployments)
        self.jobs_of_dataset = self._jobs(Job.dataset_id)
        self.jobs_of_reward_function = self._jobs(Job.reward_function_id)
        self.lines_of_job: DataLoader[str, list[Row]] = self._rows(self._lines)
        self.progress_of_batch: DataLoader[str, Row | None] = DataLoader(load_fn=self._progress, cache=False)
        self.parts_of_run: DataLoader[str, list[Batch]] = self._rows(related.eval_parts)
        self.replicas_of_deployment: DataLoader[str, list[Replica]] = self._rows(related.replicas)
        self.versions_of_deployment: DataLoader[str, list[DeploymentVersion]] = self._rows(related.versions)
        self.runs_of_eval = self._newest(related.eval_runs)
        self.totals_of_deployment: DataLoader[str, Totals] = DataLoader(load_fn=self._totals, cache=False)

    def _row(self, table: type[T], *where: Any, deleted: bool = False) -> DataLoader[str, T | None]:
        async def load(ids: list[str]) -> list[T | None]:
            found = await related.by_id(self._source.known, table, ids, *where, deleted=deleted)
            return [found.get(item) for item in ids]

        return DataLoader(load_fn=load, cache=False)

    def _rows(self, resolver: Callable[[Context, Sequence[str]], Awaitable[Mapping[str, list[T]]]]) -> DataLoader[str, list[T]]:
        async def load(ids: list[str]) -> list[list[T]]:
            found = await resolver(self._source.known, ids)
            return [found.get(item, []) for item in ids]

        return DataLoader(load_fn=load, cache=False)

    def _jobs(self, column: Any) -> DataLoader[tuple[str, int], list[Job]]:
        """Load the newest jobs of a thing by (id, how many)."""
        return self._newest(lambda ctx, ids, count: related.jobs(ctx, column, ids, count))

    def _newest(
        self, resolver: Callable[[Context, Sequence[str], int], Awaitable[Mapping[str, list[T]]]]
    ) -> DataLoader[tuple[str, int], list[T]]:
        """Load the newest rows of a thing by (id, how many)."""

        async def load(wanted: list[tuple[str, int]]) -> list[list[T]]:
            ids, counts = [item for item, _ in wanted], [count for _, count in wanted]
            found = await resolver(self._source.known, ids, max(counts))
            return [found.get(item, [])[:count] for item, count in wanted]

        return DataLoader(load_fn=load, cache=False)

    @staticmethod
    async def _lines(ctx: Context, job_ids: Sequence[str]) -> Mapping[str, list[Row]]:
        return await related.last_lines(ctx, job_ids, LAST_LINES)

    async def _progress(self, ids: list[str]) -> list[Row | None]:
        found = await related.batch_progress(self._source.known, ids)
        return [found.get(item) for item in ids]

    async def _totals(self, ids: list[str]) -> list[Totals]:
        found = await deployments.totals_of(self._source.known, ids)
        return [found[item] for item in ids]


async def need(loader: DataLoader[str, T | None], item_id: str) -> T:
    """Load what another row of the account refers to, so that it must be there."""
    row = await loader.load(item_id)
    if row is None:
        raise LookupError(f"{item_id} is referred to and missing")
    return row
