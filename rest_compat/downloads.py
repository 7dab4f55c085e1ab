"""Signed download URLs. They need no API key: the token is the permission."""

from urllib.parse import quote

from starlette.requests import Request

from resolvers import exports
from resolvers.downloads import Download
from rest_compat import ranges
from rest_compat.operation import Stream

PATHS = ("/v1/downloads/{token}", "/v1/downloads/{token}/{name:path}")


async def get(request: Request) -> Stream:
    """Fetch a checkpoint, one of its files, the metrics of a job, or a file of a batch.

    The URL comes from another answer and works for a limited time; past that it is 403 `download_expired`.
    """
    return attachment(await exports.open(request.app.state.platform, request.path_params["token"]), request)


def attachment(found: Download, request: Request | None = None) -> Stream:
    """Return a download as an answer: the part of it that the request asks for, where it comes in parts."""
    headers = {
        "Content-Disposition": f"attachment; filename*=utf-8''{quote(found.filename)}",
        "Cache-Control": "private, no-store",
        "X-Content-Type-Options": "nosniff",
    }
    if found.size_bytes is not None:
        headers["Content-Length"] = str(found.size_bytes)
    if request is None or found.part is None or found.size_bytes is None or found.tag is None:
        return Stream(found.stream, headers=headers, media_type=found.media_type)
    headers |= {"Accept-Ranges": "bytes", "ETag": found.tag}
    span = ranges.wanted(request, found.size_bytes, found.tag)
    if span is None:
        return Stream(found.stream, headers=headers, media_type=found.media_type)
    start, end = span
    headers |= {"Content-Length": str(end - start), "Content-Range": f"bytes {start}-{end - 1}/{found.size_bytes}"}
    return Stream(found.part(start, end), 206, headers=headers, media_type=found.media_type)
