"""Uploads: bytes never pass through GraphQL. A mutation answers a signed URL, and the file is PUT there."""

from datetime import datetime
from typing import Annotated

import strawberry
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from burnish.kit.errors import BurnishError
from resolvers import uploads
from resolvers.context import Context
from schema.context import Info
from schema.errors import Payload, settle
from schema.nodes import Input
from schema.scalars import BigInt


@strawberry.type(description="Where to send a file: `curl -T FILE URL`, no key needed.")
class Upload:
    id: strawberry.ID = strawberry.field(description="The id, `up_…`, that names the file afterwards.")
    url: str = strawberry.field(description="PUT the bytes of the file here. Whoever has the URL can.")
    expires_at: datetime = strawberry.field(description="Until when the URL works.")
    max_bytes: BigInt = strawberry.field(description="The largest file it takes.")


@strawberry.input(description="An upload to make room for. It stores nothing until the file arrives.")
class CreateUploadInput:
    idempotency_key: str | None = strawberry.field(
        default=None,
        description="Accepted as on every write; each call answers a URL of its own, and an unused one leaves nothing.",
    )


@strawberry.type(description="The upload.")
class UploadPayload(Payload):
    upload: Upload | None = strawberry.field(default=None, description="Where to send the file.")


@strawberry.type
class UploadMutations:
    @strawberry.mutation(
        description="Get a signed URL to PUT a file to, of which `createDataset` then makes a dataset, or `createFile` a file."
    )
    async def create_upload(self, info: Info, input: Annotated[CreateUploadInput, Input]) -> UploadPayload:
        async def act(ctx: Context) -> UploadPayload:
            made = await uploads.create(ctx)
            shown = Upload(id=strawberry.ID(made.id), url=made.url, expires_at=made.expires_at, max_bytes=BigInt(made.max_bytes))
            return UploadPayload(upload=shown)

        return await settle(info, input, UploadPayload, act)


async def receive(request: Request) -> Response:
    """Take the file that a signed URL is for."""
    announced = request.headers.get("content-length", "")
    try:
        upload_id, size = await uploads.receive(
            request.app.state.platform,
            request.path_params["token"],
            int(announced) if announced.isdecimal() else None,
            request.stream(),
        )
    except ClientDisconnect:
        return Response(status_code=400)
    except BurnishError as error:
        body = {"message": error.message, "extensions": {"code": error.kind, "reason": error.code}}
        # The rest of a refused body is not read: the connection ends with the answer.
        return JSONResponse({"errors": [body]}, error.status, {"Connection": "close"})
    return JSONResponse({"uploadId": upload_id, "sizeBytes": size}, 201)
