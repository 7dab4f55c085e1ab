"""The screens of every method of training in a real Chromium, over jobs whose rows are written through the database."""

import asyncio
import itertools
import json
import os
import re
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect
from sqlmodel import select

from burnish.kit import clock, stream
from burnish.kit.db import Database, Session
from models.account import Account
from models.dataset import Dataset
from models.job import Checkpoint, Job
from tests.e2e.browser import Visitor, browser, overflow, violations
from tests.engines.training.video import clips
from tests.running import BIN, Platform, up

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]
STEPS = 12
SFT, DPO, VIDEO, ACTING = (f"job_01m8nma799f8h9sqj6nhzj1tm{n}" for n in range(1, 5))
MIB = 2**20


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    with up(tmp_path_factory.mktemp("methods")) as running:
        rows = "".join(json.dumps({"prompt": f"{row}+1", "completion": str(row + 1)}) + "\n" for row in range(8))
        sent = running.client.post("/v1/datasets", data={"name": "sums"}, files={"file": ("sums.jsonl", rows.encode())})
        assert sent.is_success, sent.text
        asyncio.run(write_jobs(running.home))
        yield running


def completion(**more: Any) -> dict[str, Any]:
    plain: dict[str, Any] = {
        "text": "",
        "reward": None,
        "components": {},
        "advantage": None,
        "tokens": 9,
        "truncated": False,
        "score_error": None,
    }
    return plain | more


def acted() -> dict[str, Any]:
    call = {"type": "function", "function": {"name": "count", "arguments": '{"of": "apples"}'}}
    messages = [
        {"role": "user", "content": "How many are left?"},
        {"role": "assistant", "content": "", "tool_calls": [call]},
        {"role": "tool", "name": "count", "content": "seven", "reward": 0.25, "finished": False},
        {"role": "assistant", "content": "There are seven."},
        {"role": "tool", "name": "answer", "content": "right", "reward": 0.75, "finished": True},
    ]
    return completion(text="There are seven.", reward=1.0, components={"me/shop": 1.0}, advantage=1.0, messages=messages)


def rollouts(account_id: str, job_id: str) -> list[dict[str, Any]]:
    """A silent conversation beside one that acts, or two prompts' clips at the start, in the middle and at the end."""
    if job_id == ACTING:
        prompt = [{"role": "user", "content": "How many are left?"}]
        idle = completion(
            text="No idea.",
            reward=0.0,
            components={"me/shop": 0.0},
            advantage=-1.0,
            messages=[*prompt, {"role": "assistant", "content": "No idea."}],
        )
        return [{"step": STEPS, "groups": [{"dataset_row": 0, "prompt": prompt, "completions": [acted(), idle], "weights": {}}]}]
    if job_id != VIDEO:
        return []
    return [
        {
            "step": step,
            "groups": [
                {
                    "dataset_row": row,
                    "prompt": caption,
                    "completions": [completion(media=f"{account_id}/{VIDEO}/1/media/{step}-{row}.mp4")],
                    "weights": {},
                }
                for row, caption in enumerate(("A red ball bounces.", "Rain on a window."))
            ],
        }
        for step in (0, 6, STEPS)
    ]


