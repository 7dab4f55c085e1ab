"""Evals as the published `veri-sdk` 0.2.9 and its command line use them, with a real host process and an engine that answers."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Server, Tenant
from tests.contract.conftest import DEADLINE_S
from tests.contract.published import Published, Refused
from tests.rest_compat.replica import Replica

pytestmark = pytest.mark.anyio
# The engine says "four it is" to whatever it takes, and refuses the last.
ASKED = [("2+2?", "four it is"), ("1+1?", "two"), ("3+1?", "four it is"), ("too long", "four it is")]
EXACT = {"type": "exact-match", "weight": 1.0}
SCORERS = [EXACT, {"type": "regex", "pattern": "^four", "weight": 0.5}]
THIRD = 1 / 3
REFUSED = "context_length_exceeded"


@pytest.fixture
async def veri(server: Server, operator: Tenant, tmp_path: Path) -> AsyncIterator[Published]:
    """The SDK with the operator's key, whose command line is logged in."""
    home = tmp_path / "user"
    home.mkdir()
    client = Published("0.2.9", server.url, operator.key, home)
    await client.cli("login", "--token", client.key, "--url", client.url)
    yield client
    client.close()


@pytest.fixture
async def dataset_id(veri: Published, tmp_path: Path) -> str:
    path = tmp_path / "sums.jsonl"
    path.write_text("".join(json.dumps({"prompt": prompt, "answer": answer}) + "\n" for prompt, answer in ASKED))
    found: str = (await veri.sdk("datasets.upload", str(path)))["id"]
    return found


async def waited(veri: Published, eval_id: str, run_id: str) -> Any:
    return await veri.sdk("evals.runs.wait", eval_id, run_id, poll_interval=0.1, timeout=DEADLINE_S)


async def test_evals(veri: Published, dataset_id: str, engine: Replica, tmp_path: Path) -> None:
    """All in one: a host takes its time to start."""
    await a_run_completes_with_its_figures_and_its_items(veri, dataset_id, engine)
    await the_command_line_shows_the_same(veri, dataset_id, tmp_path)
    await what_cannot_be_is_refused(veri, dataset_id)
    await several_answers_a_row_and_a_cancelled_run(veri, dataset_id, engine)


