"""Files, as OpenAI's clients send, list and fetch them. Both ways their bytes are streamed."""

from typing import Any, Literal

from pydantic import BaseModel, Field
from starlette.requests import Request

from models.file import File
from resolvers import files
from resolvers.context import Context
from resolvers.files import HOUR_S, FileInput, Purpose, Uploaded
from resolvers.inputs import Input, parse
from rest_compat import http, ranges
from rest_compat.downloads import attachment
from rest_compat.errors import OPENAI
from rest_compat.operation import Operation, Stream
from rest_compat.wire import Deleted, Wire

TAG = "Files"
PREFIXES = ("/v1", "/v1/openai", "/api/v2/external")
# As the service itself: whoever lists files rarely asks for a second page.
MOST = 10_000
EXPIRY = "expires_after"


class FileObject(Wire):
    """A stored file."""

    id: str = Field(description="The id: `file-…`.")
    object: Literal["file"] = "file"
    bytes: int = Field(description="Its size.")
    created_at: int = Field(description="Unix time in seconds.")
    expires_at: int | None = Field(description="When it is deleted by itself: Unix time in seconds; null for never.")
    filename: str = Field(description="What its maker called it.")
    purpose: Purpose = Field(description="What it is for; `batch_output` is what a batch has written.")
    status: Literal["processed"] = "processed"
    status_details: None = Field(None, description="Always null.")


class FileList(Wire):
    """A page of files. Pass `last_id` as `after` to get the next one."""

    object: Literal["list"] = "list"
    data: list[FileObject]
    first_id: str | None = Field(description="The id of the first element; null on an empty page.")
    last_id: str | None = Field(description="The id of the last element; null on an empty page.")
    has_more: bool = Field(description="Whether anything follows the last element.")


class FileForm(BaseModel):
    """A file as a form: objects are written in brackets."""

    purpose: Uploaded = Field(description="What it is for: `batch` for the requests of a batch.")
    anchor: Literal["created_at"] | None = Field(
        None, alias="expires_after[anchor]", description="From when on the time to its deletion counts: when it was made."
    )
    seconds: int | None = Field(
        None,
        alias="expires_after[seconds]",
        ge=HOUR_S,
        le=30 * 24 * HOUR_S,
        description="How long it is kept after that: an hour to 30 days; for ever by default.",
    )


class FilesQuery(Input):
    """Which files to list."""

    purpose: Purpose | None = Field(None, description="Only those for this.")
    limit: int = Field(MOST, ge=1, le=MOST, description="How many elements to return.")
    order: Literal["asc", "desc"] = Field("desc", description="The newest first (`desc`), or the oldest (`asc`).")
    after: str | None = Field(None, description="The id of the last element of the page before.")


def shape(row: File) -> FileObject:
    """Return a file as OpenAI's clients see it."""
    return FileObject(
        id=row.id,
        bytes=row.size_bytes,
        created_at=int(row.created_at.timestamp()),
        expires_at=None if row.expires_at is None else int(row.expires_at.timestamp()),
        filename=row.filename,
        purpose=row.purpose,
    )


def nested(fields: dict[str, str]) -> dict[str, Any]:
    """Return the fields of a form with those called `expires_after[…]` as one object, as OpenAI's clients write objects."""
    inner = {name[len(EXPIRY) + 1 : -1]: value for name, value in fields.items() if _is_inner(name)}
    outer: dict[str, Any] = {name: value for name, value in fields.items() if not _is_inner(name)}
    return {**outer, EXPIRY: inner} if inner else outer


def _is_inner(name: str) -> bool:
    return name.startswith(f"{EXPIRY}[") and name.endswith("]")


async def create(ctx: Context, request: Request) -> FileObject:
    """Upload a file.

    A form with the `file` and its `purpose`; `expires_after[anchor]=created_at` and `expires_after[seconds]` have it deleted by
    itself. What it holds is checked when it is used.
    """
    settings = ctx.core.settings
    async with http.upload(request, settings, settings.max_file_bytes) as sent:
        spec = parse(FileInput, nested(sent.fields))
        return shape(await files.create(ctx, spec, sent.path, sent.name or ""))


async def page(ctx: Context, request: Request) -> FileList:
    """List the files."""
    query = http.query(request, FilesQuery)
    found = await files.page(
        ctx,
        purpose=[query.purpose] if query.purpose else None,
        limit=query.limit,
        after=query.after,
        oldest_first=query.order == "asc",
    )
    data = [shape(row) for row in found.items]
    first, last = (data[0].id, data[-1].id) if data else (None, None)
    return FileList(data=data, first_id=first, last_id=last, has_more=found.has_more)


async def get(ctx: Context, request: Request) -> FileObject:
    """Get a file."""
    return shape(await files.get(ctx, request.path_params["file_id"]))


async def content(ctx: Context, request: Request) -> Stream:
    """Get what a file holds.

    A part of it where `Range` asks for one, so that a download that broke off can go on.
    """
    return attachment(await files.content(ctx, request.path_params["file_id"]), request)


async def delete(ctx: Context, request: Request) -> Deleted:
    """Delete a file.

    409 while a batch that has not ended needs it.
    """
    row = await files.delete(ctx, request.path_params["file_id"])
    return Deleted(id=row.id, object="file")


def _operations(prefix: str) -> list[Operation]:
    every, one = f"{prefix}/files", f"{prefix}/files/{{file_id}}"
    common: dict[str, Any] = {"tag": TAG, "dialect": OPENAI}
    return [
        Operation(
            method="POST",
            path=every,
            handler=create,
            answers=FileObject,
            body=FileForm,
            upload=True,
            idempotent=True,
            errors=(400, 409, 413),
            **common,
        ),
        Operation(method="GET", path=every, handler=page, answers=FileList, query=FilesQuery, errors=(400,), **common),
        Operation(method="GET", path=one, handler=get, answers=FileObject, errors=(404,), **common),
        Operation(
            method="GET",
            path=f"{one}/content",
            handler=content,
            answers=files.MEDIA_TYPE,
            headers=ranges.HEADERS,
            errors=(404, 416),
            **common,
        ),
        Operation(method="DELETE", path=one, handler=delete, answers=Deleted, errors=(404, 409), **common),
    ]


OPERATIONS = [operation for prefix in PREFIXES for operation in _operations(prefix)]
