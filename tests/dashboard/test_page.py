"""The dashboard as it is served: one page for all its places, files that are kept for ever, and a policy of its own."""

import gzip
import re
from pathlib import Path

import httpx2
import pytest

from burnish import dashboard
from tests.conftest import Server

pytestmark = pytest.mark.anyio
PAGE = """<!doctype html>
<html lang="en"><head><meta property="csp-nonce" nonce="{{nonce}}">
<script nonce="{{nonce}}" type="module" src="/assets/index-a1.js"></script>
<link rel="stylesheet" nonce="{{nonce}}" href="/assets/index-a1.css"></head><body><div id="root"></div></body></html>
"""
SCRIPT = b"export const answer = 42;\n" * 40
BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self' 'nonce-{nonce}'",
    "img-src": "'self' data: blob:",
    "media-src": "'self' blob:",
    "font-src": "'self'",
    "connect-src": "'self'",
    "base-uri": "'none'",
    "form-action": "'none'",
    "frame-ancestors": "'none'",
}
NOT_FOUND = {"error": {"message": "Not found", "type": "not_found", "code": "not_found"}}
HEADERS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}


@pytest.fixture
def built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A build of the dashboard with one file of each kind."""
    dist = tmp_path / "dist"
    assets = dist / "assets"
    assets.mkdir(parents=True)
    (dist / "index.html").write_text(PAGE)
    (dist / "theme.js").write_text("// theme")
    (dist / "icon.svg").write_text("<svg/>")
    (dist / ".burnish").write_text("a hash")
    (tmp_path / "secret.js").write_text("not of the build")
    (assets / "index-a1.css").write_text("a{}")
    (assets / "font-a1.woff2").write_bytes(b"wOF2")
    (assets / "notes.txt").write_text("of no kind that is served")
    script = assets / "index-a1.js"
    script.write_bytes(SCRIPT)
    script.with_name("index-a1.js.gz").write_bytes(gzip.compress(SCRIPT))
    script.with_name("index-a1.js.br").write_bytes(b"as brotli")
    monkeypatch.setattr(dashboard, "DIST", dist)
    return dist


def _anybody(server: Server) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(base_url=server.url, verify=False)


def _policy(response: httpx2.Response) -> dict[str, str]:
    return dict(part.strip().split(" ", 1) for part in response.headers["content-security-policy"].split(";"))


@pytest.mark.usefixtures("built")
@pytest.mark.parametrize("path", ["/", "/jobs", "/jobs/job_01?tab=logs", "/deployments/x/y", "/sign-in", "/v1x", "/documents"])
async def test_each_place_is_the_page(server: Server, path: str) -> None:
    async with _anybody(server) as anybody:
        page = await anybody.get(path, headers=BROWSER)
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert '<div id="root">' in page.text


@pytest.mark.usefixtures("built")
async def test_the_policy_is_strict_and_its_nonce_is_new_each_time_and_everywhere_it_must_be(server: Server) -> None:
    async with _anybody(server) as anybody:
        pages = [await anybody.get("/jobs", headers=BROWSER) for _ in range(3)]
    nonces = set()
    for page in pages:
        found = set(re.findall(r'nonce="([^"]*)"', page.text))
        assert len(found) == 1
        nonce = found.pop()
        assert re.fullmatch(r"[\w-]{22}", nonce)
        assert page.text.count(nonce) == PAGE.count("{{nonce}}")
        assert "{{" not in page.text
        assert _policy(page) == {**POLICY, "style-src": POLICY["style-src"].format(nonce=nonce)}
        assert {name: page.headers[name] for name in HEADERS} == HEADERS
        assert page.headers["cache-control"] == "no-store"
        nonces.add(nonce)
    assert len(nonces) == 3


@pytest.mark.usefixtures("built")
async def test_only_the_page_for_the_command_line_may_call_this_machine(server: Server) -> None:
    async with _anybody(server) as anybody:
        asked = {path: await anybody.get(path, headers=BROWSER) for path in ("/cli-login?port=1", "/cli-login/x", "/")}
    connect = [_policy(page)["connect-src"] for page in asked.values()]
    assert connect == ["'self' http://127.0.0.1:* http://localhost:*", "'self'", "'self'"]


@pytest.mark.usefixtures("built")
@pytest.mark.parametrize(
    ("accepted", "encoding", "content"),
    [
        ("gzip, deflate, br", "br", b"as brotli"),
        ("gzip", "gzip", SCRIPT),
        ("identity", None, SCRIPT),
        ("deflate;q=1", None, SCRIPT),
    ],
)
async def test_files_come_in_the_best_encoding_that_is_taken_and_are_kept_for_ever(
    server: Server, accepted: str, encoding: str | None, content: bytes
) -> None:
    request = httpx2.Request("GET", f"{server.url}/assets/index-a1.js", headers={"Accept-Encoding": accepted})
    async with _anybody(server) as anybody:
        answer = await anybody.send(request, stream=True)
        raw = b"".join([part async for part in answer.aiter_raw()])
        await answer.aclose()
    assert (gzip.decompress(raw) if encoding == "gzip" else raw) == content
    assert answer.headers.get("content-encoding") == encoding
    assert answer.headers["content-type"].partition(";")[0] == "text/javascript"
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert answer.headers["vary"] == "Accept-Encoding"
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.usefixtures("built")
@pytest.mark.parametrize(
    ("path", "kind", "caching"),
    [
        ("/assets/index-a1.css", "text/css", "public, max-age=31536000, immutable"),
        ("/assets/font-a1.woff2", "font/woff2", "public, max-age=31536000, immutable"),
        ("/icon.svg", "image/svg+xml", "no-cache"),
        ("/theme.js", "text/javascript", "no-cache"),
    ],
)
async def test_each_file_has_its_type_and_those_without_a_hash_are_asked_for_again(
    server: Server, path: str, kind: str, caching: str
) -> None:
    async with _anybody(server) as anybody:
        answer = await anybody.get(path)
    assert (answer.status_code, answer.headers["content-type"].partition(";")[0]) == (200, kind)
    assert answer.headers["cache-control"] == caching


@pytest.mark.usefixtures("built")
@pytest.mark.parametrize(
    "path",
    [
        "/assets/gone-b2.js",
        "/assets/notes.txt",
        "/assets/index-a1.js.gz",
        "/assets/..%5C..%5Csecret.js",
        "/assets/.burnish",
        "/assets/index-a1.js%00.css",
    ],
)
async def test_what_is_not_of_the_build_is_not_there(server: Server, path: str) -> None:
    async with _anybody(server) as anybody:
        answer = await anybody.get(path, headers=BROWSER)
    assert (answer.status_code, answer.content) == (404, b"")


@pytest.mark.usefixtures("built")
@pytest.mark.parametrize(
    "path", ["/assets/..%2Findex.html", "/assets/..%2F..%2Fsecret.js", "/assets/%2e%2e%2f%2e%2e%2fsecret.js"]
)
async def test_no_address_leads_out_of_the_build(server: Server, path: str) -> None:
    async with _anybody(server) as anybody:
        answer = await anybody.get(f"/assets/{path}", headers=BROWSER)
    assert (answer.status_code, answer.json()) == (404, NOT_FOUND)


@pytest.mark.usefixtures("built")
@pytest.mark.parametrize("path", ["/v1/nothing", "/graphql/x", "/docs/x", "/deploy/x", "/v1"])
async def test_unknown_addresses_of_programs_stay_theirs_even_for_a_browser(server: Server, path: str) -> None:
    async with server.client() as client:
        answer = await client.get(path, headers=BROWSER)
    assert answer.status_code == 404
    assert "text/html" not in answer.headers["content-type"]


@pytest.mark.usefixtures("built")
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
async def test_a_program_hears_404_in_json(server: Server, method: str) -> None:
    async with _anybody(server) as anybody:
        answer = await anybody.request(method, "/jobs", headers={"Accept": "*/*"})
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/json")
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json() == NOT_FOUND


@pytest.mark.usefixtures("built")
async def test_nobody_posts_to_a_page(server: Server) -> None:
    async with _anybody(server) as anybody:
        answer = await anybody.post("/sign-in", headers=BROWSER)
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/json")


@pytest.mark.usefixtures("built")
@pytest.mark.parametrize("path", ["/", "/jobs", "/assets/index-a1.js", "/icon.svg"])
async def test_a_head_is_a_get_without_its_body(server: Server, path: str) -> None:
    async with _anybody(server) as anybody:
        got, head = await anybody.get(path, headers=BROWSER), await anybody.head(path, headers=BROWSER)
    assert (head.status_code, head.content) == (200, b"")
    same = ("content-type", "content-length", "cache-control", "content-encoding", "x-content-type-options")
    assert {name: head.headers.get(name) for name in same} == {name: got.headers.get(name) for name in same}


async def test_a_new_build_is_served_without_a_start(server: Server, built: Path) -> None:
    async with _anybody(server) as anybody:
        assert (await anybody.get("/assets/late-c3.js")).status_code == 404
        (built / "assets" / "late-c3.js").write_text("late")
        (built / "index.html").write_text(PAGE.replace("a1", "c3"))
        assert (await anybody.get("/assets/late-c3.js")).text == "late"
        assert "index-c3.js" in (await anybody.get("/", headers=BROWSER)).text


async def test_without_a_build_the_page_says_how_to_make_one(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dashboard, "DIST", tmp_path / "nowhere")
    async with _anybody(server) as anybody:
        page = await anybody.get("/jobs", headers=BROWSER)
        assert (await anybody.get("/theme.js")).status_code == 404
    assert page.status_code == 200
    assert "<code>make dashboard</code>" in page.text
    assert f"{server.url}/graphql" in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]