async def a_run_completes_with_its_figures_and_its_items(veri: Published, dataset_id: str, engine: Replica) -> None:
    made = await veri.sdk("evals.create", "sums", dataset_id, SCORERS, generation_params={"temperature": 0.5, "max_tokens": 8})
    assert made == {
        "id": made["id"],
        "name": "sums",
        "dataset_id": dataset_id,
        "scorers": SCORERS,
        "created_at": made["created_at"],
    }
    assert await veri.sdk("evals.get", made["id"]) == made
    other = await veri.sdk("evals.create", "other", dataset_id, [EXACT])
    assert await veri.sdk("evals.list", limit=1) == [other]
    assert await veri.sdk("evals.list", after=other["id"]) == [made]
    run = await veri.sdk("evals.runs.create", made["id"], "sums", generation_params={"temperature": 1, "seed": 7})
    assert (run["eval_id"], run["model"], run["status"], run["total_items"]) == (made["id"], "sums", "queued", 4)
    done = await waited(veri, made["id"], run["id"])
    assert (done["status"], done["error_message"]) == ("completed", None)
    assert (done["processed_items"], done["total_items"]) == (4, 4)
    assert await veri.sdk("evals.runs.get", made["id"], run["id"]) == done
    # Whoever is asked got what the eval says, under what the run says of its own.
    bodies = sorted((body for body in engine.seen), key=lambda body: body["messages"][-1]["content"])
    assert [body["messages"] for body in bodies] == [
        [{"role": "user", "content": text}] for text in sorted(prompt for prompt, _ in ASKED)
    ]
    asked_with = {"temperature": 1, "max_tokens": 8, "seed": 7}.items()
    assert all(asked_with <= body.items() for body in bodies)
    results = done["results"]
    latencies = results.pop("latency_ms")
    assert 0 < latencies["p50"] <= latencies["p95"]
    mean, margin = (1 + THIRD + 1) / 3, 4.302653 * (2 / 9)
    assert results.pop("score") == pytest.approx(
        {"mean": mean, "ci_low": mean - margin, "ci_high": mean + margin, "items": 3}, abs=1e-4
    )
    exact = results["scorers"].pop("exact-match")
    assert exact == pytest.approx(
        {"mean": 2 / 3, "ci_low": 2 / 3 - margin * 1.5, "ci_high": 2 / 3 + margin * 1.5, "scored": 3, "errors": 0}, abs=1e-4
    )
    assert results == {
        "scorers": {"regex": {"mean": 1.0, "ci_low": 1.0, "ci_high": 1.0, "scored": 3, "errors": 0}},
        "pass_at_k": {"1": pytest.approx(2 / 3)},
        "samples": 1,
        "answered": 3,
        "unanswered": 1,
        "errors": {REFUSED: 1},
        "usage": {"prompt_tokens": 9, "completion_tokens": 6},
        "cost_usd": 0.0,
    }
    items = await veri.sdk("evals.runs.items", made["id"], run["id"])
    assert all(item.pop("latency_ms") > 0 for item in items[:3])
    shown = [
        {"id": f"{run['id']}-{index}-0", "run_id": run["id"], "item_index": index, "input": prompt, "label": label}
        for index, (prompt, label) in enumerate(ASKED)
    ]
    said = [("four it is", (1.0, 1.0)), ("four it is", (0.0, 1.0)), ("four it is", (1.0, 1.0)), ("", (None, None))]
    assert [{**item, "latency_ms": None} for item in items] == [
        {**one, "output": output, "scores": {"exact-match": exact, "regex": regex}, "latency_ms": None}
        for one, (output, (exact, regex)) in zip(shown, said, strict=True)
    ]
    pages = await veri.sdk("evals.runs.items", made["id"], run["id"], limit=3, after=items[1]["id"])
    assert [item["item_index"] for item in pages] == [2, 3]
    assert await veri.sdk("evals.delete", made["id"]) is None
    assert await veri.sdk("evals.list") == [other]


async def several_answers_a_row_and_a_cancelled_run(veri: Published, dataset_id: str, engine: Replica) -> None:
    made = await veri.sdk("evals.create", "sums", dataset_id, [EXACT])
    many = await veri.sdk("evals.runs.create", made["id"], "sums", num_samples=2, generation_params={"n": 3})
    done = await waited(veri, made["id"], many["id"])
    assert (done["status"], done["total_items"], done["results"]["pass_at_k"]) == (
        "completed",
        6,
        {"1": 0.5, "2": 0.5, "3": 0.5},
    )
    items = await veri.sdk("evals.runs.items", made["id"], many["id"])
    assert [item["id"] for item in items] == [f"{many['id']}-{row}-{sample}" for row in (0, 1) for sample in (0, 1, 2)]
    assert [item["scores"]["exact-match"] for item in items] == [1.0] * 3 + [0.0] * 3
    engine.silent = True
    engine.asked.clear()
    stuck = await veri.sdk("evals.runs.create", made["id"], "sums")
    await asyncio.wait_for(engine.asked.wait(), DEADLINE_S)
    await refused(veri, "VeriRequestError", "goes on", "evals.delete", made["id"])
    cancelled = await veri.sdk("evals.runs.cancel", made["id"], stuck["id"])
    assert (cancelled["id"], cancelled["status"], cancelled["results"]) == (stuck["id"], "cancelled", None)
    # The engine was told, too.
    await asyncio.wait_for(engine.left.wait(), DEADLINE_S)
    assert await veri.sdk("evals.runs.items", made["id"], stuck["id"]) == []
    assert [run["id"] for run in await veri.sdk("evals.runs.list", made["id"])] == [stuck["id"], many["id"]]
    assert await veri.sdk("evals.runs.list", made["id"], after=stuck["id"]) == [done]
    await refused(veri, "VeriRequestError", "cancelled", "evals.runs.cancel", made["id"], stuck["id"])
    assert await veri.sdk("evals.delete", made["id"]) is None
    await refused(veri, "VeriNotFoundError", made["id"], "evals.runs.list", made["id"])


