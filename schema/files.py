"""Files that batches read and write: made of an upload, listed and deleted."""

from datetime import datetime
from enum import Enum
from typing import Annotated, Self

import strawberry

from burnish.kit.paging import Span
from models import file
from resolvers import cursors, files, uploads
from resolvers.context import Context
from resolvers.files import FileInput
from resolvers.inputs import parse
from schema.context import Info
from schema.errors import Payload, settle
from schema.nodes import (
    After,
    Connection,
    CreatedAfter,
    CreatedBefore,
    First,
    Input,
    Node,
    Search,
    connect_page,
    within,
)
from schema.scalars import BigInt

NOUN = "files"


@strawberry.enum(description="What a file is for.")
class FilePurpose(Enum):
    BATCH = strawberry.enum_value("batch", description="The requests of a batch, a line each.")
    BATCH_OUTPUT = strawberry.enum_value("batch_output", description="What a batch has written.")
    FINE_TUNE = strawberry.enum_value("fine-tune", description="Rows to learn from.")
    USER_DATA = strawberry.enum_value("user_data", description="Anything.")
    EVALS = strawberry.enum_value("evals", description="Rows to evaluate on.")


@strawberry.type(description="A stored file.")
class File(Node):
    row: strawberry.Private[file.File]
    filename: str = strawberry.field(description="What its maker called it.")
    purpose: FilePurpose = strawberry.field(description="What it is for.")
    size_bytes: BigInt = strawberry.field(description="Its size.")
    created_at: datetime = strawberry.field(description="When it was made.")
    expires_at: datetime | None = strawberry.field(description="When it is deleted by itself; null for never.")

    @classmethod
    def of(cls, row: file.File) -> Self:
        return cls(
            row=row,
            id=strawberry.ID(row.id),
            filename=row.filename,
            purpose=FilePurpose(row.purpose),
            size_bytes=BigInt(row.size_bytes),
            created_at=row.created_at,
            expires_at=row.expires_at,
        )

    @strawberry.field(description="A URL of what it holds; it needs no key and works for a limited time.")
    def content_url(self, info: Info) -> str:
        return files.content_url(info.context.known.core, self.row)


@strawberry.type(description="A page of files.")
class FileConnection(Connection[File]): ...


@strawberry.input(description="A file to make.")
class CreateFileInput:
    upload_id: strawberry.ID = strawberry.field(description="The upload that holds it, of `createUpload`; used once.")
    filename: str = strawberry.field(description="What to call it.")
    purpose: FilePurpose = strawberry.field(
        default=FilePurpose.BATCH, description="What it is for; `BATCH_OUTPUT` is what only batches make."
    )
    expires_after_seconds: int | None = strawberry.field(
        default=None, description="After how long it is deleted by itself: an hour to 30 days; never by default."
    )
    idempotency_key: str | None = strawberry.field(default=None, description="A retry with the same key makes nothing twice.")


@strawberry.input(description="A file to delete.")
class DeleteFileInput:
    id: strawberry.ID = strawberry.field(description="The id of the file.")
    idempotency_key: str | None = strawberry.field(default=None, description="A retry with the same key gives the same answer.")


@strawberry.type(description="The file.")
class FilePayload(Payload):
    file: File | None = strawberry.field(default=None, description="The file.")


@strawberry.type(description="What was deleted.")
class DeleteFilePayload(Payload):
    deleted_id: strawberry.ID | None = strawberry.field(default=None, description="The id of the file that is gone.")


@strawberry.type
class FileQueries:
    @strawberry.field(description="A file; null where the account has no such file.")
    async def file(
        self, info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="The id, `file-…`.")]
    ) -> File | None:
        row = await info.context.loaders.file.load(id)
        return None if row is None else File.of(row)

    @strawberry.field(description="The account's files, newest first.")
    async def files(
        self,
        info: Info,
        first: First = 20,
        after: After = None,
        purpose: Annotated[list[FilePurpose] | None, strawberry.argument(description="Only those for one of these.")] = None,
        search: Search = None,
        created_after: CreatedAfter = None,
        created_before: CreatedBefore = None,
    ) -> FileConnection:
        page = await files.page(
            info.context.known,
            purpose=[str(item.value) for item in purpose or ()],
            search=search,
            created=Span(created_after, created_before),
            limit=within(first),
            after=cursors.read_item(after, NOUN),
        )
        return connect_page(FileConnection, NOUN, page, File.of, after)


@strawberry.type
class FileMutations:
    @strawberry.mutation(description="Make a file of an uploaded one. What it holds is checked when it is used.")
    async def create_file(self, info: Info, input: Annotated[CreateFileInput, Input]) -> FilePayload:
        async def act(ctx: Context) -> FilePayload:
            return FilePayload(file=File.of(await uploads.create_file(ctx, _given(input), input.filename, input.upload_id)))

        names = {"file": "uploadId", "expires_after": "expiresAfterSeconds"}
        return await settle(info, input, FilePayload, act, names)

    @strawberry.mutation(description="Delete a file. One that a batch that has not ended needs stays.")
    async def delete_file(self, info: Info, input: Annotated[DeleteFileInput, Input]) -> DeleteFilePayload:
        async def act(ctx: Context) -> DeleteFilePayload:
            return DeleteFilePayload(deleted_id=strawberry.ID((await files.delete(ctx, input.id)).id))

        return await settle(info, input, DeleteFilePayload, act, {"file_id": "id"})


def _given(input: CreateFileInput) -> FileInput:
    expiry = input.expires_after_seconds
    return parse(FileInput, {"purpose": input.purpose.value, "expires_after": None if expiry is None else {"seconds": expiry}})
