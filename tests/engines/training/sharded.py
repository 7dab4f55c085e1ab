"""A training child that is sharded over its processes on the CPU, which accelerate allows of GPUs alone."""

import os
import sys
from typing import Any

from engines import child
from engines.training import ranks

join = ranks.join


def join_in_shards(job: Any) -> None:
    """Join the others, and have accelerate take the CPUs for GPUs."""
    join(job)
    os.environ["ACCELERATE_TORCH_DEVICE"] = "cpu"
    from accelerate.state import DistributedType, PartialState

    from engines.training import accelerators

    PartialState._prepare_backend = lambda *_, **__: ("gloo", DistributedType.MULTI_GPU)
    accelerators.options = lambda *_: accelerators.sharded()


if __name__ == "__main__":
    ranks.join, ranks.OTHERS_MODULE = join_in_shards, "tests.engines.training.sharded"
    code = ranks.main() if ranks.number() else child.main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
