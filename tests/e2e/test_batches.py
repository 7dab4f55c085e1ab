"""Batches at the dashboard: a file is checked as it is read, worked through, looked at by cause, fetched, retried, cancelled."""

import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.e2e.browser import PATIENCE_MS, Visitor, browser, overflow, violations
from tests.running import Platform, eventually, up

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]
expect.set_options(timeout=PATIENCE_MS)
USAGE = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
REFUSAL = {
    "error": {
        "message": "This model's maximum context length is 8 tokens.",
        "type": "invalid_request_error",
        "code": "context_length_exceeded",
    }
}


class Engine(BaseHTTPRequestHandler):
    """Answers, refuses what is `too long`, and has `hold` wait until the test is over."""

    over = threading.Event()

    def do_GET(self) -> None:
        self._say(200, {"object": "list", "data": [{"id": "model"}]})

    def do_POST(self) -> None:
        asked = self.rfile.read(int(self.headers["content-length"])).decode()
        if "hold" in asked:
            self.over.wait()
        if "too long" in asked:
            self._say(400, REFUSAL)
        else:
            message = {"role": "assistant", "content": "5"}
            self._say(200, {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}], "usage": USAGE})

    def _say(self, status: int, value: dict[str, Any]) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture
def engine() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Engine)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    Engine.over.set()
    server.shutdown()
    server.server_close()


@pytest.fixture
def platform(engine: str, tmp_path: Path) -> Iterator[Platform]:
    with up(tmp_path / "home") as running:
        made = running.post("/v1/deployments/adopt", {"url": engine, "name": "adder"})
        eventually(lambda: running.get(f"/v1/deployments/{made['id']}")["status"] == "serving")
        yield running


@pytest.fixture
def chromium() -> Iterator[Browser]:
    with browser() as opened:
        yield opened


def line(custom_id: str, content: str, url: str = "/v1/chat/completions") -> str:
    body = {"model": "adder", "messages": [{"role": "user", "content": content}]}
    return json.dumps({"custom_id": custom_id, "method": "POST", "url": url, "body": body})


def written(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n")
    return path


def choose(page: Page, path: Path) -> Locator:
    """Choose a file for a new batch; return the dialog."""
    page.goto(re.sub(r"(//[^/]+).*", r"\1/batches?new=true", page.url))
    page.get_by_label("File to upload").set_input_files(path)
    return page.get_by_role("dialog", name="New batch")


def start(page: Page, path: Path) -> str:
    """Begin a batch of a file that is well formed; return the id."""
    dialog = choose(page, path)
    expect(dialog.get_by_text("well formed")).to_be_visible()
    dialog.get_by_role("button", name="Start the batch").click()
    expect(page).to_have_url(re.compile(r"/batches/batch_\w+"))
    return page.url.rpartition("/")[2]


def test_a_batch_from_the_file_to_its_answers(platform: Platform, chromium: Browser, tmp_path: Path) -> None:
    visitor = Visitor.of(chromium, platform.url)
    page = visitor.page
    visitor.go("/sign-in")
    page.get_by_role("tab", name="API key").click()
    page.get_by_placeholder("vk_…").fill(platform.key)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", level=1, name="Home")).to_be_visible()

    wrong = choose(page, written(tmp_path / "wrong.jsonl", line("a", "1+1"), line("a", "1+2", "/v1/nothing"), "{"))
    problems = wrong.get_by_role("list", name="Problems by line").get_by_role("listitem")
    expect(problems).to_have_count(3)
    expect(problems.nth(0)).to_contain_text("""'custom_id' "a" is also that of line 1""")
    assert violations(page) == []

    lines = [line(f"row-{number}", "too long" if number % 10 == 0 else "2+3") for number in range(1, 31)]
    batch = start(page, written(tmp_path / "sums.jsonl", *lines))
    main = page.get_by_role("main")
    expect(main.get_by_text("Completed", exact=True).first).to_be_visible()
    expect(main.get_by_text("30 of 30 lines", exact=True)).to_be_visible()
    rows = page.get_by_role("table", name="Lines and what became of them").locator("tbody tr")
    expect(rows).to_have_count(30)
    page.get_by_role("button", name=re.compile("^Longer than the model reads")).click()
    expect(page).to_have_url(re.compile("code=context_length_exceeded"))
    expect(rows).to_have_count(3)
    assert violations(page) == []
    assert overflow(page) == 0
    with page.expect_download() as fetched:
        page.get_by_role("link", name="Download the output").click()
    answers = [json.loads(row)["custom_id"] for row in fetched.value.path().read_text().splitlines()]
    assert answers == [f"row-{number}" for number in range(1, 31) if number % 10]

    page.get_by_role("button", name="Retry 3 failed lines").click()
    expect(page).not_to_have_url(re.compile(batch))
    expect(main.get_by_text("3 of 3 lines", exact=True)).to_be_visible()

    start(page, written(tmp_path / "held.jsonl", line("now", "2+3"), line("later", "hold")))
    expect(main.get_by_text("1 of 2 lines", exact=True)).to_be_visible()
    page.get_by_role("button", name="Cancel", exact=True).click()
    asks = page.get_by_role("alertdialog")
    expect(asks).to_contain_text("The 1 answer so far is kept")
    asks.get_by_role("button", name="Cancel the batch").click()
    expect(main.get_by_text("Cancelled", exact=True).first).to_be_visible()
    expect(main.get_by_text("1 of 2 lines answered", exact=True)).to_be_visible()

    page.get_by_role("link", name="Batches").first.click()
    expect(page.get_by_role("table", name="Batches").locator("tbody tr")).to_have_count(3)
    page.get_by_role("tab", name="Files").click()
    expect(page.get_by_role("table", name="Files").get_by_text("sums.jsonl", exact=True)).to_be_visible()
    assert visitor.complaints == []
    visitor.close()
