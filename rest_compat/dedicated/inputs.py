"""What callers say of a deployment here: a model on a hardware profile, and no name."""

import hashlib
import re
import secrets
from typing import Any

from pydantic import Field

from burnish.kit.errors import Conflict, Invalid
from engines.compute import hardware
from models.deployment import Deployment
from resolvers import deployments
from resolvers.context import Context
from resolvers.deployment_inputs import DeploymentInput
from resolvers.inputs import Input, parse

PROFILE = re.compile(r"(?P<type>[^:]+?)(?::(?P<count>[1-9]\d?))?")
IDS = ("job_", "ckpt_")
MAX_STEM = 100


class DedicatedInput(Input):
    """A model, the hardware of each replica, and how many replicas there are to be."""

    hf_model_id: str = Field(
        min_length=1,
        max_length=200,
        description="A repository of the Hugging Face hub, a model that is registered here, or the id of a completed job.",
    )
    hardware_profile: str = Field(
        min_length=1,
        max_length=64,
        description=f"One of {', '.join(hardware.PROFILES)}, or any other type that this installation knows; `:2` for two.",
    )
    target_rps: float = Field(gt=0, le=1_000_000)
    target_latency_p95_ms: float = Field(gt=0, le=3_600_000)
    stabilisation_window: int = Field(ge=0, le=86_400)
    hf_token: str | None = Field(None, min_length=1, max_length=1024, pattern=r"^[\x21-\x7e]+$", repr=False)
    min_replicas: int = Field(1, ge=0, le=64)
    max_replicas: int = Field(1, ge=1, le=64)

    def named(self, name: str) -> DeploymentInput:
        """Return what is asked for, under a name, in our own words."""
        if self.min_replicas > self.max_replicas:
            raise Invalid("min_replicas is more than max_replicas.", param="min_replicas")
        from_job = self.hf_model_id.startswith(IDS)
        if from_job and self.hf_token is not None:
            raise Invalid("An hf_token opens models of Hugging Face; this one was trained here.", param="hf_token")
        spoken: dict[str, Any] = self.model_dump(exclude={"hf_model_id", "hardware_profile"})
        spoken |= {"model": self.hf_model_id, "source": "training_job" if from_job else "huggingface"}
        return parse(DeploymentInput, {**spoken, "name": name, "gpu": self._gpu()})

    def _gpu(self) -> dict[str, Any]:
        found = PROFILE.fullmatch(self.hardware_profile)
        if found is None or hardware.canonical(found["type"]) is None:
            known = ", ".join(hardware.PROFILES)
            raise Invalid(f"Unknown hardware profile '{self.hardware_profile}'. Known: {known}.", param="hardware_profile")
        return {"type": found["type"], "count": int(found["count"] or 1)}


async def create(ctx: Context, spec: DedicatedInput) -> Deployment:
    """Queue a deployment called after its model; where another is called so, with a few letters more.

    Errors are those of `deployments.create`.
    """
    stem = re.sub(r"[^A-Za-z0-9._-]", "-", spec.hf_model_id.rsplit("/", 1)[-1])[:MAX_STEM]
    name = stem if stem[:1].isalnum() else f"model-{stem}"
    try:
        return await deployments.create(ctx, spec.named(name))
    except Conflict:
        # Made of the idempotency key, where there is one: the same request again has the same name.
        seed = ctx.idempotency_key or secrets.token_hex(8)
        suffix = hashlib.sha256(seed.encode()).hexdigest()[:6]
        return await deployments.create(ctx, spec.named(f"{name}-{suffix}"))
