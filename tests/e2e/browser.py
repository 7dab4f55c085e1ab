"""A real Chromium, and what is asked of every page: no error in its console, nothing that axe finds, nothing too wide."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, sync_playwright

ROOT = Path(__file__).parents[2]
AXE = ROOT / "frontend" / "node_modules" / "axe-core" / "axe.min.js"
# As root Chromium has no sandbox of its own; nothing foreign is opened.
ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage")
PATIENCE_MS = 30_000
Shade = Literal["light", "dark"]


@cache
def chromium() -> str:
    """Return the path of the Chromium that `make browser` found or installed."""
    found = subprocess.run([sys.executable, ROOT / "scripts" / "browser.py"], check=True, capture_output=True, text=True)
    return found.stdout.strip()


@contextmanager
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium(), args=list(ARGUMENTS))
        yield opened
        opened.close()


@dataclass
class Visitor:
    """Somebody at a browser of their own; `complaints` is all that their pages said went wrong."""

    context: BrowserContext
    page: Page
    url: str
    complaints: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, opened: Browser, url: str, *, shade: Shade = "light", width: int = 1440, height: int = 900) -> "Visitor":
        context = opened.new_context(
            viewport={"width": width, "height": height}, color_scheme=shade, reduced_motion="reduce", accept_downloads=True
        )
        context.set_default_timeout(PATIENCE_MS)
        visitor = cls(context, context.new_page(), url)
        visitor.listen(visitor.page)
        return visitor

    def listen(self, page: Page) -> None:
        """Take down what the page complains of: scripts that failed, and what the policy refused."""

        def said(message: ConsoleMessage) -> None:
            if message.type == "error":
                self.complaints.append(f"{page.url}: {message.text}")

        page.on("console", said)
        page.on("pageerror", lambda error: self.complaints.append(f"{page.url}: {error}"))

    def go(self, path: str) -> None:
        self.page.goto(self.url + path)

    def close(self) -> None:
        self.context.close()


def violations(page: Page) -> list[str]:
    """Return what axe finds on the page, one line for each rule and element."""
    page.evaluate(AXE.read_text())
    found: list[dict[str, Any]] = page.evaluate("axe.run(document, { resultTypes: ['violations'] }).then((r) => r.violations)")
    return [f"{rule['id']}: {node['html'][:200]} ({json.dumps(node['target'])})" for rule in found for node in rule["nodes"]]


def overflow(page: Page) -> int:
    """Return by how many pixels the page is wider than the window."""
    return int(page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))