def metrics(job_id: str, step: int) -> dict[str, float]:
    shared = {"loss": 2.0 / step, "grad_norm": 1.0, "learning_rate": 1e-5, "step_time": 2.0}
    held_out = {"eval_loss": [0.9, 0.5, 0.8][step // 5]} if step % 5 == 0 or step == STEPS else {}
    answers = {"rewards/chosen": -2.0, "rewards/rejected": -3.0}
    of: dict[str, dict[str, float]] = {
        SFT: {"mean_token_accuracy": step / STEPS, "num_tokens": 100.0 * step, **held_out},
        DPO: {"rewards/margins": step / 10, "rewards/accuracies": 0.75, **answers, **held_out},
        VIDEO: {},
        ACTING: {"reward": 0.5, "tools/call_frequency": 1.5, "tools/failure_frequency": 0.0},
    }
    return shared | of[job_id]


async def write_jobs(home: Path) -> None:
    database = Database(f"sqlite+aiosqlite:///{home / 'burnish.db'}")
    try:
        async with database.transaction() as session:
            account = (await session.exec(select(Account))).first()
            dataset = (await session.exec(select(Dataset))).first()
            assert account is not None and dataset is not None
            for job_id, method in ((SFT, "sft"), (DPO, "dpo"), (VIDEO, "sft_video_gen"), (ACTING, "grpo")):
                await write_job(session, account.id, dataset.id, job_id, method)
        media = home / "storage" / account.id / VIDEO / "1" / "media"
        media.mkdir(parents=True)
        for number, (step, row) in enumerate(itertools.product((0, 6, STEPS), range(2))):
            (media / f"{step}-{row}.mp4").write_bytes(clips.clip(25, 64, 96, number=number))
    finally:
        await database.dispose()


async def write_job(session: Session, account_id: str, dataset_id: str, job_id: str, method: str) -> None:
    now = clock.now()
    parts = [{"name": "weights", "bytes": 300 * MIB}, {"name": "activations", "bytes": 100 * MIB}]
    estimate = {"total_bytes": 400 * MIB, "parts": parts, "available_bytes": 1024 * MIB, "fits": True, "basis": "its own files"}
    told = [{"step": step, "values": metrics(job_id, step)} for step in range(1, STEPS + 1)]
    row = Job(
        id=job_id,
        account_id=account_id,
        status="completed",
        method=method,
        base_model="tiny",
        dataset_id=dataset_id,
        output_name=f"by-{method}",
        hyperparameters={"max_steps": STEPS, "lora_rank": 8},
        hyperparameters_defaulted=[],
        gpu_requested={"type": "CPU", "count": 1},
        gpu={"type": "CPU", "count": 1},
        provider="local",
        checkpoint_destination={"type": "veri"},
        environments={"me/shop": {"splits": ["train"]}} if job_id == ACTING else None,
        memory_estimate={**estimate, "advice": None},
        peak_memory_bytes=500 * MIB,
        best_step=5,
        attempt=1,
        current_step=STEPS,
        total_steps=STEPS,
        created_at=now,
        updated_at=now,
        started_at=now,
        completed_at=now + timedelta(seconds=24),
    )
    row.take_metrics(told)
    session.add(row)
    await session.flush()
    for step, score in ((5, 0.5), (10, 0.8)):
        saved = Checkpoint(
            id=f"ckpt_01m8nma799f8h9sqj6nhzj{job_id[-1]}{step:03d}",
            job_id=job_id,
            account_id=account_id,
            attempt=1,
            step=step,
            final=False,
            storage_prefix=f"none/{job_id}/{step}",
            file_count=1,
            size_bytes=MIB,
            checksums={"model.safetensors": "ab" * 32},
            score=score,
            created_at=now,
        )
        session.add(saved)
    await stream.append(session, job_id, "metrics", told, attempt=1)
    await stream.append(session, job_id, "rollouts", rollouts(account_id, job_id), attempt=1)
    await stream.end(session, job_id, ("metrics", "rollouts", "logs", "events"), "completed")


def clean(page: Page, name: str) -> None:
    # What is being asked for anew is pale for as long.
    expect(page.locator("[aria-busy=true]")).to_have_count(0)
    if pictures := os.environ.get("METHOD_PICTURES"):
        for scheme, width in itertools.product(("light", "dark"), (1440, 360)):
            page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            page.set_viewport_size({"width": width, "height": 900})
            page.screenshot(path=f"{pictures}/{name}-{scheme}-{width}.png", full_page=True)
        page.emulate_media(color_scheme="light")
        page.set_viewport_size({"width": 1440, "height": 900})
    assert violations(page) == []
    assert overflow(page) == 0


@pytest.fixture(scope="module")
def visitor(platform: Platform) -> Iterator[Visitor]:
    said = subprocess.run(
        [BIN / "burnish", "accounts", "link", "operator", "--json"], env=dict(platform.env), check=True, capture_output=True
    )
    with browser() as opened:
        somebody = Visitor.of(opened, platform.url)
        somebody.page.goto(json.loads(said.stdout)["url"])
        somebody.page.get_by_role("button", name="Sign in").click()
        somebody.page.get_by_role("button", name="Later").click()
        expect(somebody.page.get_by_role("heading", level=1, name="Home")).to_be_visible()
        yield somebody


@pytest.mark.parametrize(
    ("job_id", "sections", "warning"),
    [
        (SFT, ["Learning", "Stability", "Speed"], "the rows are learned by heart"),
        (DPO, ["Preference", "Chosen and rejected", "Stability", "Speed"], "The chosen answers lose too"),
        (VIDEO, ["Learning", "Speed"], None),
    ],
)
def test_an_overview_has_the_sections_of_its_method(
    visitor: Visitor, job_id: str, sections: list[str], warning: str | None
) -> None:
    page = visitor.page
    visitor.go(f"/jobs/{job_id}")
    for section in sections:
        expect(page.get_by_role("heading", level=2, name=section, exact=True)).to_be_visible()
    expect(page.get_by_role("heading", level=2, name="Reward health")).to_have_count(0)
    if warning is not None:
        expect(page.get_by_text(warning)).to_be_visible()
    expect(page.get_by_role("tab", name="Rollouts")).to_have_count(1 if job_id == VIDEO else 0)
    clean(page, f"overview-{job_id[-1]}")


def test_a_rollout_in_an_environment_reads_as_a_conversation(visitor: Visitor) -> None:
    page = visitor.page
    visitor.go(f"/jobs/{ACTING}?tab=rollouts")
    first = page.get_by_role("article", name="Completion 1")
    for words in ("apples", "seven", "reward 0.25", "reward 0.75", "finished", "There are seven."):
        expect(first.get_by_text(words, exact=True)).to_be_visible()
    expect(page.get_by_role("article", name="Completion 2").get_by_text("no call")).to_be_visible()
    expect(page.get_by_role("button", name="To the playground")).to_have_count(0)
    clean(page, "conversation")


def test_clips_stand_by_prompt_and_step_and_are_held_against_the_start(visitor: Visitor) -> None:
    page = visitor.page
    visitor.go(f"/jobs/{VIDEO}?tab=rollouts")
    expect(page.get_by_role("button", name=re.compile("^Compare "))).to_have_count(6)
    page.get_by_role("button", name="Compare step 12 of Rain on a window.").click()
    compared = page.get_by_role("region", name="Compared")
    expect(compared.get_by_label("Step on the left")).to_have_value("0")
    expect(compared.get_by_label("Step on the right")).to_have_value("12")
    page.keyboard.press("ArrowLeft")
    expect(compared.get_by_label("Step on the right")).to_have_value("6")
    # They are fetched and decoded, stand still for a reader who asked for less motion, and run when told to.
    ready = "() => [...document.querySelectorAll('video')].every((clip) => clip.readyState >= 2 && clip.videoWidth === 96)"
    page.wait_for_function(ready)
    assert page.evaluate("document.querySelectorAll('video').length") == 8
    page.get_by_role("button", name="Play all").click()
    page.wait_for_function("() => [...document.querySelectorAll('video')].some((clip) => clip.currentTime > 0)")
    page.get_by_role("button", name="Stop all").click()
    clean(page, "clips")


def test_checkpoints_show_their_scores_and_memory_is_beside_its_estimate(visitor: Visitor) -> None:
    page = visitor.page
    visitor.go(f"/jobs/{SFT}?tab=checkpoints")
    best = page.get_by_role("row", name=re.compile("Best"))
    expect(best).to_have_count(1)
    expect(best).to_contain_text("0.5")
    clean(page, "checkpoints")
    visitor.go(f"/jobs/{SFT}?tab=config")
    expect(page.get_by_text("500 MiB measured at the peak, 125 % of the estimate.")).to_be_visible()
    clean(page, "memory")


def test_a_new_job_asks_for_what_its_method_takes(visitor: Visitor) -> None:
    page = visitor.page
    visitor.go("/jobs/new")
    expect(page.get_by_role("heading", level=2, name=re.compile("^Reward"))).to_be_visible()
    page.get_by_role("radio", name="Environments", exact=True).check()
    expect(page.get_by_text("Environments need your key for OpenReward")).to_be_visible()
    clean(page, "new-environments")
    page.get_by_role("radio", name=re.compile("^DPO")).check()
    expect(page.get_by_role("heading", level=2, name=re.compile("^Reward"))).to_have_count(0)
    expect(page.get_by_text("Rows of two answers, of which one is preferred.")).to_be_visible()
    expect(page.get_by_label("beta", exact=True)).to_have_count(1)
    clean(page, "new-dpo")
