"""The reference page: it and its files come from here, and its policy lets nothing come from elsewhere."""

import re
from pathlib import Path

import httpx2
import pytest

from rest_compat import docs
from tests.conftest import Server

pytestmark = pytest.mark.anyio
POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self' 'unsafe-inline'",
    "img-src": "'self' data:",
    "connect-src": "'self'",
    "base-uri": "'none'",
    "form-action": "'none'",
    "frame-ancestors": "'none'",
}


async def test_the_page_and_everything_it_names_are_served_from_here(server: Server) -> None:
    async with httpx2.AsyncClient(base_url=server.url) as anybody:
        page = await anybody.get("/docs")
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        named = re.findall(r'(?:src|href)="([^"]+)"', page.text)
        assert named == ["data:,", "/docs/assets/docs.css", "/v1/openapi.json", "/docs/assets/redoc.js", "/docs/assets/docs.js"]
        kinds = [(await anybody.get(path)).headers["content-type"].partition(";")[0] for path in named[1:]]
        assert kinds == ["text/css", "application/json", "text/javascript", "text/javascript"]
        assert (await anybody.get("/docs/assets/__init__.py")).status_code == 404
        assert (await anybody.get("/docs/assets/..%2Fopenapi.py")).status_code == 404


async def test_the_policy_is_strict(server: Server) -> None:
    async with httpx2.AsyncClient(base_url=server.url) as anybody:
        headers = (await anybody.get("/docs")).headers
    told = dict(part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";"))
    assert told == POLICY
    assert (headers["x-content-type-options"], headers["referrer-policy"]) == ("nosniff", "no-referrer")


def test_the_vendored_file_names_no_host_to_load_from_and_has_its_licence() -> None:
    text = (docs.FOLDER / "redoc.js").read_text()
    version = re.search(r"^version=(\S+)$", (docs.FOLDER / "vendor.sh").read_text(), re.MULTILINE)
    assert version is not None
    assert text.startswith(f"/*! redoc@{version[1]}\nThe MIT License (MIT)\n")
    assert "cdn.redoc.ly" not in text
    assert version[1] in Path(docs.FOLDER / "README.md").read_text()
