"""Four charts of 100,000 points each on one page, beside Chart.js: appending, zooming, and a crosshair in all of them."""

import functools
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

from playwright.sync_api import Browser, Page

from benchmarks.dashboard_trace import Frames, traced
from benchmarks.report import Figure, bound, figure
from scripts.dashboard import npm

FRAME_MS = 16.0
FRAMES = 60
SETTLE_MS = 1500

APPEND = """(count) => new Promise((done) => { const next = () => { window.bench.append(5);
  count-- > 0 ? requestAnimationFrame(next) : done() }; requestAnimationFrame(next) })"""
# In to a hundredth of the axis, and out again.
ZOOM = """(count) => new Promise((done) => { let frame = 0; const next = () => {
  const half = Math.max(0.005, Math.abs(1 - (2 * frame) / count) / 2); window.bench.zoom(0.5 - half, 0.5 + half);
  frame++ < count ? requestAnimationFrame(next) : done() }; requestAnimationFrame(next) })"""


def charts(opened: Browser) -> list[Figure]:
    with _bench_pages() as url:
        ours, peer = (_moved(opened, url + name) for name in ("index.html", "peer.html"))
    most = [
        bound(f"4 charts of 100,000 points, {what}, {which} frame, ms", ms, FRAME_MS)
        for what, found in ours.items()
        for which, ms in found.both
    ]
    beside = [
        figure(f"the same, {what}, so often / Chart.js, ms", ours[what].total_ms, peer[what].total_ms, 1.0)
        for what in ("append", "zoom")
    ]
    return [*most, *beside]


def _moved(opened: Browser, url: str) -> dict[str, Frames]:
    """Return what appending, zooming and moving the mouse cost a page with charts."""
    page = opened.new_page(viewport={"width": 1280, "height": 1200})
    page.goto(url)
    page.wait_for_function("window.bench?.ready && document.querySelectorAll('canvas').length === 4")
    page.wait_for_timeout(SETTLE_MS)
    moves: dict[str, Callable[[], object]] = {
        "append": lambda: page.evaluate(APPEND, FRAMES),
        "zoom": lambda: page.evaluate(ZOOM, FRAMES),
        "crosshair": lambda: _cross(page),
    }
    found = {}
    for what, move in moves.items():
        move()
        page.wait_for_timeout(SETTLE_MS)
        found[what] = traced(opened, page, move)
        print(f"{url.rpartition('/')[2]} {what}: {found[what]}", file=sys.stderr, flush=True)
    page.close()
    return found


def _cross(page: Page) -> None:
    box = page.locator("canvas").first.bounding_box()
    if box is None:
        raise RuntimeError("no chart is seen")
    y = box["y"] + box["height"] / 2
    for index in range(FRAMES):
        page.mouse.move(box["x"] + 60 + (box["width"] - 80) * index / FRAMES, y)
    page.mouse.move(0, 0)


@contextmanager
def _bench_pages() -> Iterator[str]:
    """Build the pages of `frontend/bench` and serve them."""
    with tempfile.TemporaryDirectory(prefix="burnish-bench-") as folder:
        npm("exec", "--", "vite", "build", "--config", "bench/vite.config.ts", "--outDir", folder, "--logLevel", "error")
        with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Quiet, directory=folder)) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            yield f"http://127.0.0.1:{server.server_address[1]}/"
            server.shutdown()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass
