"""The video trainer child: `main(spec, reporter)` runs one attempt at one job, from clips and a base model to a LoRA that
diffusers loads.

The order matters: what can fail cheaply fails first (rows, clips, the base's configuration), clips and base are fetched before
the network is closed, and the libraries that take seconds to import come last.
"""

from pathlib import Path
from typing import Any

from engines.protocol import Reporter
from engines.training import environment, interrupt, video_base, video_rows
from engines.training.text_start import parse
from engines.training.video_base import TRANSFORMER
from engines.training.video_gather import Clip, gather
from engines.training.video_rows import Problems
from engines.training.video_spec import VideoSpec


def main(spec: dict[str, Any], reporter: Reporter) -> dict[str, Any]:
    """Train and return `{steps}`; after a stop return `{}`, with nothing final made."""
    job = parse(VideoSpec, spec)
    Path(job.work_dir).mkdir(parents=True, exist_ok=True)
    try:
        reporter.phase("validating")
        clips = interrupt.call(lambda: _clips(job, reporter), reporter.stop_requested)
        reporter.phase("pulling_model")
        folder, _ = interrupt.call(lambda: video_base.locate(job.model, reporter), reporter.stop_requested)
        base = video_base.describe(folder)
        threads = environment.thread_count(base.part(TRANSFORMER), job.threads)
        environment.settle(threads, job.device)
        reporter.phase("starting")
        from engines.training import video_run

        return video_run.train(job, base, clips, threads, reporter)
    except interrupt.Stopped:
        reporter.log("stopped; what was in hand is dropped")
        return {}


def _clips(job: VideoSpec, reporter: Reporter) -> list[Clip]:
    problems = Problems()
    rows = video_rows.read(Path(job.dataset_path), job.media_dir is not None, problems)
    return gather(rows, job, problems, reporter)
