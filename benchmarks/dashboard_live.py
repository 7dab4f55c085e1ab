"""What the main thread does while a job page hears twenty steps a second, and while a log of a million lines is scrolled."""

import functools
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, Page

from benchmarks.dashboard_screens import signed_in
from benchmarks.dashboard_trace import Frames, traced
from benchmarks.live_servers import Server
from benchmarks.report import Figure, bound

LIVE_MS, LIVE_RATE, LIVE_S, WARM_MS = 100.0, 20, 10, 4000
FRAME_MS, FRAMES = 16.0, 120
LINES = 1_000_000
SHOWN = {"overview": "canvas", "logs": "[role=log] [data-line]"}
PRODUCER = (sys.executable, "-m", "benchmarks.dashboard_producer")
# By a little less than a view a frame, as a wheel does, and by parts of the whole, as a hand on the bar does.
MOVES = {
    "by the wheel": "(bar, at) => bar.scrollTop + 0.9 * bar.clientHeight",
    "by the bar": "(bar, at) => at * (bar.scrollHeight - bar.clientHeight)",
}
SCROLL = """(count) => new Promise((done) => { const bar = document.querySelector('[role=log]'), to = %s; let frame = 0;
  const next = () => { bar.scrollTop = to(bar, frame / count); frame++ < count ? requestAnimationFrame(next) : done() };
  requestAnimationFrame(next) })"""


def live(opened: Browser, server: Server) -> list[Figure]:
    """Measure the tabs of a live job's page on which something comes in all the time."""
    figures = []
    with reporting(server.jobs[0], server):
        for tab, shown in SHOWN.items():
            with signed_in(opened, server) as context:
                page = context.new_page()
                page.goto(f"{server.url}/jobs/{server.jobs[0]}?tab={tab}")
                page.wait_for_selector(shown)
                page.wait_for_timeout(WARM_MS)
                found = traced(opened, page, functools.partial(page.wait_for_timeout, LIVE_S * 1000))
                shifted, moved = page.evaluate("[window.shifted, window.moved]")
                shifted = round(float(shifted), 5)
            print(f"live {tab}: {found}, shifted {shifted} by {moved}", file=sys.stderr, flush=True)
            name = f"live job page, {tab}, {LIVE_RATE} events a second"
            figures.append(bound(f"{name}: scripting, ms a second", found.total_ms / LIVE_S, LIVE_MS))
            figures.append(Figure(f"{name}: layout shift", shifted, 0.0, shifted, 0.0, shifted == 0))
    return figures


def million_lines(opened: Browser, server: Server) -> list[Figure]:
    """Scroll through a long log: median and worst scripting of a frame."""
    job = server.jobs[1]
    subprocess.run([*PRODUCER, "log", job, str(LINES)], env=dict(server.env), check=True)
    figures = []
    with signed_in(opened, server) as context:
        page = context.new_page()
        page.goto(f"{server.url}/jobs/{job}?tab=logs")
        page.wait_for_selector(SHOWN["logs"])
        page.wait_for_timeout(WARM_MS)
        for how, to in MOVES.items():
            found = _scrolled(opened, page, SCROLL % to)
            print(f"a million lines, {how}: {found}", file=sys.stderr, flush=True)
            name = f"a log of {LINES:,} lines, scrolled {how}"
            figures += [bound(f"{name}, {which} frame, ms", ms, FRAME_MS) for which, ms in found.both]
    return figures


def _scrolled(opened: Browser, page: Page, script: str) -> Frames:
    page.evaluate("document.querySelector('[role=log]').scrollTop = 0")
    page.wait_for_timeout(1000)
    return traced(opened, page, lambda: page.evaluate(script, FRAMES))


@contextmanager
def reporting(job: str, server: Server) -> Iterator[None]:
    """Let a job report for as long as somebody looks."""
    with subprocess.Popen([*PRODUCER, "live", job, str(LIVE_RATE)], env=server.env, stdout=subprocess.PIPE) as producer:
        try:
            if producer.stdout is None or not producer.stdout.readline():
                raise RuntimeError("nothing is reported")
            yield
        finally:
            producer.terminate()
