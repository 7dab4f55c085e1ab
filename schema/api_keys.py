"""API keys: made, listed and revoked. The key itself is given once."""

from datetime import datetime
from typing import Annotated, Self

import strawberry

from models import api_key
from resolvers import api_keys, cursors
from resolvers.api_keys import ApiKeyInput as ApiKeySpec
from resolvers.context import Context
from resolvers.inputs import parse
from schema.context import Info
from schema.errors import Payload, settle
from schema.nodes import After, Connection, First, Input, Node, connect_page, within

NOUN = "api_keys"


@strawberry.type(description="A key that programs call with. The key itself is shown once, by `createApiKey`.")
class ApiKey(Node):
    name: str = strawberry.field(description="What its maker called it.")
    prefix: str = strawberry.field(description="How the key begins, to tell keys apart.")
    scopes: list[str] = strawberry.field(description="What it may do: `read`, `write`, `inference`.")
    inference_requests_per_minute: int | None = strawberry.field(
        description="How many completions it may ask deployments for a minute; null where only the installation's limit counts."
    )
    inference_tokens_per_minute: int | None = strawberry.field(
        description="How many prompt and completion tokens it may use a minute; null where only the installation's limit counts."
    )
    created_at: datetime = strawberry.field(description="When it was made.")
    expires_at: datetime | None = strawberry.field(description="When it stops working by itself.")
    last_used_at: datetime | None = strawberry.field(description="When it was last used, to the minute.")
    revoked_at: datetime | None = strawberry.field(description="When it was revoked.")

    @classmethod
    def of(cls, row: api_key.ApiKey) -> Self:
        return cls(
            id=strawberry.ID(row.id),
            name=row.name,
            prefix=row.key_prefix,
            scopes=row.scopes,
            inference_requests_per_minute=row.inference_requests_per_minute,
            inference_tokens_per_minute=row.inference_tokens_per_minute,
            created_at=row.created_at,
            expires_at=row.expires_at,
            last_used_at=row.last_used_at,
            revoked_at=row.revoked_at,
        )


@strawberry.type(description="A page of API keys.")
class ApiKeyConnection(Connection[ApiKey]): ...


@strawberry.input(description="A key to make.")
class ApiKeyInput:
    name: str = strawberry.field(description="What to call it.")
    scopes: list[str] | None = strawberry.field(
        default=None, description="What it may do: `read`, `write`, `inference`; all that the calling key may by default."
    )
    expires_in_seconds: int | None = strawberry.field(default=None, description="How long it works; for ever by default.")
    inference_requests_per_minute: int | None = strawberry.field(
        default=None,
        description="How many completions it may ask deployments for a minute, within the installation's limit; no limit of its "
        "own by default, or with 0.",
    )
    inference_tokens_per_minute: int | None = strawberry.field(
        default=None,
        description="How many prompt and completion tokens it may use a minute, within the installation's limit. While they are "
        "used up it is refused; what an answer used too much is paid back first. No limit of its own by default, or with 0.",
    )
    idempotency_key: str | None = strawberry.field(default=None, description="A retry with the same key makes nothing twice.")


@strawberry.input(description="A key to revoke.")
class RevokeApiKeyInput:
    id: strawberry.ID = strawberry.field(description="The id of the key.")
    idempotency_key: str | None = strawberry.field(default=None, description="A retry with the same key gives the same answer.")


@strawberry.type(description="The key that was made.")
class CreateApiKeyPayload(Payload):
    api_key: ApiKey | None = strawberry.field(default=None, description="The key's record.")
    secret: str | None = strawberry.field(
        default=None, description="The key itself. It is stored nowhere: null where an idempotency key replays the answer."
    )


@strawberry.type(description="The key that was revoked.")
class ApiKeyPayload(Payload):
    api_key: ApiKey | None = strawberry.field(default=None, description="The key's record.")


@strawberry.type
class ApiKeyQueries:
    @strawberry.field(description="An API key's record; null where the account has no such key.")
    async def api_key(
        self, info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="The id, `key_…`.")]
    ) -> ApiKey | None:
        row = await info.context.loaders.api_key.load(id)
        return None if row is None else ApiKey.of(row)

    @strawberry.field(description="The account's keys, newest first.")
    async def api_keys(
        self,
        info: Info,
        first: First = 20,
        after: After = None,
        search: Annotated[str | None, strawberry.argument(description="Only those whose name contains this.")] = None,
        active: Annotated[
            bool, strawberry.argument(description="Only those in force; with false also the revoked and expired ones.")
        ] = True,
    ) -> ApiKeyConnection:
        ctx = info.context.known
        start = cursors.read_item(after, NOUN)
        page = await api_keys.page(ctx, search=search, active=active, limit=within(first), after=start)
        return connect_page(ApiKeyConnection, NOUN, page, ApiKey.of, after)


@strawberry.type
class ApiKeyMutations:
    @strawberry.mutation(description="Make an API key.")
    async def create_api_key(self, info: Info, input: Annotated[ApiKeyInput, Input]) -> CreateApiKeyPayload:
        async def act(ctx: Context) -> CreateApiKeyPayload:
            given = {
                "name": input.name,
                "scopes": input.scopes,
                "expires_in_seconds": input.expires_in_seconds,
                "inference_requests_per_minute": input.inference_requests_per_minute,
                "inference_tokens_per_minute": input.inference_tokens_per_minute,
            }
            row, secret = await api_keys.create(ctx, parse(ApiKeySpec, given))
            return CreateApiKeyPayload(api_key=ApiKey.of(row), secret=secret)

        return await settle(info, input, CreateApiKeyPayload, act)

    @strawberry.mutation(description="Revoke an API key: it is refused from the next request on.")
    async def revoke_api_key(self, info: Info, input: Annotated[RevokeApiKeyInput, Input]) -> ApiKeyPayload:
        async def act(ctx: Context) -> ApiKeyPayload:
            return ApiKeyPayload(api_key=ApiKey.of(await api_keys.revoke(ctx, input.id)))

        return await settle(info, input, ApiKeyPayload, act)
