"""The screens of evals in a real Chromium, over runs whose rows are written by hand."""

import json
import os
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from burnish.kit import clock
from tests.e2e.browser import Visitor, browser, overflow, violations
from tests.running import BIN, Platform, up

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]
ROWS = 8
RUNS = {"run_01m8nma799f8h9sqj6nhzj1tm1": ("before", 4), "run_01m8nma799f8h9sqj6nhzj1tm2": ("after", 7)}
expect.set_options(timeout=10_000)


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    with up(tmp_path_factory.mktemp("evals")) as running:
        rows = "".join(json.dumps({"prompt": f"{row}+1", "answer": str(row + 1)}) + "\n" for row in range(ROWS))
        sent = running.client.post("/v1/datasets", data={"name": "sums"}, files={"file": ("sums.jsonl", rows.encode())})
        assert sent.is_success, sent.text
        yield running


def write_runs(home: Path, eval_id: str) -> None:
    """Two runs that have completed: the first has the first four rows right, the second all but one."""
    with sqlite3.connect(home / "burnish.db", timeout=30) as database:
        (account,) = database.execute("SELECT account_id FROM eval WHERE id = ?", (eval_id,)).fetchone()
        for order, (run, (model, right)) in enumerate(RUNS.items()):
            at = clock.to_micros(clock.now()) + order
            figures = {"mean": right / ROWS, "ci_low": right / ROWS - 0.2, "ci_high": min(1.0, right / ROWS + 0.2)}
            results = {
                "score": {**figures, "items": ROWS},
                "scorers": {"exact-match": {**figures, "scored": ROWS, "errors": 0}},
                "pass_at_k": {"1": right / ROWS},
                "samples": 1,
                "answered": ROWS,
                "unanswered": 0,
                "errors": {},
                "latency_ms": {"p50": 12.5, "p95": 12.5},
            }
            insert(
                database,
                "eval_run",
                id=run,
                account_id=account,
                eval_id=eval_id,
                status="completed",
                model=model,
                owns_deployment=0,
                samples=1,
                total=ROWS,
                processed=ROWS,
                results=json.dumps(results),
                prompt_tokens=80,
                completion_tokens=16,
                cost_nanos=1_000_000,
                attempt=1,
                created_at=at,
                updated_at=at,
                started_at=at,
                completed_at=at,
            )
            for row in range(ROWS):
                score = float(row < right)
                output = str(row + 1) if score else "no idea"
                insert(
                    database,
                    "eval_item",
                    run_id=run,
                    item_index=row,
                    sample=0,
                    input=json.dumps([{"role": "user", "content": f"{row}+1"}]),
                    output=output,
                    label=str(row + 1),
                    scores=json.dumps({"exact-match": score}),
                    score=score,
                    latency_ms=12.5,
                    prompt_tokens=10,
                    completion_tokens=2,
                    finish_reason="stop",
                )


def insert(database: sqlite3.Connection, table: str, **values: Any) -> None:
    names = [row[1] for row in database.execute(f"PRAGMA table_info({table})")]
    needed = {row[1]: 0 for row in database.execute(f"PRAGMA table_info({table})") if row[3] and row[4] is None}
    values = {name: value for name, value in (needed | values).items() if name in names}
    marks = ", ".join("?" for _ in values)
    database.execute(f"INSERT INTO {table} ({', '.join(values)}) VALUES ({marks})", tuple(values.values()))


def clean(page: Page, name: str) -> None:
    if pictures := os.environ.get("EVAL_PICTURES"):
        page.screenshot(path=f"{pictures}/{name}.png", full_page=True)
    assert violations(page) == []
    assert overflow(page) == 0


def test_an_eval_from_its_making_to_a_comparison(platform: Platform) -> None:
    said = subprocess.run(
        [BIN / "burnish", "accounts", "link", "operator", "--json"], env=dict(platform.env), check=True, capture_output=True
    )
    with browser() as opened:
        visitor = Visitor.of(opened, platform.url)
        page = visitor.page
        page.goto(json.loads(said.stdout)["url"])
        page.get_by_role("button", name="Sign in").click()
        page.get_by_role("button", name="Later").click()
        expect(page.get_by_role("heading", level=1, name="Home")).to_be_visible()
        visitor.go("/evals")
        expect(page.get_by_text("No evals yet")).to_be_visible()
        expect(page.get_by_role("alert")).to_have_count(0)
        page.keyboard.press("c")
        page.get_by_label("Name", exact=True).fill("adding one")
        page.get_by_label("Scorer 1", exact=True).select_option("regex")
        page.get_by_label("Pattern").fill("(")
        page.get_by_role("button", name="Create the eval").click()
        expect(page.get_by_role("group", name="Scorer 1").get_by_role("alert")).to_be_visible()
        clean(page, "new")
        page.get_by_label("Scorer 1", exact=True).select_option("exact-match")
        page.get_by_role("button", name="Create the eval").click()
        expect(page.get_by_role("dialog", name="Start a run")).to_be_visible()
        clean(page, "start")
        page.keyboard.press("Escape")
        eval_id = page.url.split("/evals/")[1].split("?")[0]

        write_runs(platform.home, eval_id)
        page.reload()
        expect(page.get_by_role("link", name="after")).to_be_visible()
        clean(page, "eval")
        for mark in page.get_by_role("checkbox").all():
            mark.check()
        page.get_by_role("button", name="Compare the two").click()
        expect(page.get_by_text("+0.375").first).to_be_visible()
        changed = page.get_by_role("table").get_by_role("row")
        expect(changed).to_have_count(1 + 3)
        clean(page, "compare")
        changed.nth(1).click()
        expect(page.get_by_role("dialog").get_by_text("no idea")).to_be_visible()
        clean(page, "compared-row")

        visitor.go("/evals/runs/" + next(iter(RUNS)))
        expect(page.get_by_role("cell", name="no idea")).to_have_count(4)
        expect(page.get_by_role("alert")).to_have_count(0)
        clean(page, "run")
        page.emulate_media(color_scheme="dark")
        page.set_viewport_size({"width": 360, "height": 800})
        clean(page, "run-dark-360")
        visitor.go(f"/evals/{eval_id}")
        expect(page.get_by_role("link", name="after")).to_be_visible()
        clean(page, "eval-dark-360")
        visitor.go("/evals")
        expect(page.get_by_role("link", name="adding one")).to_be_visible()
        clean(page, "evals-dark-360")
        assert visitor.complaints == []
