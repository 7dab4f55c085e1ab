"""Integrations: credentials at other services. They go in and never come out."""

from datetime import datetime
from enum import Enum
from typing import Annotated, Self

import strawberry

from resolvers import integrations
from resolvers.context import Context
from resolvers.inputs import parse
from resolvers.integrations import IntegrationInput as IntegrationSpec
from resolvers.integrations import Setting
from schema.context import Info
from schema.errors import Payload, settle
from schema.nodes import Input


@strawberry.enum(description="A service that a credential can be kept for.")
class IntegrationProvider(Enum):
    OPENREWARD = strawberry.enum_value("openreward", description="OpenReward: environments as a source of rewards.")
    HUGGINGFACE = strawberry.enum_value(
        "huggingface", description="Hugging Face: gated models and datasets, and where models go."
    )
    WANDB = strawberry.enum_value("wandb", description="Weights & Biases.")
    PRIME_INTELLECT = strawberry.enum_value("prime_intellect", description="Prime Intellect: rented machines.")
    LAMBDA = strawberry.enum_value("lambda", description="Lambda: rented machines.")
    RUNPOD = strawberry.enum_value("runpod", description="RunPod: rented machines.")


def _name(provider: IntegrationProvider) -> str:
    return str(provider.value)


@strawberry.type(description="How the account stands with another service. The credential itself is never given out.")
class Integration:
    provider: IntegrationProvider = strawberry.field(description="The service.")
    configured: bool = strawberry.field(description="Whether a credential is kept.")
    key_prefix: str | None = strawberry.field(description="How the credential begins, to tell them apart.")
    updated_at: datetime | None = strawberry.field(description="When it was set.")

    @classmethod
    def of(cls, found: Setting) -> Self:
        return cls(
            provider=IntegrationProvider(found.provider),
            configured=found.configured,
            key_prefix=found.key_prefix,
            updated_at=found.updated_at,
        )


@strawberry.input(description="A credential to keep, in the place of the one before.")
class SetIntegrationInput:
    provider: IntegrationProvider = strawberry.field(description="The service.")
    api_key: str | None = strawberry.field(default=None, description="The credential, where the service calls it an API key.")
    token: str | None = strawberry.field(default=None, description="The credential, where the service calls it a token.")
    idempotency_key: str | None = strawberry.field(default=None, description="A retry with the same key gives the same answer.")


@strawberry.input(description="A credential to forget.")
class RemoveIntegrationInput:
    provider: IntegrationProvider = strawberry.field(description="The service.")
    idempotency_key: str | None = strawberry.field(default=None, description="A retry with the same key gives the same answer.")


@strawberry.type(description="How the account stands with the service now.")
class IntegrationPayload(Payload):
    integration: Integration | None = strawberry.field(default=None, description="The integration.")


@strawberry.type
class IntegrationQueries:
    @strawberry.field(description="How the account stands with a service.")
    async def integration(
        self, info: Info, provider: Annotated[IntegrationProvider, strawberry.argument(description="The service.")]
    ) -> Integration:
        return Integration.of(await integrations.get(info.context.known, _name(provider)))

    @strawberry.field(description="Every service that a credential can be kept for, and whether one is.")
    async def integrations(self, info: Info) -> list[Integration]:
        return [Integration.of(found) for found in await integrations.all_(info.context.known)]


@strawberry.type
class IntegrationMutations:
    @strawberry.mutation(description="Keep a credential for a service. It is encrypted at rest and never given out.")
    async def set_integration(self, info: Info, input: Annotated[SetIntegrationInput, Input]) -> IntegrationPayload:
        async def act(ctx: Context) -> IntegrationPayload:
            spec = parse(IntegrationSpec, {"api_key": input.api_key, "token": input.token})
            found = await integrations.put(ctx, _name(input.provider), spec)
            return IntegrationPayload(integration=Integration.of(found))

        return await settle(info, input, IntegrationPayload, act)

    @strawberry.mutation(description="Forget a credential for good.")
    async def remove_integration(self, info: Info, input: Annotated[RemoveIntegrationInput, Input]) -> IntegrationPayload:
        async def act(ctx: Context) -> IntegrationPayload:
            found = await integrations.remove(ctx, _name(input.provider))
            return IntegrationPayload(integration=Integration.of(found))

        return await settle(info, input, IntegrationPayload, act)
