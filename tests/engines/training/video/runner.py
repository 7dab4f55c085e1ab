"""Runs video jobs one after another in one process, which loads torch and diffusers once: `python -P runner.py`.

Each line of stdin is an order of `tests.engines.training.text.runner`, or `{judge, told}`: a question about what a job made.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from engines import child
from tests.engines.training.text.runner import Recorder


def loss_of_step(base: str, adapter: str, cache: str, hyper: dict[str, Any], step: int) -> float:
    """Return the loss of a step's batch, counted from 0, with an adapter that diffusers itself has loaded.

    `cache` is the folder of a finished job on the same rows: its file numbers are the rows', as every row has a clip and a
    caption of its own.
    """
    import torch
    from diffusers import CogVideoXPipeline
    from safetensors.torch import load_file

    from engines.training import video_model, video_objective
    from engines.training.video_base import describe
    from engines.training.video_batches import Batches

    pipeline = CogVideoXPipeline.from_pretrained(base, torch_dtype=torch.float32)
    pipeline.load_lora_weights(adapter)
    described = describe(Path(base))
    scheduler, scale = video_model.training_scheduler(described), video_model.latent_scale(described)
    objective = video_objective.Objective(scheduler, pipeline.transformer.config, scale, "cpu")
    numbers = Batches([0] * hyper["clips"], hyper["batch_size"], hyper["seed"]).at(step)
    batch = objective.batch(
        [load_file(Path(cache) / f"latents-{number}.safetensors")["parameters"] for number in numbers],
        [load_file(Path(cache) / f"text-{number + 1}.safetensors")["embedding"] for number in numbers],
        video_objective.generator(hyper["seed"], "step", step),
    )
    with torch.no_grad():
        return float(objective.loss(pipeline.transformer, batch))


def velocity_error(base: str) -> list[float]:
    """Return the loss of a transformer that answers with given velocities, and the squared error of those, which it should be."""
    import torch

    from engines.training import video_model, video_objective
    from engines.training.video_base import describe

    described = describe(Path(base))
    scheduler = video_model.training_scheduler(described)
    config = video_model.load_transformer(described, _hyper(), "cpu").config
    objective = video_objective.Objective(scheduler, config, 0.7, "cpu")
    random = torch.Generator().manual_seed(5)
    parameters = [torch.randn((8, 3, 4, 4), generator=random) for _ in range(3)]
    batch = objective.batch(parameters, [torch.zeros((24, 16))] * 3, video_objective.generator(1, "step", 2))
    answer = torch.randn(batch.latents.shape, generator=random)
    kept = scheduler.alphas_cumprod[batch.timesteps].view(-1, 1, 1, 1, 1)
    true = kept.sqrt() * batch.noise - (1 - kept).sqrt() * batch.latents
    told = [answer, true]
    losses = [float(objective.loss(lambda velocity=velocity, **_: (velocity,), batch)) for velocity in told]
    return [losses[0], float(((answer - true) ** 2).mean()), losses[1]]


def _hyper() -> Any:
    from engines.training.video_spec import VideoHyperparameters

    return VideoHyperparameters(lora_rank=2, lora_alpha=2)


QUESTIONS: dict[str, Callable[..., Any]] = {"loss_of_step": loss_of_step, "velocity_error": velocity_error}


def main() -> None:
    for line in sys.stdin:
        order = json.loads(line)
        if "judge" in order:
            answer: Any = QUESTIONS[order["judge"]](**order["about"])
        else:
            recorder = Recorder(Path(order["keep"]), order["stop"])
            code = child.run("training.video", order["spec"], recorder)
            answer = {"messages": recorder.told, "exit_code": code}
        Path(order["told"]).write_text(json.dumps(answer))
        print("\0ran", flush=True)


if __name__ == "__main__":
    main()
