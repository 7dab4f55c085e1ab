"""Hardware: what is asked for, and what work really runs on."""

from typing import Any, Self

import strawberry


@strawberry.type(description="Hardware of a kind.")
class Hardware:
    type: str = strawberry.field(description="The kind, such as `H100`, or `CPU`.")
    count: int = strawberry.field(description="How many.")
    provider: str | None = strawberry.field(description="Whose they are, where that is asked for or known.")

    @classmethod
    def of(cls, gpu: dict[str, Any], provider: str | None) -> Self:
        return cls(type=gpu["type"], count=gpu["count"], provider=provider)


@strawberry.input(description="Hardware to ask for. Where this installation falls back on the CPU, any request runs there.")
class HardwareInput:
    type: str = strawberry.field(description="The kind, such as `H100`, or `CPU`.")
    count: int = strawberry.field(default=1, description="How many.")
    provider: str | None = strawberry.field(default=None, description="Whose: `local` or a provider's name; any by default.")

    @property
    def as_gpu(self) -> dict[str, Any]:
        return {"type": self.type, "count": self.count}
