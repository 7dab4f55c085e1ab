"""The memory that a training job takes: what was expected, part by part."""

from collections.abc import Mapping
from typing import Any, Self

import strawberry

from schema.scalars import BigInt


@strawberry.type(description="Something that memory is taken for.")
class MemoryPart:
    name: str = strawberry.field(description="What for, such as `weights` or `KV cache`.")
    bytes: BigInt = strawberry.field(description="How much.")


@strawberry.type(
    description="The most memory that a training job is expected to take: of each of its GPUs, or of the machine where it "
    "runs on the CPU. It counts with rows as long as the job allows."
)
class MemoryEstimate:
    total_bytes: BigInt = strawberry.field(description="The parts together.")
    parts: list[MemoryPart] = strawberry.field(description="What it is taken for, at the moment in which most is held.")
    available_bytes: BigInt | None = strawberry.field(
        description="What one such GPU has, or the machine with the most; null where no host says it."
    )
    fits: bool | None = strawberry.field(description="Whether there is enough; null where that is not known.")
    basis: str = strawberry.field(description="What is known of the model: its own files, or the size in its name.")
    advice: str | None = strawberry.field(description="What to change where it does not fit. It is not refused for that.")

    @classmethod
    def of(cls, found: Mapping[str, Any]) -> Self:
        available = found["available_bytes"]
        return cls(
            total_bytes=BigInt(found["total_bytes"]),
            parts=[MemoryPart(name=part["name"], bytes=BigInt(part["bytes"])) for part in found["parts"]],
            available_bytes=None if available is None else BigInt(available),
            fits=found["fits"],
            basis=found["basis"],
            advice=found["advice"],
        )
