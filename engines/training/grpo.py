"""The GRPO trainer child: `main(spec, reporter)` runs one attempt at one job, from its base model to a folder that can be served.

The order matters: what can fail cheaply fails first (dataset, reward file, download), the network is closed before the libraries
that might use it are imported, and these, which take seconds, come last.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from engines.bases import hub
from engines.protocol import ChildFailure, Reporter
from engines.rewards.jail import Jail, Rules
from engines.rewards.openreward_network import Fence, hosts_of
from engines.training import environment, interrupt, prompts, ranks, tasks
from engines.training.grpo_spec import GrpoHyperparameters, GrpoSpec, RewardSource
from engines.training.spec import ModelSource

if TYPE_CHECKING:
    from engines.training.scoring import Judge


def main(spec: dict[str, Any], reporter: Reporter) -> dict[str, Any]:
    """Train and return `{steps}`; after a stop return `{}`, with nothing final made."""
    job = _parse(spec)
    Path(job.work_dir).mkdir(parents=True, exist_ok=True)
    # Before the environments are first asked: it must know the addresses that their client keeps.
    fence = None if job.openreward is None else Fence(hosts_of([job.openreward.api_url, job.openreward.session_url]))
    try:
        with judged(job, reporter) as (judge, rows):
            reporter.phase("pulling_model")
            base, revision = interrupt.call(lambda: locate(job.model, reporter), reporter.stop_requested)
            job = pinned(job, revision)
            threads = max(1, environment.thread_count(base, job.threads) // job.gpus)
            environment.settle(threads, job.device, job.gpus, samples=True)
            if fence is not None:
                fence.close()
            reporter.phase("starting")
            with ranks.Ranks(job, base, threads, reporter):
                from engines.training import run

                return run.train(job, base, rows, judge, threads, reporter)
    except interrupt.Stopped:
        reporter.log("stopped within a step; the step is dropped")
        return {}


@contextmanager
def judged(job: GrpoSpec, reporter: Reporter) -> Iterator[tuple["Judge", list[prompts.Row]]]:
    """Give what scores the job's completions, and what to train on: the dataset's rows, or tasks of the environments."""
    path = Path(job.dataset_path)
    if job.reward is not None:
        rows = prompts.read_rows(path)
        with jailed(job.reward, job.hyperparameters) as jail:
            yield jail, rows
        return
    lines = tasks.read_lines(path)
    # Imports the client of the environments, which takes seconds.
    from engines.training import entering

    with entering.entered(job, lines, reporter) as (actors, chosen):
        yield actors, chosen


def jailed(reward: RewardSource, hyperparameters: GrpoHyperparameters) -> Jail:
    """Return the jail of a job's reward, not started."""
    rules = Rules(
        deadline_s=reward.deadline_s,
        memory_bytes=reward.memory_bytes,
        libraries=None if reward.libraries is None else tuple(reward.libraries),
        require_landlock=reward.require_landlock,
        unprotected=reward.unprotected,
    )
    source = Path(reward.path).read_bytes()
    args = hyperparameters.model_dump()
    return Jail(source, reward.format, name=reward.name, weights=reward.weights, args=args, rules=rules)


def _parse(spec: dict[str, Any]) -> GrpoSpec:
    try:
        job = GrpoSpec.model_validate(spec)
    except ValidationError as error:
        problem = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, problem["loc"]))
        raise ChildFailure("config_error", f"{where}: {problem['msg']}", "platform") from error
    batch = job.hyperparameters.global_batch_size
    if batch % job.gpus:
        raise ChildFailure("config_error", f"hyperparameters.global_batch_size: {batch} cannot be shared by {job.gpus} GPUs")
    return job


def locate(source: ModelSource, reporter: Reporter) -> tuple[Path, str | None]:
    """Return the base model's folder, fetched where it is a repository, and the revision that was pinned and reported."""
    if source.repo is None or source.cache_dir is None:
        folder = Path(str(source.path))
        if not (folder / "config.json").is_file():
            raise ChildFailure("model_unavailable", "The registered model has no config.json in its folder.", "platform")
        return folder, None
    path, revision = hub.fetch(source.repo, source.revision, source.token, Path(source.cache_dir), reporter.log)
    reporter.model(revision)
    return Path(path), revision


def pinned(job: GrpoSpec, revision: str | None) -> GrpoSpec:
    """Return the job with the commit that its base is of."""
    return job.model_copy(update={"model": job.model.model_copy(update={"revision": revision})})
