"""What memory a training job is expected to take, beside what there is of it: for plans, and kept with each job.

A job that does not fit is never refused for it: an estimate is one, and it counts with rows as long as they may be. What cannot
be estimated is None with a reason, never a guess.
"""

import asyncio
import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from sqlmodel import col, select

from burnish.kit import clock
from burnish.kit.core import Core
from burnish.kit.db import Session
from engines.bases.cached import snapshot
from engines.compute.hardware import GPU_TYPES, MAX_COUNT, Shape, memory_bytes
from engines.training import memory_model, memory_text, memory_video
from engines.training.grpo_spec import GrpoHyperparameters
from engines.training.memory import Device, Estimate
from engines.training.memory_files import Unknown
from engines.training.memory_model import TextModel
from engines.training.memory_video import VideoModel
from engines.training.video_spec import VideoHyperparameters
from models import base_model
from models.host import Host
from resolvers.context import Context
from resolvers.hardware import runs_on
from resolvers.methods import DPO, SFT, VIDEO, Method

# What JSON and GraphQL carry as a whole number that every client reads.
EXACT = 2**53
TEXT: Mapping[str, Callable[..., Estimate]] = {SFT.name: memory_text.sft, DPO.name: memory_text.dpo}


@dataclass(frozen=True)
class Fit:
    """An estimate beside what there is. `available_bytes` is None where no host says it; `advice` is what to change where the job
    does not fit.
    """

    total_bytes: int
    parts: list[dict[str, Any]]
    available_bytes: int | None
    fits: bool | None
    basis: str
    advice: str | None


@dataclass(frozen=True)
class Asked:
    """A job whose memory is asked for. One that `shares` trains each step on as many GPUs as it has."""

    method: Method
    base: str
    hyperparameters: BaseModel
    shape: Shape
    shares: bool = False


async def estimate(ctx: Context, asked: Asked) -> Fit | str:
    """Return what a job would take of one GPU, or of the CPU's memory; why it cannot be told where it cannot.

    Whoever may make or plan the job may know it: the caller has checked that.
    """
    runs = runs_on(ctx.core, asked.shape)
    async with ctx.db.read() as session:
        registered = await session.get(base_model.BaseModel, asked.base)
        available = await _of_hosts(session, ctx.core) if runs.is_cpu else memory_bytes(runs.type)
    folder = None if registered is None else Path(registered.path)
    try:
        model = await asyncio.to_thread(_model, ctx.core, asked, folder)
        found = _counted(asked, model, runs)
        if found.total_bytes > EXACT:
            raise Unknown("it is more than can be told")
    except Unknown as reason:
        return f"The memory that it takes cannot be told: {reason}."
    fits = None if available is None else found.total_bytes <= available
    parts = [{"name": part.name, "bytes": part.bytes} for part in found.parts]
    advice = None if fits is not False or available is None else _advice(found, available, _smallest(asked, model), runs)
    return Fit(found.total_bytes, parts, available, fits, found.basis, advice)


def _model(core: Core, asked: Asked, registered: Path | None) -> TextModel | VideoModel:
    """Read what is on this machine of the model."""
    of: Any = memory_video if asked.method is VIDEO else memory_model
    try:
        folder = registered or snapshot(core.settings.cache / "hub", asked.base, of.SIGN)
        # This process may be on another machine than the hosts.
        is_here = folder is not None and (registered is None or folder.is_dir())
    except OSError as error:
        raise Unknown("its files cannot be read") from error
    found: TextModel | VideoModel = of.of_folder(folder) if is_here else of.of_name(asked.base)
    return found


def _counted(asked: Asked, model: TextModel | VideoModel, runs: Shape) -> Estimate:
    """Count what the job takes on a shape."""
    hyper, device = asked.hyperparameters, _device(runs)
    if isinstance(model, VideoModel):
        assert isinstance(hyper, VideoHyperparameters)
        return memory_video.sft_video_gen(hyper, model, device)
    if isinstance(hyper, GrpoHyperparameters):
        return memory_text.grpo(hyper, model, device, runs.count, memory_bytes(runs.type), _has_vllm())
    return TEXT[asked.method.name](hyper, model, device)


def _smallest(asked: Asked, model: TextModel | VideoModel) -> Shape | None:
    """Return the smallest shape on which the job fits: of as few GPUs as may be, and with the least memory."""
    hyper = asked.hyperparameters
    batch = hyper.global_batch_size if isinstance(hyper, GrpoHyperparameters) and asked.shares else 1
    counts = [count for count in range(1, MAX_COUNT + 1) if batch % count == 0]
    shapes = [Shape(name, count) for count in counts for name in sorted(GPU_TYPES, key=_bytes)]
    return next((shape for shape in shapes if _counted(asked, model, shape).total_bytes <= _bytes(shape.type)), None)


def _bytes(gpu: str) -> int:
    return memory_bytes(gpu) or 0


@cache
def _has_vllm() -> bool:
    return importlib.util.find_spec("vllm") is not None


def _device(runs: Shape) -> Device:
    return "cpu" if runs.is_cpu else "cuda"


async def _of_hosts(session: Session, core: Core) -> int | None:
    """Return the memory of the live host with the most; what else runs there shares it."""
    alive = col(Host.seen_at) > clock.now() - timedelta(seconds=core.settings.lease_s)
    offers = (await session.exec(select(Host.offers).where(alive))).all()
    return max((int(offer["memory_bytes"]) for offer in offers if offer.get("memory_bytes")), default=None)


def _advice(found: Estimate, available: int, smallest: Shape | None, runs: Shape) -> str:
    missing = (found.total_bytes - available) / 1e9
    told = f"About {missing:.1f} GB more are needed than there are. Less is taken with {' or '.join(found.advice)}."
    if smallest is None:
        return f"{told} There is no GPU type on which it fits as it is."
    where = "The smallest shape with GPUs" if runs.is_cpu else "The smallest shape"
    return f"{told} {where} on which it fits is {smallest.count} × {smallest.type}."
