"""What the dashboard costs a browser: charts of 100,000 points beside Chart.js, a live job page, the first load, layout shifts.

Scripting is the CPU time of the main thread in scripts, by a Chromium trace; a frame is what lies between two commits, with
all its events, timers and callbacks. Four charts of 100,000 points each are on one page, ours smoothed on top and with a shared
crosshair, Chart.js with its min-max decimation. The live page is the built one, of a real API process, in which a job reports 36
metrics twenty times a second. The first load is what the page names: scripts and styles, without the font, which may come late.
"""

import functools
import json
import re
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from playwright.sync_api import Browser, Page

from benchmarks.dashboard_trace import Frames, traced
from benchmarks.live_servers import Server, platform
from benchmarks.report import Figure, bound, figure, main
from burnish.dashboard import DIST
from scripts.dashboard import FRONTEND, npm
from tests.e2e.browser import browser

FRAME_MS = 16.0
LIVE_MS, LIVE_RATE, LIVE_S, WARM_MS = 100.0, 20, 10, 4000
FIRST_LOAD_KB = 200.0
FRAMES = 60
SETTLE_MS = 1500

APPEND = """(count) => new Promise((done) => { const next = () => { window.bench.append(5);
  count-- > 0 ? requestAnimationFrame(next) : done() }; requestAnimationFrame(next) })"""
# In to a hundredth of the axis, and out again.
ZOOM = """(count) => new Promise((done) => { let frame = 0; const next = () => {
  const half = Math.max(0.005, Math.abs(1 - (2 * frame) / count) / 2); window.bench.zoom(0.5 - half, 0.5 + half);
  frame++ < count ? requestAnimationFrame(next) : done() }; requestAnimationFrame(next) })"""
# The server that this page is of takes a key in the first message; sessions of people are not what is measured.
SHOW_KEY = """(() => { const send = WebSocket.prototype.send; WebSocket.prototype.send = function (data) {
  const hello = typeof data === 'string' && data.includes('"connection_init"');
  return send.call(this, hello ? JSON.stringify({ type: 'connection_init', payload: { apiKey: %s } }) : data) } })()"""
SHIFTS = """window.shifted = 0; new PerformanceObserver((list) => { for (const one of list.getEntries())
  if (!one.hadRecentInput) window.shifted += one.value }).observe({ type: 'layout-shift', buffered: true })"""


def measure() -> list[Figure]:
    return [*_charts(), *_live(), bound("first load, scripts and styles, gzipped kB", first_load_kb(), FIRST_LOAD_KB)]


def _charts() -> list[Figure]:
    with _bench_pages() as url, browser() as opened:
        ours, peer = (_moved(opened, url + name) for name in ("index.html", "peer.html"))
    most = [bound(f"4 charts of 100,000 points, {what}, worst frame, ms", ours[what].worst_ms, FRAME_MS) for what in ours]
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


def _live() -> list[Figure]:
    with platform(1) as server, _reporting(server), browser() as opened:
        context = opened.new_context(
            viewport={"width": 1440, "height": 900}, extra_http_headers={"Authorization": f"Bearer {server.key}"}
        )
        context.add_init_script(SHOW_KEY % json.dumps(server.key))
        context.add_init_script(SHIFTS)
        page = context.new_page()
        page.goto(f"http://127.0.0.1:{server.port}/jobs/{server.jobs[0]}")
        page.wait_for_selector("canvas")
        page.wait_for_timeout(WARM_MS)
        frames = traced(opened, page, lambda: page.wait_for_timeout(LIVE_S * 1000))
        print(f"live page: {frames}", file=sys.stderr, flush=True)
        shifted = float(page.evaluate("window.shifted"))
        context.close()
    return [
        bound("live job page at 20 events a second, scripting, ms a second", frames.total_ms / LIVE_S, LIVE_MS),
        Figure("live job page, layout shift (CLS)", round(shifted, 4), 0.0, round(shifted, 4), 0.0, round(shifted, 4) == 0),
    ]


@contextmanager
def _reporting(server: Server) -> Iterator[None]:
    """Let the job report metrics for as long as somebody looks."""
    argv = [sys.executable, "-m", "benchmarks.dashboard_producer", server.jobs[0], str(LIVE_RATE)]
    with subprocess.Popen(argv, env=server.env, stdout=subprocess.PIPE) as producer:
        try:
            if producer.stdout is None or not producer.stdout.readline():
                raise RuntimeError("nothing is reported")
            yield
        finally:
            producer.terminate()


def first_load_kb(folder: Path = DIST) -> float:
    """Return how much of the build every visit fetches before anything that is lazy."""
    page = (folder / "index.html").read_bytes()
    named = set(re.findall(r'(?:src|href)="/([^"]+\.(?:js|css))"', page.decode()))
    return (len(page) + sum((folder / f"{name}.gz").stat().st_size for name in named)) / 1000


if __name__ == "__main__":
    if not (DIST / "index.html").is_file():
        sys.exit(f"The dashboard is not built: `make dashboard` builds it from {FRONTEND}.")
    main(measure)
