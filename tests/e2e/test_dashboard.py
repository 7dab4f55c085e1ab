"""The dashboard as a person uses it, in a real Chromium, against a real platform on which a tiny model really trains."""

import json
import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest
from playwright.sync_api import Browser, Page, WebSocketRoute, expect

from tests.e2e.browser import PATIENCE_MS, Visitor, browser
from tests.e2e.conftest import HYPERPARAMETERS, Running, started
from tests.running import BIN, eventually

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]
EXAMPLES = Path(__file__).parents[2] / "examples" / "quick"
SCREENS = Path(__file__).parents[2] / "docs" / "screens"
# Training and the start of an engine take their time on a busy machine.
LONG_MS = 180_000
STEPS = 80
expect.set_options(timeout=PATIENCE_MS)
RANGE = re.compile(r"step 1 to (\d+)")


@dataclass
class World:
    """A platform, a Chromium, and what the tests have made there."""

    running: Running
    chromium: Browser
    account: str = "operator"
    made: dict[str, str] = field(default_factory=dict)

    def visitor(self, **options: Any) -> Visitor:
        return Visitor.of(self.chromium, self.running.url, **options)

    def link(self) -> str:
        """Return a link that signs in once."""
        env = {**os.environ, "BURNISH_HOME": str(self.running.home)}
        command: list[str | Path] = [BIN / "burnish", "accounts", "link", self.account, "--json"]
        said = subprocess.run(command, env=env, check=True, capture_output=True, text=True)
        url: str = json.loads(said.stdout)["url"]
        return url


