"""Reading requests: JSON bodies, uploads and query strings, each within its limit, with errors that name the field."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, BinaryIO, TypeVar

import orjson
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request
from starlette.types import Message

from burnish.kit.errors import PayloadTooLarge, SchemaInvalid
from burnish.kit.settings import Settings
from resolvers.inputs import Input, parse

Q = TypeVar("Q", bound=Input)
FORM = "multipart/form-data"
BODY = "A request body"
MAX_FIELDS = 16
MAX_FIELD_BYTES = 64 * 1024


@dataclass(frozen=True)
class Upload:
    """The text fields of a form, and its file on this machine's disk. The file has no name there: it is gone with the request,
    however that ends. `name` is what the caller calls it.
    """

    fields: dict[str, str]
    file: BinaryIO
    name: str | None = None

    @property
    def path(self) -> Path:
        """A path under which this process and its children can open the file again while the upload lasts."""
        return Path(f"/proc/{os.getpid()}/fd/{self.file.fileno()}")


def query(request: Request, model: type[Q]) -> Q:
    """Return the query string as `model`; SchemaInvalid naming the parameter."""
    return parse(model, dict(request.query_params))


async def json_object(request: Request, settings: Settings) -> dict[str, Any]:
    """Return the body, a JSON object; SchemaInvalid for any other, PayloadTooLarge past the limit."""
    check_json(_media_type(request))
    return json_of(await _limited(request, settings.max_body_bytes, BODY).body())


def check_json(media_type: str) -> None:
    """SchemaInvalid for a body that says it is something else; one that says nothing is believed to be JSON."""
    if media_type and media_type != "application/json" and not media_type.endswith("+json"):
        raise SchemaInvalid(f"The body is JSON: send it as application/json, not as {media_type}.", param="Content-Type")


def json_of(body: bytes) -> dict[str, Any]:
    """Return a body that is a JSON object; SchemaInvalid for any other."""
    try:
        data = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        message = "The body is empty; it must be a JSON object." if not body.strip() else f"The body is not JSON: {error}"
        raise SchemaInvalid(message, param="body") from None
    if not isinstance(data, dict):
        raise SchemaInvalid("The body must be a JSON object.", param="body")
    return data


async def body(request: Request, most: int) -> bytes:
    """Return the body as it was sent; PayloadTooLarge past `most` bytes."""
    return await _limited(request, most, BODY).body()


@asynccontextmanager
async def upload(request: Request, settings: Settings, most: int) -> AsyncIterator[Upload]:
    """Read a form with one file of at most `most` bytes, called `file`, straight onto the disk.

    SchemaInvalid where it is no such form, PayloadTooLarge past the limit.
    """
    if _media_type(request) != FORM:
        raise SchemaInvalid(f"Send the fields and the file as {FORM}.", param="file")
    limited = _limited(request, most + MAX_FIELDS * MAX_FIELD_BYTES, "The upload")
    with TemporaryFile(dir=settings.home) as target:
        try:
            form = await _OnDisk(limited, target).parse()
        except MultiPartException as error:
            raise SchemaInvalid(f"The form cannot be read: {error.message}", param="file") from None
        target.flush()
        target.seek(0)
        sent = form.get("file")
        if not isinstance(sent, UploadFile):
            raise SchemaInvalid(_no_file(sent), param="file")
        fields = {name: value for name, value in form.items() if name != "file" and isinstance(value, str)}
        yield Upload(fields, target, sent.filename)


class _OnDisk(MultiPartParser):
    """Starlette's parser, except that the one file goes straight to `target`: the folder for temporary files is often memory."""

    def __init__(self, request: Request, target: BinaryIO) -> None:
        super().__init__(request.headers, request.stream(), max_files=1, max_fields=MAX_FIELDS, max_part_size=MAX_FIELD_BYTES)
        self._target = target

    def on_headers_finished(self) -> None:
        super().on_headers_finished()
        if self._current_part.file is not None:
            self._current_part.file.file.close()
            self._current_part.file.file = self._target


def _limited(request: Request, most: int, what: str) -> Request:
    """Return the request with a body that raises PayloadTooLarge once it has more than `most` bytes, or says that it will."""
    too_large = PayloadTooLarge(f"{what} has at most {most} bytes.")
    if not fits(request.headers.get("content-length", "0"), most):
        raise too_large
    seen = 0

    async def receive() -> Message:
        nonlocal seen
        message = await request.receive()
        seen += len(message.get("body", b""))
        if seen > most:
            raise too_large
        return message

    return Request(request.scope, receive)


def fits(declared: str, most: int) -> bool:
    """Return whether a body of which `Content-Length` declares so much is to be read."""
    return declared.isdecimal() and int(declared) <= most


def media_type_of(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()


def _media_type(request: Request) -> str:
    return media_type_of(request.headers.get("content-type", ""))


def _no_file(sent: object) -> str:
    if sent is None:
        return "file: this field is required"
    return "file: this field is a file, sent with a filename; in curl, write -F file=@PATH"
