"""The entry point of every child of ours: `python -P -m engines.child`.

Reads the spec from the first line of stdin, so that nothing of it shows in argv or the environment, and runs the task that it
names. The parent learns of the end from the last message and the exit code (see `engines.protocol`).
"""

import ctypes
import importlib
import os
import signal
import sys
import traceback
from typing import Any

from engines import protocol

TASKS = {
    "data.intake": "engines.data.intake_task",
    "data.read": "engines.data.read",
    "data.render": "engines.training.rendering",
    "data.tokens": "engines.training.lengths",
    "delivery.hub": "engines.delivery.hub",
    "training.dpo": "engines.training.dpo",
    "training.grpo": "engines.training.grpo",
    "training.sft": "engines.training.sft",
    "training.video": "engines.training.video",
    "serving.fetch": "engines.serving.fetch",
    "serving.probe": "engines.serving.probe",
}
PR_SET_PDEATHSIG = 1


def die_with_parent(signum: int = signal.SIGKILL) -> None:
    """Ask the kernel to signal this process when the thread that started it ends; leave at once if it is gone already."""
    parent = os.getppid()
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signum, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != parent:
        os._exit(protocol.EXIT_PARENT_GONE)


def run(task: str, spec: dict[str, Any], reporter: protocol.Reporter) -> int:
    """Run one task and return the exit code; every failure is reported before it returns."""
    try:
        result = importlib.import_module(TASKS[task]).main(spec, reporter)
    except protocol.ChildFailure as failure:
        reporter.failed(failure)
        return protocol.EXIT_FAILED
    except MemoryError:
        reporter.failed(protocol.ChildFailure("oom", "The machine ran out of memory.", "user"))
        return protocol.EXIT_FAILED
    except Exception as error:
        traceback.print_exc()
        reporter.failed(protocol.ChildFailure("worker_lost", f"{type(error).__name__}: {error}", "platform"))
        return protocol.EXIT_FAILED
    if reporter.stop_requested.is_set() or (reporter.save_requested.is_set() and not result):
        return protocol.EXIT_STOPPED
    reporter.done(result)
    return protocol.EXIT_OK


def main() -> int:
    die_with_parent()
    fd = int(os.environ.pop(protocol.FD_VARIABLE))
    os.set_inheritable(fd, False)
    first = protocol.decode(sys.stdin.buffer.readline())
    if first["type"] != "spec" or first["version"] != protocol.VERSION:
        print(f"engines.child: this child speaks protocol {protocol.VERSION}", file=sys.stderr)
        return protocol.EXIT_FAILED
    reporter = protocol.Reporter(os.fdopen(fd, "wb"), sys.stdin.buffer)
    reporter.hello()
    reporter.listen()
    return run(first["task"], first["spec"], reporter)


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    # The control thread blocks on stdin and the engines leave threads behind: nothing is left to tidy up.
    os._exit(code)
