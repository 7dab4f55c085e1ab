"""Rank 0 of two, which only holds the other process: that of the module named, started for the job whose spec stdin has."""

import io
import json
import sys
from pathlib import Path

from engines.protocol import Reporter
from engines.training import ranks
from engines.training.grpo_spec import GrpoSpec

if __name__ == "__main__":
    ranks.OTHERS_MODULE, ranks.NOTICE_S = sys.argv[1], 0.0
    job = GrpoSpec.model_validate(json.loads(sys.stdin.readline()))
    reporter = Reporter(sys.stdout.buffer, io.BytesIO())
    with ranks.Ranks(job, Path(job.model.path or ""), 1, reporter) as held:
        reporter.log(str(held.others[0].pid))
        sys.stdin.read()