async def what_cannot_be_is_refused(veri: Published, dataset_id: str) -> None:
    made = await veri.sdk("evals.create", "sums", dataset_id, [EXACT])
    other = await veri.sdk("evals.create", "other", dataset_id, [EXACT])
    run = await veri.sdk("evals.runs.create", other["id"], "sums", num_samples=1)
    await refused(veri, "VeriRequestError", "Unknown scorer 'llm'", "evals.create", "x", dataset_id, [{"type": "llm"}])
    await refused(veri, "VeriNotFoundError", "ds_x", "evals.create", "x", "ds_x", [EXACT])
    await refused(veri, "VeriNotFoundError", "eval_x", "evals.get", "eval_x")
    await refused(veri, "VeriNotFoundError", "run_x", "evals.runs.get", made["id"], "run_x")
    await refused(veri, "VeriNotFoundError", "dep_x", "evals.runs.create", made["id"], "dep_x")
    await refused(veri, "VeriRequestError", "num_samples", "evals.runs.create", made["id"], "sums", num_samples=0)
    await refused(veri, "VeriNotFoundError", run["id"], "evals.runs.get", made["id"], run["id"])
    assert (await waited(veri, other["id"], run["id"]))["status"] == "completed"
    await refused(veri, "VeriRequestError", "run_x-1", "evals.runs.items", other["id"], run["id"], after="run_x-1-0")


async def refused(veri: Published, error: str, words: str, call: str, *arguments: Any, **options: Any) -> None:
    with pytest.raises(Refused) as caught:
        await veri.sdk(call, *arguments, **options)
    assert caught.value.type == error
    assert words in caught.value.message


async def the_command_line_shows_the_same(veri: Published, dataset_id: str, tmp_path: Path) -> None:
    quick = ("evals", "create", "--quick", "--dataset", dataset_id, "--model", "sums", "--n", "2", "--quiet")
    eval_id = (await veri.cli(*quick)).stdout.strip()
    shown = (await veri.cli("evals", "get", eval_id, "--json")).json
    assert (shown["id"], shown["name"], shown["scorers"]) == (eval_id, "quick-exact-match", [EXACT])
    config = tmp_path / "eval.toml"
    config.write_text(
        f'kind = "eval"\n[eval]\nname = "written"\ndataset_id = "{dataset_id}"\n[[scorers]]\ntype = "regex"\npattern = "four"\n'
        '[run]\nmodel = "sums"\nnum_samples = 1\n'
    )
    written = (await veri.cli("evals", "create", config, "--quiet")).stdout.strip()
    assert [row[:3] for row in (await veri.cli("evals", "list", "--limit", "2")).rows] == [
        [written, "written", dataset_id],
        [eval_id, "quick-exact-match", dataset_id],
    ]
    (other,) = await veri.sdk("evals.runs.list", written)
    assert (await waited(veri, written, other["id"]))["results"]["score"]["mean"] == 1.0
    (run,) = (await veri.cli("evals", "runs", "list", eval_id, "--json")).json
    done = await waited(veri, eval_id, run["id"])
    assert (done["status"], done["total_items"], done["results"]["score"]["mean"]) == ("completed", 2, 0.5)
    told = (await veri.cli("evals", "runs", "get", eval_id, run["id"], "--json")).json
    assert told == {**done, "error_message": ""}
    items = (await veri.cli("evals", "runs", "items", eval_id, run["id"], "--json")).json
    assert [(item["item_index"], item["output"], item["scores"]) for item in items] == [
        (0, "four it is", {"exact-match": 1.0}),
        (1, "four it is", {"exact-match": 0.0}),
    ]
    assert "Could not fetch eval eval_x" in (await veri.cli("evals", "get", "eval_x", code=2)).stderr
    assert (await veri.cli("evals", "delete", eval_id)).stdout == f"Deleted {eval_id}.\n"
