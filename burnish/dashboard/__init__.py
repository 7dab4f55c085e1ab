"""The dashboard: what `frontend/` builds, served from here, under a policy that lets nothing else in.

Every address that a person may open gets the same page; the program on it reads the address. Files have their content's hash in
their name, so that a browser keeps them for ever, and are stored compressed.
"""

import secrets
from functools import cache
from html import escape
from pathlib import Path
from typing import NamedTuple

from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send

DIST = Path(__file__).parent / "dist"
MEDIA = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml", ".woff2": "font/woff2"}
ENCODINGS = (("br", ".br"), ("gzip", ".gz"))
FOR_EVER = "public, max-age=31536000, immutable"
NONCE = "{{nonce}}"
# Styles that a library adds while the page runs carry the nonce; scripts come from files alone.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'nonce-{nonce}'; img-src 'self' data: blob:; "
    "media-src 'self' blob:; font-src 'self'; connect-src 'self'{connect}; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
# The page that hands a new key to the command line which asked for it, on this machine.
CLI_LOGIN = "/cli-login"
TO_THIS_MACHINE = " http://127.0.0.1:* http://localhost:*"
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
# What programs ask for; an unknown address below these is theirs to hear of.
PROGRAMS = ("/v1", "/graphql", "/docs", "/assets", "/deploy")
NOT_FOUND = b'{"error":{"message":"Not found","type":"not_found","code":"not_found"}}'
NOT_BUILT = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Burnish</title>
<h1>Burnish is running</h1>
<p>The dashboard is not built here: <code>make dashboard</code> builds it, and nothing needs to be started again.</p>
<ul>
<li>GraphQL and its explorer: <a href="/graphql">{base}/graphql</a>
<li>REST: <code>{base}/v1</code>, its reference: <a href="/docs">{base}/docs</a>
<li>OpenAI SDK: <code>base_url="{base}/v1"</code>
</ul>
</html>
"""


class File(NamedTuple):
    """A file of the build: what it is, and the encodings that it is stored in."""

    path: Path
    media_type: str
    encodings: frozenset[str]


def routes() -> list[BaseRoute]:
    return [
        Route("/", page),
        Route("/assets/{name}", asset),
        Route("/icon.svg", asset),
        Route("/theme.js", asset),
    ]


def otherwise(refuse: ASGIApp) -> ASGIApp:
    """Answer what no route has taken: a browser that opens an address with the dashboard, other requests with 404.

    `refuse` is what becomes of everything that is no request.
    """

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await refuse(scope, receive, send)
            return
        request = Request(scope)
        response = await page(request) if _is_for_people(request) else _not_found()
        await response(scope, receive, send)

    return answer


def _not_found() -> Response:
    # At the same address a browser gets the page: a proxy that kept this would give it to them.
    return Response(NOT_FOUND, 404, {"Cache-Control": "no-store"}, "application/json")


async def page(request: Request) -> Response:
    """Answer with the page, under a policy with a nonce of its own."""
    path = request.url.path
    nonce = secrets.token_urlsafe(16)
    policy = POLICY.format(nonce=nonce, connect=TO_THIS_MACHINE if path == CLI_LOGIN else "")
    headers = {"Content-Security-Policy": policy, "Cache-Control": "no-store", **HEADERS}
    try:
        html = (DIST / "index.html").read_text()
    except FileNotFoundError:
        return HTMLResponse(NOT_BUILT.format(base=escape(request.app.state.platform.core.settings.base_url)), headers=headers)
    return HTMLResponse(html.replace(NONCE, nonce), headers=headers)


async def asset(request: Request) -> Response:
    name = request.path_params.get("name")
    file = _file(DIST, f"assets/{name}" if name else request.url.path.removeprefix("/"))
    if file is None:
        return Response(status_code=404)
    headers = {"Cache-Control": FOR_EVER if name else "no-cache", "Vary": "Accept-Encoding", **HEADERS}
    accepted = {part.partition(";")[0].strip() for part in request.headers.get("accept-encoding", "").split(",")}
    for encoding, suffix in ENCODINGS:
        if encoding in accepted and encoding in file.encodings:
            headers["Content-Encoding"] = encoding
            return FileResponse(file.path.with_name(file.path.name + suffix), headers=headers, media_type=file.media_type)
    return FileResponse(file.path, headers=headers, media_type=file.media_type)


def _is_for_people(request: Request) -> bool:
    path = request.url.path
    if request.method not in ("GET", "HEAD"):
        return False
    below = any(path == prefix or path.startswith(f"{prefix}/") for prefix in PROGRAMS)
    return not below and "text/html" in request.headers.get("accept", "")


def _file(folder: Path, name: str) -> File | None:
    found = _files(folder, (folder / "index.html").stat().st_mtime_ns if (folder / "index.html").exists() else 0)
    return found.get(name)


@cache
def _files(folder: Path, built_at: int) -> dict[str, File]:
    """Return the files of a build by name; a name that is not among them is not on any disk either."""
    there = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    return {
        name: File(path, MEDIA[path.suffix], frozenset(word for word, suffix in ENCODINGS if name + suffix in there))
        for name, path in there.items()
        if path.suffix in MEDIA
    }
