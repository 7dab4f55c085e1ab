"""What is wrong with a training job before it is made: everything at once, for a plan as for a start.

Fields are checked as far as they could be read: `given` names those, and the others of the spec are not looked at.
"""

import importlib.util
from collections.abc import Callable, Coroutine, Set
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel
from sqlalchemy import func
from sqlmodel import col, select

from burnish.kit.core import Core
from burnish.kit.db import Session
from burnish.kit.errors import BurnishError, Invalid, RateLimited, SchemaInvalid
from engines.compute import local
from engines.compute.hardware import Shape
from engines.training.grpo_spec import GrpoHyperparameters
from models import books, integration, job
from models.job import Checkpoint, Job
from resolvers import base_models, checkpoints, dataset_fit, datasets, destinations, environments, hardware, reward_functions
from resolvers.caps import capped
from resolvers.context import Context
from resolvers.inputs import parse
from resolvers.methods import GRPO, METHODS, Method

if TYPE_CHECKING:
    from resolvers.jobs import JobInput

RETRY_AFTER_S = 60
# What of the hyperparameters a checkpoint's weights hang on.
STAYING = ("lora_rank", "lora_alpha")


@dataclass
class Found:
    """What a spec says, as far as it could be read, and everything that is wrong with it."""

    problems: list[BurnishError] = field(default_factory=list)
    method: Method | None = None
    hyperparameters: BaseModel | None = None
    shape: Shape | None = None
    cap_micros: int | None = None
    resumed: Checkpoint | None = None

    @property
    def is_countable(self) -> bool:
        """Whether enough could be read to tell what memory the job takes."""
        known = None not in (self.method, self.hyperparameters, self.shape)
        return known and all(problem.param != "base_model" for problem in self.problems)

    def note(self, check: Callable[[], Any]) -> Any:
        """Return what `check` returns; what it raises is one more problem."""
        try:
            return check()
        except BurnishError as error:
            self.problems.append(error)
            return None

    async def wait(self, check: Coroutine[Any, Any, Any]) -> Any:
        try:
            return await check
        except BurnishError as error:
            self.problems.append(error)
            return None


def of_itself(core: Core, spec: "JobInput", given: Set[str]) -> Found:
    """Check what nothing but the spec and the installation is needed for."""
    found = Found()
    if "method" in given:
        found.method = found.note(lambda: method_of(spec.method))
    if "gpu" in given:
        found.shape = found.note(lambda: hardware.shape_of(spec.gpu))
    if "provider" in given:
        found.note(lambda: hardware.check_provider(spec.provider))
    if "base_model" in given:
        found.note(lambda: base_models.check_id(spec.base_model, "base_model"))
    if found.method is not None:
        if "hyperparameters" in given:
            shown = found.method.hyperparameters
            found.hyperparameters = found.note(lambda: parse(shown, spec.hyperparameters, at="hyperparameters"))
        if {"reward_function_id", "environments"} <= given:
            found.note(lambda: _check_reward(found.method, spec))
    if found.method is GRPO and "environments" in given and (wanted := spec.environments) is not None:
        found.note(lambda: environments.check(wanted))
    if found.hyperparameters is not None and "checkpoint_destination" in given:
        is_adapter = getattr(found.hyperparameters, "lora_rank", None) is not None
        wrong = destinations.weights_problem(spec.checkpoint_destination, spec.method, is_adapter=is_adapter)
        found.problems += [] if wrong is None else [wrong]
    if "max_cost_usd" in given and found.shape is not None:
        hour = hardware.hour_micros(core, found.shape)
        found.cap_micros = found.note(lambda: capped(core.settings, spec.max_cost_usd, hour))
    if spec.volume is not None:
        message = "Volumes are a thing of another service: this installation has none. Upload or connect a dataset."
        found.problems.append(Invalid(message, code="volume_unavailable", param="volume"))
    _check_count(core, found, spec)
    if isinstance(found.hyperparameters, GrpoHyperparameters):
        _check_fit(core, found, found.hyperparameters)
    return found


async def of_others(session: Session, ctx: Context, spec: "JobInput", given: Set[str], found: Found, *, lock: bool) -> None:
    """Check what the spec refers to, within the caller's account, and what the account may still start.

    With `lock` nothing of it changes before the transaction ends.
    """
    if "dataset_id" in given:
        dataset = await found.wait(datasets.find(session, ctx, spec.dataset_id, lock=lock))
        # What an environment asks is not in the rows.
        if dataset is not None and found.method is not None and spec.environments is None:
            unfit = dataset_fit.problem(dataset, found.method.name, found.hyperparameters)
            found.problems += [] if unfit is None else [unfit]
    if "reward_function_id" in given and spec.reward_function_id is not None and found.method is GRPO:
        await found.wait(reward_functions.find(session, ctx, spec.reward_function_id, lock=lock))
    if spec.environments is not None and found.method is GRPO:
        key = await integration.secret(session, ctx.core.secrets, ctx.account.id, "openreward")
        problem = environments.problem(has_key=key is not None)
        found.problems += [] if problem is None else [problem]
    if "checkpoint_destination" in given:
        token = await integration.secret(session, ctx.core.secrets, ctx.account.id, "huggingface")
        asked = spec.checkpoint_destination
        problem = destinations.problem(ctx.core.settings, ctx.account, asked, has_token=token is not None)
        found.problems += [] if problem is None else [problem]
    if "resume_from" in given and spec.resume_from is not None:
        found.resumed = await found.wait(_resumed(session, ctx, spec, given, found, lock))
    await found.wait(_check_limit(session, ctx, lock))
    # Last: whoever has put all else right learns that it is of no use here.
    if found.method is not None and found.method.unavailable is not None:
        found.problems.append(Invalid(found.method.unavailable, code="method_unavailable", param="method"))