@pytest.fixture(scope="module")
def world(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with started(tmp_path_factory.mktemp("dashboard"), tiny_model) as running, browser() as chromium:
        yield World(running, chromium)


def sign_in(visitor: Visitor, link: str) -> None:
    visitor.page.goto(link)
    expect(visitor.page).to_have_url(f"{visitor.url}/sign-in")
    visitor.page.get_by_role("button", name="Sign in").click()


def last_step(page: Page) -> int:
    """Return up to which step the chart of the reward goes, as it tells those who do not see it."""
    chart = page.get_by_role("img", name=re.compile(r"^Reward\. "))
    found = RANGE.search(chart.get_attribute("aria-label") or "") if chart.count() else None
    return int(found[1]) if found else 0


class Wire:
    """The page's websocket, which a test may cut."""

    def __init__(self, page: Page) -> None:
        self.opened: list[WebSocketRoute] = []
        page.route_web_socket(re.compile("/graphql$"), self._open)

    def _open(self, route: WebSocketRoute) -> None:
        route.connect_to_server()
        self.opened.append(route)

    def cut(self) -> None:
        self.opened[-1].close(code=1012, reason="cut by the test")


def test_a_day_at_the_dashboard(world: World) -> None:
    visitor = world.visitor()
    page = visitor.page
    wire = Wire(page)

    sign_in(visitor, world.link())
    page.get_by_label("New password").fill("correct horse battery")
    page.get_by_label("Once more").fill("correct horse battery")
    page.get_by_role("button", name="Set the password").click()
    expect(page.get_by_role("heading", level=1, name="Home")).to_be_visible()

    upload_a_dataset(page)
    try_a_reward(page)
    create_a_job(page)
    watch_it_learn(page, wire, world)
    open_a_rollout(page)
    cancel_another(page, world)
    deploy_it(page, world)
    chat_with_it(page)
    revoke_a_key(page, world)

    page.get_by_role("button", name=re.compile("^Account")).click()
    page.get_by_role("menuitem", name="Sign out").click()
    page.locator("input[name=account]").fill(world.account)
    page.locator("input[name=password]").fill("correct horse battery")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", level=1, name="Home")).to_be_visible()
    assert visitor.complaints == []
    visitor.close()


def upload_a_dataset(page: Page) -> None:
    page.get_by_role("link", name="Datasets").first.click()
    page.get_by_role("button", name="Upload").first.click()
    page.get_by_label("File to upload").set_input_files(EXAMPLES / "prompts.jsonl")
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name").fill("additions")
    dialog.get_by_role("button", name="Upload").click()
    expect(page.get_by_role("heading", level=1, name="additions")).to_be_visible()


def try_a_reward(page: Page) -> None:
    page.get_by_role("link", name="Rewards").first.click()
    page.get_by_role("link", name="Playground", exact=True).click()
    # Another one than it opens with: that it is chosen is seen, and it is chosen before it is run.
    page.get_by_label("Begin with").select_option(label="Numeric answer")
    expect(page.get_by_label("Begin with")).to_have_value("numeric")
    page.get_by_label("Begin with").select_option(label="Exact match")
    expect(page.get_by_label("Begin with")).to_have_value("exact_match")
    expect(page.get_by_text("not run").first).to_be_visible()
    page.get_by_role("button", name="Run").click()
    expect(page.get_by_text("Mean reward")).to_be_visible()
    expect(page.get_by_text("not run")).to_have_count(0)
    page.get_by_role("button", name="Save as new").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name").fill("exact")
    dialog.get_by_role("button", name="Save").click()
    expect(page.get_by_role("heading", level=1, name="exact", exact=True)).to_be_visible()


def create_a_job(page: Page) -> None:
    page.get_by_role("link", name="Train with it").click()
    page.get_by_role("list", name="Datasets").get_by_role("button", name=re.compile("additions")).click()
    page.get_by_label("Base model").fill("tiny")
    for name, value in (HYPERPARAMETERS | {"max_steps": STEPS}).items():
        page.get_by_label("Search the hyperparameters").fill(name)
        page.get_by_label(name, exact=True).fill(str(value))
    page.get_by_role("radio", name=re.compile("^L4 ")).check()
    page.get_by_label("Name of the trained model").fill("adder")
    start = page.get_by_role("button", name="Start training")
    expect(start).to_be_enabled()
    page.keyboard.press("Control+Enter")
    expect(page).to_have_url(re.compile(r"/jobs/job_\w+"))


def watch_it_learn(page: Page, wire: Wire, world: World) -> None:
    """The curve grows by itself, goes on where it was after the websocket was cut, and is whole at the end."""
    job_id = page.url.partition("/jobs/")[2].partition("?")[0]
    world.made["job"] = job_id
    eventually(lambda: last_step(page) >= 5, LONG_MS / 1000)
    sockets = len(wire.opened)
    wire.cut()
    before = last_step(page)
    # Past where it was, or at the end, where a busy machine drew nothing until then.
    eventually(lambda: last_step(page) > min(before, STEPS - 1), LONG_MS / 1000)
    eventually(lambda: len(wire.opened) > sockets)
    expect(page.get_by_role("main").get_by_text("Completed", exact=True).first).to_be_visible(timeout=LONG_MS)
    eventually(lambda: last_step(page) == STEPS)
    page.get_by_role("tab", name="Events").click()
    told = page.get_by_role("list", name=re.compile("^Events")).get_by_role("listitem")
    # Of a job that has just ended the last ones may still be on their way, to the log and to the page.
    eventually(lambda: told.count() == len(world.running.get(f"/v1/training_jobs/{job_id}/events")["items"]) > 0)


def open_a_rollout(page: Page) -> None:
    page.get_by_role("tab", name="Rollouts").click()
    expect(page.get_by_role("article", name="Completion 1", exact=True)).to_be_visible()
    page.get_by_role("button", name="Step before").click()
    expect(page).to_have_url(re.compile(f"[?&]step={STEPS - 1}\\b"))
    page.get_by_role("button", name="Open Completion 1", exact=True).click()
    expect(page.get_by_role("button", name="Worse completion")).to_be_visible()
    page.keyboard.press("Escape")


def cancel_another(page: Page, world: World) -> None:
    page.get_by_role("button", name="More actions").click()
    page.get_by_role("menuitem", name="Clone").click()
    page.get_by_label("Name of the trained model").fill("another")
    expect(page.get_by_role("button", name="Start training")).to_be_enabled()
    page.get_by_role("button", name="Start training").click()
    expect(page.get_by_role("heading", level=1, name="another")).to_be_visible()
    page.get_by_role("button", name="Cancel", exact=True).click()
    page.get_by_role("alertdialog").get_by_role("button", name="Cancel the job").click()
    expect(page.get_by_role("main").get_by_text("Cancelled", exact=True).first).to_be_visible()
    another = page.url.partition("/jobs/")[2].partition("?")[0]
    eventually(lambda: world.running.job(another)["status"] == "cancelled")


def deploy_it(page: Page, world: World) -> None:
    page.goto(f"{world.running.url}/jobs/{world.made['job']}")
    page.get_by_role("button", name="Deploy", exact=True).click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Hardware").select_option("L4-24GB")
    dialog.get_by_role("button", name="Deploy").click()
    expect(page).to_have_url(re.compile(r"/deployments/dep_\w+"))
    world.made["deployment"] = page.url.partition("/deployments/")[2].partition("?")[0]
    expect(page.get_by_role("main").get_by_text("Serving", exact=True).first).to_be_visible(timeout=LONG_MS)


def chat_with_it(page: Page) -> None:
    page.get_by_role("main").get_by_role("link", name="Chat").click()
    # Of what it has learned, the likeliest answer: drawn ones are now and then another.
    page.get_by_role("button", name="Settings", exact=True).click()
    page.get_by_label("Temperature", exact=True).fill("0")
    page.get_by_label("Message", exact=True).fill("2+3")
    page.get_by_label("Message", exact=True).press("Enter")
    log = page.get_by_role("log", name=re.compile("^Conversation with"))
    expect(log.get_by_text("5", exact=True)).to_be_visible()
    expect(log.get_by_text("ms to first token")).to_be_visible()


def revoke_a_key(page: Page, world: World) -> None:
    page.get_by_role("link", name="Settings").click()
    page.get_by_role("tab", name="API keys").click()
    page.get_by_role("button", name="New key").first.click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name").fill("ci")
    dialog.get_by_role("button", name="Make the key").click()
    secret = dialog.get_by_label("the key", exact=True).inner_text()
    dialog.get_by_role("button", name="I have kept it").click()
    headers = {"Authorization": f"Bearer {secret}"}
    assert httpx2.get(f"{world.running.url}/v1/me", headers=headers).status_code == 200
    page.get_by_role("button", name="Revoke ci", exact=True).click()
    page.get_by_role("alertdialog").get_by_role("button", name="Revoke it").click()
    # What lies under an open dialog has no role: its button is gone only when the dialog is, too.
    expect(page.get_by_role("alertdialog")).to_have_count(0)
    expect(page.get_by_role("button", name="Revoke ci", exact=True)).to_have_count(0)
    assert httpx2.get(f"{world.running.url}/v1/me", headers=headers).status_code == 401
