"""Signed download URLs. They need no API key: the token is the permission."""

from urllib.parse import quote

from starlette.requests import Request

from resolvers import exports
from resolvers.downloads import Download
from rest_compat.operation import Stream

PATHS = ("/v1/downloads/{token}", "/v1/downloads/{token}/{name:path}")


async def get(request: Request) -> Stream:
    """Fetch a checkpoint, one of its files, or the metrics of a job.

    The URL comes from another answer and works for a limited time; past that it is 403 `download_expired`.
    """
    return attachment(await exports.open(request.app.state.platform, request.path_params["token"]))


def attachment(found: Download) -> Stream:
    """Return a download as an answer."""
    headers = {
        "Content-Disposition": f"attachment; filename*=utf-8''{quote(found.filename)}",
        "Cache-Control": "private, no-store",
        "X-Content-Type-Options": "nosniff",
    }
    if found.size_bytes is not None:
        headers["Content-Length"] = str(found.size_bytes)
    return Stream(found.stream, headers=headers, media_type=found.media_type)