def method_of(name: str) -> Method:
    """Return the method; Invalid naming those that there are."""
    if name not in METHODS:
        raise Invalid(f"Unknown method '{name}'; there are {', '.join(METHODS)}.", param="method")
    return METHODS[name]


def _check_reward(method: Method | None, spec: "JobInput") -> None:
    if method is None:
        return
    if not method.takes_reward:
        if spec.reward_function_id is not None:
            raise Invalid(f"A {method.name} job learns from its rows: leave the reward out.", param="reward_function_id")
        if spec.environments is not None:
            raise Invalid(f"A {method.name} job learns from its rows: leave the environments out.", param="environments")
    elif spec.environments is not None and spec.reward_function_id is not None:
        raise Invalid("A job has one source of reward: a reward function or environments, not both.", param="environments")
    elif spec.environments is None and spec.reward_function_id is None:
        raise Invalid(f"A {method.name} job needs a reward function, or environments.", param="reward_function_id")


def _check_count(core: Core, found: Found, spec: "JobInput") -> None:
    """Refuse more GPUs than one where the trainer would leave the others unused."""
    if _gpus(core, found) > 1 and found.method is not None and (found.method is not GRPO or spec.environments is not None):
        what = "job with environments" if found.method is GRPO else f"{found.method.name} job"
        message = f"A {what} runs on one GPU."
        found.problems.append(Invalid(message, param="gpu.count", hint="Ask for a count of 1."))


def _gpus(core: Core, found: Found) -> int:
    """Return how many GPUs the job would train on; 0 where they are not known, and where it would run on the CPU."""
    shape = found.shape
    return 0 if shape is None or shape.is_cpu or local.falls_back(core.settings) else shape.count


def _check_fit(core: Core, found: Found, hyperparameters: GrpoHyperparameters) -> None:
    """Refuse a batch that the GPUs cannot share, and 4-bit weights without the library that holds them."""
    gpus, batch = _gpus(core, found), hyperparameters.global_batch_size
    if gpus and batch % gpus:
        message = f"The GPUs share each step: global_batch_size must be a multiple of gpu.count ({gpus}); {batch} is not."
        found.problems.append(Invalid(message, param="hyperparameters.global_batch_size"))
    if hyperparameters.load_in_4bit and importlib.util.find_spec("bitsandbytes") is None:
        message = "This installation has no bitsandbytes, which load_in_4bit needs."
        found.problems.append(Invalid(message, param="hyperparameters.load_in_4bit"))


async def _resumed(session: Session, ctx: Context, spec: "JobInput", given: Set[str], found: Found, lock: bool) -> Checkpoint:
    """Return the checkpoint to start from; Invalid naming the field in which the new job is of another kind."""
    checkpoint = await checkpoints.resumable(session, ctx, str(spec.resume_from))
    # Locked, so that it is not deleted while the new job is made.
    before = await session.get_one(Job, checkpoint.job_id, with_for_update=lock or None)
    if before.deleted_at is not None:
        raise checkpoints.unknown(str(spec.resume_from))
    if "base_model" in given and spec.base_model != before.base_model:
        raise Invalid(f"{checkpoint.id} is a state of {before.base_model}: a job goes on with the same.", param="base_model")
    if found.method is not None and found.method.name != before.method:
        raise Invalid(f"{checkpoint.id} is of a {before.method} job: a job goes on with the same method.", param="method")
    if found.hyperparameters is not None:
        asked = found.hyperparameters.model_dump()
        for name in STAYING:
            now, then = asked.get(name), before.hyperparameters.get(name)
            if now != then and name in asked:
                message = f"{checkpoint.id} was trained with a {name} of {then or 'null'}: a job goes on with the same."
                raise Invalid(message, param=f"hyperparameters.{name}")
        # Less may be held out, none, and never what has been trained on.
        now, then = asked.get("eval_fraction"), before.hyperparameters.get("eval_fraction")
        if now is not None and now != then:
            message = f"{checkpoint.id} was trained with an eval_fraction of {then or 'null'}: others are of learned rows."
            raise Invalid(message, param="hyperparameters.eval_fraction")
        steps = asked["max_steps"]
        if steps is not None and steps <= checkpoint.step:
            message = f"{checkpoint.id} has {checkpoint.step} steps behind it, and max_steps counts them: it must be more."
            raise Invalid(message, param="hyperparameters.max_steps")
    return checkpoint


async def _check_limit(session: Session, ctx: Context, lock: bool) -> None:
    """RateLimited (`CONCURRENT_JOB_LIMIT`) where the account has as many jobs as the operator allows."""
    most = ctx.core.settings.concurrent_jobs
    if not most:
        return
    if lock:
        # The account's row is the queue in which parallel starts stand.
        await books.lock(session, ctx.account.id)
    mine = (Job.account_id == ctx.account.id, col(Job.status).in_(job.LIVE))
    count = (await session.exec(select(func.count(col(Job.id))).where(*mine))).one()
    if count >= most:
        message = f"This account has {count} jobs that have not ended, and {most} are allowed at once."
        raise RateLimited(message, code="CONCURRENT_JOB_LIMIT", retry_after_s=RETRY_AFTER_S)


def missing(name: str) -> SchemaInvalid:
    return SchemaInvalid(f"{name}: this field is required", param=name)
