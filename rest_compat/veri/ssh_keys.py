"""SSH keys: pairs for machines at providers, kept sealed."""

from datetime import datetime
from typing import Literal

from starlette.requests import Request

from models.ssh_key import SshKey
from resolvers import ssh_keys
from resolvers.context import Context
from resolvers.inputs import parse
from resolvers.ssh_keys import SshKeyInput
from rest_compat import http
from rest_compat.operation import Operation
from rest_compat.wire import Deleted, Listing, PageQuery, Wire, listing

TAG = "SSH keys"


class SshKeyObject(Wire):
    """A pair of SSH keys, without either of them."""

    id: str
    object: Literal["ssh_key"] = "ssh_key"
    name: str
    provider: str | None
    public_key_fingerprint: str
    created_at: datetime


def shape(row: SshKey) -> SshKeyObject:
    return SshKeyObject.model_validate(row, from_attributes=True)


async def create(ctx: Context, request: Request) -> SshKeyObject:
    """Upload an SSH key pair.

    RSA of 2048 to 8192 bits, Ed25519 and ECDSA are taken, without a passphrase. What cannot be read, or is no pair, is refused
    with 400 `invalid_ssh_key`. The private key is encrypted at rest and never given out.
    """
    spec = parse(SshKeyInput, await http.json_object(request, ctx.core.settings))
    return shape(await ssh_keys.create(ctx, spec))


async def page(ctx: Context, request: Request) -> Listing[SshKeyObject]:
    """List the SSH keys."""
    query = http.query(request, PageQuery)
    return listing(await ssh_keys.page(ctx, limit=query.limit, after=query.after), shape)


async def get(ctx: Context, request: Request) -> SshKeyObject:
    """Get an SSH key."""
    return shape(await ssh_keys.get(ctx, request.path_params["ssh_key_id"]))


async def delete(ctx: Context, request: Request) -> Deleted:
    """Delete an SSH key, its private half for good."""
    row = await ssh_keys.delete(ctx, request.path_params["ssh_key_id"])
    return Deleted(id=row.id, object="ssh_key")


PATH = "/v1/ssh_keys"
ONE = f"{PATH}/{{ssh_key_id}}"
OPERATIONS = [
    Operation(
        method="POST",
        path=PATH,
        handler=create,
        tag=TAG,
        answers=SshKeyObject,
        status=201,
        body=SshKeyInput,
        idempotent=True,
        errors=(400, 409, 413),
    ),
    Operation(method="GET", path=PATH, handler=page, tag=TAG, answers=Listing[SshKeyObject], query=PageQuery, errors=(400,)),
    Operation(method="GET", path=ONE, handler=get, tag=TAG, answers=SshKeyObject, errors=(404,)),
    Operation(method="DELETE", path=ONE, handler=delete, tag=TAG, answers=Deleted, errors=(404,)),
]
