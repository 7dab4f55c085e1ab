"""What memory a training job is expected to take, beside what there is of it: for plans, and kept with each job.

A job that does not fit is never refused for it: an estimate is one, and it counts with rows as long as they may be. What cannot
be estimated is None with a reason, never a guess.
"""

import asyncio
import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from sqlmodel import col, select

from burnish.kit import clock
from burnish.kit.core import Core
from burnish.kit.db import Session
from engines.bases.cached import snapshot
from engines.compute.hardware import Shape, memory_bytes
from engines.training import memory_model, memory_text, memory_video
from engines.training.grpo_spec import GrpoHyperparameters
from engines.training.memory import Device, Estimate
from engines.training.memory_model import Unknown
from engines.training.video_spec import VideoHyperparameters
from models import base_model
from models.host import Host
from resolvers.context import Context
from resolvers.hardware import runs_on
from resolvers.methods import DPO, SFT, VIDEO, Method

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


async def estimate(ctx: Context, method: Method, base: str, hyperparameters: BaseModel, asked: Shape) -> Fit | str:
    """Return what a job would take of one GPU, or of the CPU's memory; why it cannot be told where it cannot.

    Whoever may make or plan the job may know it: the caller has checked that.
    """
    runs = runs_on(ctx.core, asked)
    async with ctx.db.read() as session:
        registered = await session.get(base_model.BaseModel, base)
        available = await _of_hosts(session, ctx.core) if runs.is_cpu else memory_bytes(runs.type)
    folder = None if registered is None else Path(registered.path)
    try:
        found = await asyncio.to_thread(_made, ctx.core, method, base, folder, hyperparameters, runs)
    except Unknown as reason:
        return f"The memory that it takes cannot be told: {reason}."
    fits = None if available is None else found.total_bytes <= available
    parts = [{"name": part.name, "bytes": part.bytes} for part in found.parts]
    advice = None if fits is not False or available is None else _advice(found, available)
    return Fit(found.total_bytes, parts, available, fits, found.basis, advice)


def _made(core: Core, method: Method, base: str, registered: Path | None, hyperparameters: BaseModel, runs: Shape) -> Estimate:
    """Read what is on this machine of the model, and count."""
    is_video, device = method is VIDEO, _device(runs)
    folder = registered or snapshot(core.settings.cache / "hub", base, memory_video.SIGN if is_video else memory_model.SIGN)
    if registered is not None and not registered.is_dir():
        # This process may be on another machine than the hosts.
        folder = None
    if is_video:
        video = memory_video.of_name(base) if folder is None else memory_video.of_folder(folder)
        assert isinstance(hyperparameters, VideoHyperparameters)
        return memory_video.sft_video_gen(hyperparameters, video, device)
    text = memory_model.of_name(base) if folder is None else memory_model.of_folder(folder)
    if isinstance(hyperparameters, GrpoHyperparameters):
        vllm = importlib.util.find_spec("vllm") is not None
        return memory_text.grpo(hyperparameters, text, device, runs.count, memory_bytes(runs.type), vllm)
    return TEXT[method.name](hyperparameters, text, device)


def _device(runs: Shape) -> Device:
    return "cpu" if runs.is_cpu else "cuda"


async def _of_hosts(session: Session, core: Core) -> int | None:
    """Return the memory of the live host with the most; what else runs there shares it."""
    alive = col(Host.seen_at) > clock.now() - timedelta(seconds=core.settings.lease_s)
    offers = (await session.exec(select(Host.offers).where(alive))).all()
    return max((int(offer["memory_bytes"]) for offer in offers if offer.get("memory_bytes")), default=None)


def _advice(found: Estimate, available: int) -> str:
    missing = (found.total_bytes - available) / 1e9
    return f"About {missing:.1f} GB more are needed than there are. Less is taken with {' or '.join(found.advice)}."
