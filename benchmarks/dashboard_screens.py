"""The built dashboard as people use it, signed in with a session cookie: its first load, and whether anything on it moves."""

import math
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser, BrowserContext, Page

from benchmarks.live_servers import Server
from benchmarks.report import Figure, bound
from burnish.dashboard import DIST

FIRST_LOAD_KB = 200.0
# Each answer takes so long: what waits for one is painted before it comes.
LATENCY_MS = 150
QUIET_MS, PATIENCE_S = 1500, 20.0
WINDOWS = ((1440, 900), (390, 844))
TABS = ("overview", "rollouts", "logs", "events", "checkpoints", "config", "cost")
SIGN_IN = "mutation ($input: SignInInput!) { signIn(input: $input) { errors { message } } }"
DEPLOY = """mutation { createDeployment(input: { name: "bench", model: "tiny", source: HUGGINGFACE,
  hardware: { type: "L4-24GB", count: 1 } }) { deployment { id } errors { message } } }"""
ROWS = b"".join(b'{"prompt": "What is %d + %d?", "answer": "%d"}\n' % (a, b, a + b) for a in range(20) for b in range(20))
# A log that is followed moves up by itself: what moves within it does not count, as a scrolled page does not.
SHIFTS = """window.shifted = 0; window.moved = [];
const named = (node) => { const element = node?.nodeType === 1 ? node : node?.parentElement;
  return element ? `${element.tagName.toLowerCase()} "${element.textContent.slice(0, 40)}"` : '' };
const followed = (node) => (node?.nodeType === 1 ? node : node?.parentElement)?.closest('[role=log]');
new PerformanceObserver((list) => { for (const one of list.getEntries())
  if (!one.hadRecentInput && !(one.sources.length > 0 && one.sources.every((source) => followed(source.node)))) {
  window.shifted += one.value; window.moved.push(...one.sources.map((source) => named(source.node))) } })
  .observe({ type: 'layout-shift', buffered: true })"""
FETCHED = """() => performance.getEntriesByType('resource').map((one) => [one.name, one.startTime])"""


@contextmanager
def signed_in(opened: Browser, server: Server, *, width: int = 1440, height: int = 900) -> Iterator[BrowserContext]:
    """Open a window of somebody who signed in with the server's key and holds nothing but the cookie."""
    context = opened.new_context(viewport={"width": width, "height": height})
    asked(context, server, SIGN_IN, {"input": {"apiKey": server.key}}, "signIn")
    context.add_init_script(SHIFTS)
    yield context
    context.close()


def asked(context: BrowserContext, server: Server, query: str, variables: dict[str, Any], field: str) -> dict[str, Any]:
    answer = context.request.post(
        f"{server.url}/graphql", headers={"Origin": server.url}, data={"query": query, "variables": variables}
    ).json()
    given: dict[str, Any] | None = (answer.get("data") or {}).get(field)
    if given is None or given["errors"]:
        raise RuntimeError(f"{field}: {answer}")
    return given


def first_load(opened: Browser, server: Server) -> list[Figure]:
    """Weigh what a first visit fetches, of a page's own screen and of the parts that it loads after that."""
    figures = []
    for name, path, lazy in (("/", "/", ""), ("/jobs/<id>", f"/jobs/{server.jobs[0]}", "Overview")):
        with signed_in(opened, server) as context:
            page = context.new_page()
            visit(page, server.url + path)
            fetched = page.evaluate(FETCHED)
        # The lazy parts of a screen are asked for once it is there itself.
        lazy_at = [began for url, began in fetched if lazy and urlsplit(url).path.startswith(f"/assets/{lazy}-")]
        first = weight_kb([url for url, began in fetched if began < min(lazy_at, default=math.inf)])
        figures.append(bound(f"first load of {name}: scripts, styles, font, gzipped kB", first, FIRST_LOAD_KB))
        print(
            f"{name}: {first:.1f} kB first, {weight_kb([url for url, _ in fetched]):.1f} kB in all",
            file=sys.stderr,
            flush=True,
        )
    return figures


def weight_kb(urls: list[str], folder: Path = DIST) -> float:
    """Return the size of the page and of what it fetched of the build, as it is compressed for every browser."""
    paths = {folder / urlsplit(url).path.lstrip("/") for url in urls}
    files = [path for path in (folder / "index.html", *paths) if path.is_file()]
    return sum((zipped if (zipped := Path(f"{file}.gz")).is_file() else file).stat().st_size for file in files) / 1000


def shifts(opened: Browser, server: Server) -> list[Figure]:
    """Open every screen with answers that take a while, and see whether anything moves that was shown."""
    totals: dict[str, float] = {}
    with signed_in(opened, server) as context:
        looked_at = screens(context, server)
    for width, height in WINDOWS:
        with signed_in(opened, server, width=width, height=height) as context:
            for name, path in looked_at.items():
                page = context.new_page()
                slow(context, page)
                visit(page, server.url + path)
                shifted, moved = page.evaluate("[window.shifted, window.moved]")
                page.close()
                totals[name] = totals.get(name, 0.0) + shifted
                if shifted:
                    print(f"{name} at {width}: {shifted:.5f} by {'; '.join(moved)}", file=sys.stderr, flush=True)
    worst = max(totals, key=lambda name: totals[name])
    total = round(totals[worst], 5)
    return [Figure(f"layout shift of {len(totals)} screens at 2 widths, the most", total, 0.0, total, 0.0, total == 0)]


def screens(context: BrowserContext, server: Server) -> dict[str, str]:
    """Return what is looked at, with the address of each."""
    plain = ("/", "/jobs", "/datasets", "/rewards", "/deployments", "/chat", "/costs", "/compare", "/settings")
    tabs = {f"/jobs/<id>, {tab}": f"/jobs/{server.jobs[0]}?tab={tab}" for tab in TABS}
    return {**{path: path for path in plain}, **tabs, **furnish(context, server)}


def furnish(context: BrowserContext, server: Server) -> dict[str, str]:
    """Have a dataset and a deployment to look at; return their addresses."""
    uploaded = context.request.post(
        f"{server.url}/v1/datasets",
        headers={"Authorization": f"Bearer {server.key}"},
        multipart={"name": "sums", "file": {"name": "sums.jsonl", "mimeType": "application/jsonl", "buffer": ROWS}},
    ).json()
    deployed = asked(context, server, DEPLOY, {}, "createDeployment")["deployment"]
    return {"/datasets/<id>": f"/datasets/{uploaded['id']}", "/deployments/<id>": f"/deployments/{deployed['id']}"}


def slow(context: BrowserContext, page: Page) -> None:
    session = context.new_cdp_session(page)
    session.send("Network.enable")
    conditions = {"offline": False, "latency": LATENCY_MS, "downloadThroughput": -1, "uploadThroughput": -1}
    session.send("Network.emulateNetworkConditions", conditions)


def visit(page: Page, url: str) -> None:
    """Open a page and wait until nothing has been fetched for a while; what is live goes on by socket and poll."""
    page.goto(url)
    page.wait_for_selector("h1")
    deadline, fetched, quiet_since = time.monotonic() + PATIENCE_S, -1, time.monotonic()
    while time.monotonic() < deadline and (time.monotonic() - quiet_since) * 1000 < QUIET_MS:
        page.wait_for_timeout(100)
        now = page.evaluate("performance.getEntriesByType('resource').filter((one) => one.initiatorType !== 'fetch').length")
        if now != fetched or page.locator(".animate-pulse:visible").count() > 0:
            fetched, quiet_since = now, time.monotonic()
