"""The schema: the roots, put together of what each noun adds."""

import re
from collections.abc import Callable
from functools import partial
from typing import Annotated, Any

import strawberry
from graphql import GraphQLError
from strawberry.dataloader import DataLoader
from strawberry.schema.config import StrawberryConfig
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext
from strawberry.types import ExecutionContext

from schema import errors
from schema.accounts import AccountQueries
from schema.admitted import Handover
from schema.api_keys import ApiKey, ApiKeyMutations, ApiKeyQueries
from schema.audit import AuditEntry, AuditQueries
from schema.base_models import BaseModelQueries
from schema.batch_actions import BatchMutations
from schema.batches import Batch, BatchQueries
from schema.billing import BillingMutations, BillingQueries, Transaction
from schema.checkpoints import Checkpoint, CheckpointQueries
from schema.comparison import ComparisonQueries
from schema.context import Info, RequestContext
from schema.costs import CostQueries
from schema.dataset_sources import DatasetSourceMutations
from schema.datasets import Dataset, DatasetMutations, DatasetQueries
from schema.deployment_actions import DeploymentMutations
from schema.deployments import Deployment, DeploymentQueries
from schema.eval_actions import EvalMutations
from schema.eval_comparison import EvalComparisonQueries
from schema.eval_runs import EvalRun, EvalRunQueries
from schema.evals import Eval, EvalQueries
from schema.files import File, FileMutations, FileQueries
from schema.hardware import HardwareQueries
from schema.inference_requests import InferenceRequest
from schema.integrations import IntegrationMutations, IntegrationQueries
from schema.job_actions import JobMutations
from schema.job_lists import JobQueries
from schema.jobs import TrainingJob
from schema.live import Subscription
from schema.methods import MethodQueries
from schema.nodes import Node
from schema.plain import read_plainly
from schema.rate_limits import RateLimitQueries
from schema.reward_functions import RewardFunction, RewardFunctionMutations, RewardFunctionQueries
from schema.scalars import SCALARS
from schema.sessions import Session, SessionMutations, SessionQueries
from schema.ssh_keys import SshKey, SshKeyMutations, SshKeyQueries
from schema.uploads import UploadMutations


@strawberry.type(description="What can be read.")
class Query(
    AccountQueries,
    ApiKeyQueries,
    SessionQueries,
    SshKeyQueries,
    IntegrationQueries,
    AuditQueries,
    DatasetQueries,
    RewardFunctionQueries,
    JobQueries,
    CheckpointQueries,
    DeploymentQueries,
    BatchQueries,
    EvalQueries,
    EvalRunQueries,
    EvalComparisonQueries,
    FileQueries,
    HardwareQueries,
    BaseModelQueries,
    MethodQueries,
    ComparisonQueries,
    CostQueries,
    BillingQueries,
    RateLimitQueries,
):
    @strawberry.field(description="Anything that has an id; null where the account has no such thing.")
    async def node(self, info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="The id.")]) -> Node | None:
        return await _node(info.context, id)


@strawberry.type(
    description="What can be done. Every write takes one input and answers a payload whose `errors` say why nothing was done."
)
class Mutation(
    SessionMutations,
    ApiKeyMutations,
    SshKeyMutations,
    IntegrationMutations,
    UploadMutations,
    DatasetMutations,
    DatasetSourceMutations,
    RewardFunctionMutations,
    JobMutations,
    DeploymentMutations,
    BatchMutations,
    EvalMutations,
    FileMutations,
    BillingMutations,
): ...


class Execution(StrawberryGraphQLCoreExecutionContext):
    """graphql-core's executor, which keeps what it has looked up for one event of a subscription for all that follow, by the
    address of lists that are gone by then: it would grow for as long as the subscription lasts.
    """

    def build_per_event_executor(self, payload: Any) -> Any:
        made = super().build_per_event_executor(payload)
        made._relevant_sub_fields = {}
        return made


class Schema(strawberry.Schema):
    """Errors are logged where they are hidden from callers, with their request id, and nowhere else."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        read_plainly(self._schema)

    def process_errors(self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None) -> None:
        pass


async def _node(context: RequestContext, node_id: str) -> Node | None:
    ctx, loaders = context.known, context.loaders
    ways: dict[str, tuple[DataLoader[str, Any], Callable[[Any], Node]]] = {
        "aud": (loaders.audit_entry, AuditEntry.of),
        "batch": (loaders.batch, Batch.of),
        "ckpt": (loaders.checkpoint, Checkpoint.of),
        "file": (loaders.file, File.of),
        "dep": (loaders.deployment, Deployment.of),
        "ds": (loaders.dataset, Dataset.of),
        "eval": (loaders.eval, Eval.of),
        "job": (loaders.job, TrainingJob.of),
        "key": (loaders.api_key, ApiKey.of),
        "req": (loaders.inference_request, InferenceRequest.of),
        "rf": (loaders.reward_function, RewardFunction.of),
        "run": (loaders.eval_run, EvalRun.of),
        "txn": (loaders.transaction, Transaction.of),
        "ses": (loaders.session, partial(Session.of, ctx)),
        "sk": (loaders.ssh_key, SshKey.of),
    }
    # Ids of files are written as OpenAI's clients know them: `file-…`.
    way = ways.get(re.split("[-_]", node_id, maxsplit=1)[0])
    row = None if way is None else await way[0].load(node_id)
    return None if way is None or row is None else way[1](row)


schema = Schema(
    execution_context_class=Execution,
    query=Query,
    mutation=Mutation,
    subscription=Subscription,
    types=errors.TYPES,
    extensions=[Handover, errors.PublicErrors],
    config=StrawberryConfig(scalar_map=SCALARS),
)
