"""SSH keys: pairs for machines at providers. The private half goes in and never comes out."""

from datetime import datetime
from typing import Annotated, Self

import strawberry

from models import ssh_key
from resolvers import cursors, ssh_keys
from resolvers.context import Context
from resolvers.inputs import parse
from resolvers.ssh_keys import SshKeyInput as SshKeySpec
from schema.context import Info
from schema.errors import Payload, settle
from schema.nodes import After, Connection, First, Input, Node, connect_page, within

NOUN = "ssh_keys"


@strawberry.type(
    description="A pair of SSH keys for machines at providers. The private one is kept encrypted and never given out."
)
class SshKey(Node):
    name: str = strawberry.field(description="What its maker called it.")
    provider: str | None = strawberry.field(description="Whose machines it is for; null where it is for any.")
    public_key: str = strawberry.field(description="The public half, as in a `.pub` file, without a comment.")
    fingerprint: str = strawberry.field(description="`SHA256:…`, as `ssh-keygen -l` prints it.")
    created_at: datetime = strawberry.field(description="When it was made.")

    @classmethod
    def of(cls, row: ssh_key.SshKey) -> Self:
        return cls(
            id=strawberry.ID(row.id),
            name=row.name,
            provider=row.provider,
            public_key=row.public_key,
            fingerprint=row.public_key_fingerprint,
            created_at=row.created_at,
        )


@strawberry.type(description="A page of SSH keys.")
class SshKeyConnection(Connection[SshKey]): ...


@strawberry.input(description="A pair of SSH keys to keep.")
class SshKeyInput:
    name: str = strawberry.field(description="What to call it.")
    public_key: str = strawberry.field(description="The line of the `.pub` file.")
    private_key: str = strawberry.field(
        description="The private key's file, in OpenSSH's or PEM form, without a passphrase: RSA of 2048 to 8192 bits, Ed25519 "
        "or ECDSA. It is encrypted at rest."
    )
    provider: str | None = strawberry.field(
        default=None, description="`prime_intellect`, `lambda` or `runpod`; any where it is left out."
    )
    idempotency_key: str | None = strawberry.field(default=None, description="A retry with the same key makes nothing twice.")


@strawberry.input(description="A pair of SSH keys to delete.")
class DeleteSshKeyInput:
    id: strawberry.ID = strawberry.field(description="The id of the pair.")
    idempotency_key: str | None = strawberry.field(default=None, description="A retry with the same key gives the same answer.")


@strawberry.type(description="The pair that was made or deleted.")
class SshKeyPayload(Payload):
    ssh_key: SshKey | None = strawberry.field(default=None, description="The pair's record.")


@strawberry.type
class SshKeyQueries:
    @strawberry.field(description="An SSH key's record; null where the account has no such key.")
    async def ssh_key(
        self, info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="The id, `sk_…`.")]
    ) -> SshKey | None:
        row = await info.context.loaders.ssh_key.load(id)
        return None if row is None else SshKey.of(row)

    @strawberry.field(description="The account's SSH keys, newest first.")
    async def ssh_keys(
        self,
        info: Info,
        first: First = 20,
        after: After = None,
        search: Annotated[str | None, strawberry.argument(description="Only those whose name contains this.")] = None,
    ) -> SshKeyConnection:
        start = cursors.read_item(after, NOUN)
        page = await ssh_keys.page(info.context.known, search=search, limit=within(first), after=start)
        return connect_page(SshKeyConnection, NOUN, page, SshKey.of, after)


@strawberry.type
class SshKeyMutations:
    @strawberry.mutation(description="Keep a pair of SSH keys. What cannot be read, or is no pair, is refused.")
    async def create_ssh_key(self, info: Info, input: Annotated[SshKeyInput, Input]) -> SshKeyPayload:
        async def act(ctx: Context) -> SshKeyPayload:
            given = {
                "name": input.name,
                "public_key": input.public_key,
                "private_key": input.private_key,
                "provider": input.provider,
            }
            return SshKeyPayload(ssh_key=SshKey.of(await ssh_keys.create(ctx, parse(SshKeySpec, given))))

        return await settle(info, input, SshKeyPayload, act)

    @strawberry.mutation(description="Delete a pair of SSH keys, its private half for good.")
    async def delete_ssh_key(self, info: Info, input: Annotated[DeleteSshKeyInput, Input]) -> SshKeyPayload:
        async def act(ctx: Context) -> SshKeyPayload:
            return SshKeyPayload(ssh_key=SshKey.of(await ssh_keys.delete(ctx, input.id)))

        return await settle(info, input, SshKeyPayload, act)
