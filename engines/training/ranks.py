"""Several processes that train one model, one a GPU: rank 0 is the child that the host knows, and it starts the others.

Invariants: only rank 0 speaks to the parent and runs the reward; the others end when it ends, however it ends; and what goes
wrong in one of them is what the child fails of. They meet through a file in the job's folder and talk over loopback.
"""

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
import threading
import traceback
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from engines import protocol
from engines.child import die_with_parent
from engines.protocol import ChildFailure, Reporter
from engines.training import environment, interrupt, prompts
from engines.training.grpo_spec import GrpoSpec

T = TypeVar("T")

MEETING = "ranks"
# A process that waits for another's answer in vain waits long: rank 0 may be scoring, and whoever dies takes all with it.
PATIENCE = timedelta(days=7)
# How long rank 0 may take to notice by itself that another has died, and how long it waits for that one's reason.
NOTICE_S = 10.0
REASON_S = 5.0
LOOPBACK = {"GLOO_SOCKET_IFNAME": "lo", "NCCL_SOCKET_IFNAME": "lo", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "0"}
QUIET = {"TORCH_CPP_LOG_LEVEL": "ERROR"}
OTHERS_MODULE = "engines.training.ranks"


def number() -> int:
    """Return this process's place among those of the run; 0 where there is only one."""
    return int(os.environ.get("RANK", "0"))


class Ranks:
    """The other processes of a run, as long as the `with` lasts. Starts none where the job has one GPU or less.

    Must be entered on the main thread: the kernel ends the others with the thread that started them.
    """

    def __init__(self, job: GrpoSpec, base: Path, threads: int, reporter: Reporter) -> None:
        self._job = job
        self._task = {"job": job.model_dump(mode="json"), "base": str(base), "threads": threads, "parent": os.getpid()}
        self._reporter = reporter
        self.others: list[subprocess.Popen[bytes]] = []
        self._closing = threading.Event()

    def __enter__(self) -> Self:
        if self._job.gpus == 1:
            return self
        os.environ.update(_variables(0, self._job.gpus))
        command = [sys.executable, "-P", "-m", OTHERS_MODULE]
        task = json.dumps(self._task).encode() + b"\n"
        for rank in range(1, self._job.gpus):
            env = {**os.environ, **_variables(rank, self._job.gpus)}
            other = subprocess.Popen(command, stdin=subprocess.PIPE, env=env)
            self.others.append(other)
            assert other.stdin is not None
            # Through a pipe: the spec may hold a key, which neither arguments nor environment are a place for.
            with contextlib.suppress(BrokenPipeError):
                other.stdin.write(task)
                other.stdin.flush()
            threading.Thread(target=self._watch, args=(rank, other), name=f"rank-{rank}", daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._closing.set()
        try:
            if error is not None and not isinstance(error, ChildFailure | interrupt.Stopped):
                self._blame(error)
        finally:
            for other in self.others:
                other.kill()
                other.wait()
                assert other.stdin is not None
                with contextlib.suppress(BrokenPipeError):
                    other.stdin.close()

    def _blame(self, error: BaseException) -> None:
        """Raise what another process failed of, where this one failed only because of it."""
        for rank, other in enumerate(self.others, 1):
            try:
                code = other.wait(REASON_S)
            except subprocess.TimeoutExpired:
                continue
            if failure := _reason(self._job, rank):
                raise failure from error
            if code < 0:
                self._lost(rank, code)

    def _watch(self, rank: int, other: subprocess.Popen[bytes]) -> None:
        """End this process where another has died and this one does not notice: it would wait for it for ever."""
        code = other.wait()
        if code == 0 or self._closing.is_set() or self._closing.wait(NOTICE_S):
            return
        failure = _reason(self._job, rank)
        if failure is None:
            self._lost(rank, code)
        else:
            self._reporter.failed(failure)
        os._exit(protocol.EXIT_FAILED)

    def _lost(self, rank: int, code: int) -> None:
        """Die without a failure: the parent goes on from the newest checkpoint."""
        how = f"of {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"
        self._reporter.log(f"process {rank + 1} of {self._job.gpus} of the training died {how}", level="error")
        for other in self.others:
            other.kill()
        os._exit(1)


def _variables(rank: int, world: int) -> dict[str, str]:
    """Return what accelerate and vLLM read to know which process they are in."""
    which = {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(world), "LOCAL_WORLD_SIZE": str(world)}
    return LOOPBACK | QUIET | which


def join(job: GrpoSpec) -> None:
    """Meet the other processes. Comes before anything that asks how many there are."""
    if job.gpus == 1:
        return
    import torch

    rank = int(os.environ["RANK"])
    if job.device == "cuda":
        torch.cuda.set_device(rank)
    torch.distributed.init_process_group(
        "gloo" if job.device == "cpu" else "cuda:nccl,cpu:gloo",
        store=torch.distributed.FileStore(str(Path(job.work_dir) / MEETING), job.gpus),
        rank=rank,
        world_size=job.gpus,
        timeout=PATIENCE,
    )


def gather(items: list[T]) -> list[T]:
    """Return the items of all processes, in their order, on each of them. All must call it."""
    from accelerate.utils import gather_object

    return list(gather_object(items))


def share(value: T) -> T:
    """Return rank 0's value on every process. All must call it; what the others give is not looked at."""
    from accelerate.utils import broadcast_object_list

    held = [value]
    broadcast_object_list(held, from_process=0)
    return held[0]


def _reason(job: GrpoSpec, rank: int) -> ChildFailure | None:
    path = _reason_path(job, rank)
    return ChildFailure(**json.loads(path.read_text())) if path.is_file() else None


def _reason_path(job: GrpoSpec, rank: int) -> Path:
    return Path(job.work_dir) / f"rank-{rank}.json"


class Silent(Reporter):
    """The reporter of a process that nobody hears. Nothing ever stops it but rank 0's end."""

    def __init__(self) -> None:
        super().__init__(io.BytesIO(), io.BytesIO())

    def send(self, kind: str, **fields: Any) -> None:
        """Say nothing."""


def main() -> int:
    """Take part in a run as one of the others; the exit code tells rank 0 how it ended."""
    die_with_parent(signal.SIGKILL)
    task: dict[str, Any] = json.loads(sys.stdin.buffer.readline())
    if os.getppid() != task["parent"]:
        return protocol.EXIT_PARENT_GONE
    job, rank = GrpoSpec.model_validate(task["job"]), int(os.environ["RANK"])
    try:
        environment.settle(task["threads"], job.device, job.gpus, samples=True)
        from engines.training import run

        rows = prompts.read_rows(Path(job.dataset_path))
        run.train(job, Path(task["base"]), rows, None, task["threads"], Silent())
    except ChildFailure as failure:
        reason = failure
    except Exception as error:
        traceback.print_exc()
        reason = ChildFailure("worker_lost", f"{type(error).__name__}: {error}", "platform")
    else:
        return protocol.EXIT_OK
    said = {"code": reason.code, "message": reason.message, "attribution": reason.attribution}
    whole = _reason_path(job, rank)
    part = whole.with_suffix(".part")
    part.write_text(json.dumps(said))
    part.rename(whole)
    return protocol.EXIT_FAILED


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
