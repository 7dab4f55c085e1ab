"""How a child of SFT or DPO begins: from its spec to the base model's folder, with the libraries that take seconds still to come.

What can fail cheaply fails first: the spec and the dataset, then the fetch, and the network is closed before anything that might
use it is imported.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from engines.protocol import ChildFailure, Reporter
from engines.training import environment, interrupt
from engines.training.grpo import locate
from engines.training.spec import JobSpec

J = TypeVar("J", bound=JobSpec)


def parse(kind: type[J], spec: dict[str, Any]) -> J:
    """Return the spec; `config_error` names the first thing that is wrong with it."""
    try:
        return kind.model_validate(spec)
    except ValidationError as error:
        problem = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, problem["loc"]))
        raise ChildFailure("config_error", f"{where}: {problem['msg']}", "platform") from error


def run(job: J, reporter: Reporter, train: Callable[[J, Path, int], dict[str, Any]]) -> dict[str, Any]:
    """Get the base model and call `train` with the job, the base's folder and the number of threads; `{}` after a stop."""
    Path(job.work_dir).mkdir(parents=True, exist_ok=True)
    try:
        reporter.phase("pulling_model")
        base, revision = interrupt.call(lambda: locate(job.model, reporter), reporter.stop_requested)
        job = job.model_copy(update={"model": job.model.model_copy(update={"revision": revision})})
        threads = environment.thread_count(base, job.threads)
        environment.settle(threads, job.device)
        reporter.phase("starting")
        return train(job, base, threads)
    except interrupt.Stopped:
        reporter.log("stopped within a step; the step is dropped")
        return {}
