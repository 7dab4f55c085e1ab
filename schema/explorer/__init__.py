"""The explorer: GraphiQL with its files served from here; README.md says where they come from."""

from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.routing import BaseRoute, Route

FOLDER = Path(__file__).parent
MEDIA = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
ASSETS = frozenset(path.name for path in FOLDER.iterdir() if path.suffix in MEDIA)
# GraphiQL sets style attributes; every script and file is our own.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def routes(path: str) -> list[BaseRoute]:
    return [Route(path + "/{name}", asset)]


def page() -> Response:
    headers = {"Content-Security-Policy": POLICY, "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}
    return HTMLResponse((FOLDER / "index.html").read_text(), headers=headers)


async def asset(request: Request) -> Response:
    name = request.path_params["name"]
    if name not in ASSETS:
        return Response(status_code=404)
    headers = {"Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff"}
    return FileResponse(FOLDER / name, media_type=MEDIA[Path(name).suffix], headers=headers)
