"""Which tasks a dataset stands for, what an episode is worth, and what the fence lets through."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from engines.protocol import ChildFailure
from engines.rewards.episode import Episode, Task
from engines.rewards.openreward_network import hosts_of
from engines.training import tasks
from engines.training.prompts import Row

ONE = {"a": ["train"]}
TWO = {"a": ["train", "test"], "o/b": ["train"]}
COUNTS = {("a", "train"): 3, ("a", "test"): 1, ("o/b", "train"): 2}


def test_a_dataset_that_names_no_task_stands_for_all_of_the_splits() -> None:
    rows = tasks.choose([(0, {"prompt": "of something else"})], TWO, COUNTS)

    found = [(row.index, str(row.columns["task"]), row.prompt) for row in rows]
    assert found == [
        (0, "a, train 0", []),
        (1, "a, train 1", []),
        (2, "a, train 2", []),
        (3, "a, test 0", []),
        (4, "o/b, train 0", []),
        (5, "o/b, train 1", []),
    ]


def test_rows_name_their_task_and_bring_their_prompt() -> None:
    system = [{"role": "system", "content": "Be brief."}]
    lines: list[tasks.Line] = [
        (0, {"task_index": 2, "environment": "a", "split": "train", "prompt": system}),
        (2, {"task_index": 0, "environment": "o/b", "prompt": "Hurry."}),
        (3, {"task": {"x": 1}, "environment": "a"}),
    ]

    assert tasks.choose(lines, TWO, COUNTS) == [
        Row(0, system, {"task": Task("a", "train", 2)}),
        Row(2, [{"role": "user", "content": "Hurry."}], {"task": Task("o/b", "train", 0)}),
        Row(3, [], {"task": Task("a", spec={"x": 1})}),
    ]


@pytest.mark.parametrize(
    ("row", "splits", "problem"),
    [
        ({}, ONE, "a row names its task by either task_index or task, as others here do"),
        ({"task_index": 0, "task": {}}, ONE, "a row names its task by either task_index or task, as others here do"),
        ({"task_index": 3}, ONE, "task_index must be a number of a task, and a has 3 in train, counted from 0"),
        ({"task_index": True}, ONE, "task_index must be a number of a task, and a has 3 in train, counted from 0"),
        ({"task_index": 0}, TWO, "environment must be one of the job's: a, o/b"),
        ({"task_index": 0, "environment": "a"}, TWO, "split must be one of the job's: train, test"),
        ({"task_index": 0, "environment": "a", "split": "dev"}, TWO, "split must be one of the job's: train, test"),
        ({"task": "x"}, ONE, "task must be an object"),
        (
            {"task_index": 0, "prompt": [{"role": "user"}]},
            ONE,
            "prompt must be a text or a list of messages with role and content",
        ),
    ],
)
def test_a_row_that_names_no_task_of_the_job_is_named(row: dict[str, Any], splits: Any, problem: str) -> None:
    with pytest.raises(ChildFailure) as caught:
        tasks.choose([(0, {"task_index": 0, "environment": "a", "split": "train"}), (6, row)], splits, COUNTS)

    assert (caught.value.code, caught.value.message) == ("dataset_error", f"Line 7 of the dataset: {problem}.")


def test_splits_without_tasks_are_refused() -> None:
    with pytest.raises(ChildFailure, match="environments: the splits have no tasks"):
        tasks.choose([(0, {})], ONE, {("a", "train"): 0})


def test_lines_need_no_prompt_and_must_be_objects(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"task_index": 1}\n\n[1]\n')
    with pytest.raises(ChildFailure, match=r"^Line 3 of the dataset: not a JSON object\.$"):
        tasks.read_lines(path)
    path.write_text('\n{"task_index": 1}\n')
    assert tasks.read_lines(path) == [(1, {"task_index": 1})]


def test_an_episode_is_worth_the_sum_of_what_was_given_and_nothing_where_the_environment_broke() -> None:
    episode = Episode(Task("a", "train", 0))
    assert (episode.reward, episode.is_over) == (0.0, False)
    episode.take("so far", 0.25, False)
    episode.refuse("no such tool", finished=False)
    episode.take("nothing for that", None, False)
    assert (episode.reward, episode.is_over) == (0.25, False)
    episode.take("right", 1.0, True)
    assert (episode.reward, episode.is_over) == (1.25, True)

    broken = Episode(Task("a", "train", 0))
    broken.take("so far", 0.25, False)
    broken.fail("it fell over")
    assert (broken.reward, broken.is_over, broken.error) == (None, True, "it fell over")


def test_the_hosts_are_those_of_the_urls_and_of_the_proxies() -> None:
    environment = {"https_proxy": "http://proxy.lan:3128", "HTTP_PROXY": "other.lan:80", "NO_PROXY": "x", "HOME": "/"}

    assert hosts_of(["https://api.example.org", "http://127.0.0.1:9"], environment) == {
        "api.example.org",
        "127.0.0.1",
        "proxy.lan",
        "other.lan",
    }


FENCED = """
import json, socket
from engines.rewards.openreward_network import Fence, hosts_of
servers = [socket.create_server((host, 0)) for host in ("127.0.0.1", "127.0.0.2")]
urls = [f"http://{server.getsockname()[0]}:{server.getsockname()[1]}" for server in servers]
Fence(hosts_of(urls[:1], {})).close()
def tried(work):
    try:
        work()
        return "went"
    except OSError as error:
        return str(error)
addresses = [server.getsockname() for server in servers]
print(json.dumps([
    tried(lambda: socket.create_connection(addresses[0])),
    tried(lambda: socket.create_connection(addresses[1])),
    tried(lambda: socket.socket().connect(addresses[0])),
    tried(lambda: socket.socket().connect(addresses[1])),
    tried(lambda: socket.getaddrinfo("example.org", 443)),
]))
"""


KEPT = """
import asyncio, json
import aiohttp
from aiohttp import web
from engines.rewards.openreward_network import Fence, hosts_of
async def main():
    app = web.Application()
    app.router.add_get("/", lambda request: web.Response(text="here"))
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    url = f"http://localhost:{site._server.sockets[0].getsockname()[1]}/"
    fence = Fence(hosts_of([url], {}))
    # Each request makes a connection of its own, by the address that the connector has kept.
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True)) as client:
        async def said():
            async with client.get(url) as answer:
                return await answer.text()
        heard = [await said()]
        fence.close()
        heard += [await said() for _ in range(3)]
    await runner.cleanup()
    print(json.dumps(heard))
asyncio.run(main())
"""


def test_the_fence_lets_through_to_the_addresses_that_a_client_keeps() -> None:
    done = subprocess.run([sys.executable, "-c", KEPT], capture_output=True, text=True)

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == ["here"] * 4


def test_the_fence_lets_through_what_it_was_told_of_and_nothing_else() -> None:
    done = subprocess.run([sys.executable, "-c", FENCED], capture_output=True, text=True, check=True)

    assert json.loads(done.stdout) == [
        "went",
        "this training may not look up 127.0.0.2",
        "went",
        "this training may not connect to 127.0.0.2",
        "this training may not look up example.org",
    ]
