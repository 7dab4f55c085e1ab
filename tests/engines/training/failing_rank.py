"""One of a run's other processes that fails, with the reason in its environment or without a word."""

import json
import os
import signal
import sys
from pathlib import Path

if __name__ == "__main__":
    work_dir = Path(json.loads(sys.stdin.buffer.readline())["job"]["work_dir"])
    if "REASON" not in os.environ:
        os.kill(os.getpid(), signal.SIGKILL)
    (work_dir / f"rank-{os.environ['RANK']}.json").write_text(os.environ["REASON"])
    sys.exit(10)
