"""What the dashboard costs a browser: first load, what moves on its screens, charts, a live job page, a log of a million lines.

Scripting is the CPU time of the main thread in scripts, by a Chromium trace; a frame is what lies between two commits, with all
its events, timers and callbacks. The charts are beside Chart.js with its min-max decimation, ours smoothed on top and with a
shared crosshair. The pages are the built ones of a real API process, looked at by somebody who signed in and holds a cookie.
"""

import sys

from benchmarks.dashboard_charts import charts
from benchmarks.dashboard_live import live, million_lines
from benchmarks.dashboard_screens import first_load, shifts
from benchmarks.live_servers import platform
from benchmarks.report import Figure, main
from burnish.dashboard import DIST
from tests.e2e.browser import browser

JOBS = 30


def measure() -> list[Figure]:
    if not (DIST / "index.html").is_file():
        sys.exit("The dashboard is not built: `make dashboard` does that.")
    with platform(JOBS) as server, browser() as opened:
        return [
            *first_load(opened, server),
            *live(opened, server),
            *million_lines(opened, server),
            *shifts(opened, server),
            *charts(opened),
        ]


if __name__ == "__main__":
    main(measure)
