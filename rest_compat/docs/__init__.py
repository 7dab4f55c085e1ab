"""The reference page at `/docs`: Redoc over `/v1/openapi.json`, served from here; README.md says where its files come from."""

from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.routing import BaseRoute, Route

FOLDER = Path(__file__).parent
MEDIA = {".css": "text/css", ".js": "text/javascript"}
ASSETS = frozenset(path.name for path in FOLDER.iterdir() if path.suffix in MEDIA)
# Redoc writes style elements; every script and file is our own.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
GUARDS = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}


def routes() -> list[BaseRoute]:
    return [Route("/docs", page), Route("/docs/assets/{name}", asset)]


async def page(request: Request) -> Response:
    return HTMLResponse((FOLDER / "index.html").read_text(), headers={"Content-Security-Policy": POLICY, **GUARDS})


async def asset(request: Request) -> Response:
    name = request.path_params["name"]
    if name not in ASSETS:
        return Response(status_code=404)
    return FileResponse(FOLDER / name, media_type=MEDIA[Path(name).suffix], headers={"Cache-Control": "no-cache", **GUARDS})
