"""What a job has left behind, as its commands print it: log, metrics, rollouts, checkpoints."""

import json
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from burnish.cli import chart, fetching, saving, serving_watch, watch
from burnish.cli.client import LAST_LINE, Json
from burnish.cli.command import Cli
from burnish.cli.exits import NOT_FOUND, USAGE, CliError
from burnish.cli.patience import patiently
from burnish.cli.saving import Start

TELLING = ("reward", "reward_std", "frac_reward_zero_std", "kl", "entropy", "grad_norm", "completions/mean_length", "step_time")
# Without a reward the loss tells, which with one does not.
TELLING_OF_LOSS = ("loss", "eval_loss", "mean_token_accuracy", "rewards/margins", "rewards/accuracies", "grad_norm", "step_time")
ROLLOUTS = """query Rollouts($id: ID!, $step: Int, $first: Int!, $after: Cursor) {
  job(id: $id) { rolloutGroups(step: $step, first: $first, after: $after) {
    edges { cursor node { step datasetRow prompt rewardMean rewardStd completions {
      text reward advantage tokens truncated scoreError messages mediaUrl components { name value } } } }
    pageInfo { hasNextPage endCursor } } } }"""
NEWEST = """query Newest($id: ID!) {
  job(id: $id) { rolloutGroups(first: 1, order: NEWEST_FIRST) { nodes { step } } } }"""

LOGS = """query Logs($id: ID!, $after: Cursor) {
  deployment(id: $id) { status logs(first: 1000, after: $after) {
    edges { cursor node { at level source message } } pageInfo { hasNextPage } } } }"""


class Asked(NamedTuple):
    """Which metrics are wanted."""

    keys: str | None = None
    from_step: int | None = None
    to_step: int | None = None
    max_points: int = 500


def job_logs(cli: Cli, job: str, *, follow: bool, after: str | None) -> None:
    """Print a job's log after a cursor, and with `follow` what is added to it until the job has ended."""
    path = f"/v1/training_jobs/{job}/logs"
    last = LAST_LINE if follow else None

    def back() -> str:
        return _resumed(f"burnish jobs logs -f {job}", after)

    with watch.detaching(cli.out, job, back, f"burnish jobs cancel {job}"):
        for line in cli.api.follow(path, after, last=last, tell=cli.out.say, follow=str(follow).lower()):
            after = line.cursor or after
            if cli.out.as_json:
                cli.out.json({"cursor": line.cursor, "line": line.data})
            else:
                cli.out.text(line.data)


def deployment_logs(cli: Cli, deployment: str, *, follow: bool, after: str | None) -> None:
    """Print a deployment's log, and with `follow` what is added to it until the deployment has ended."""

    def back() -> str:
        return _resumed(f"burnish deploy logs -f {deployment}", after)

    with watch.detaching(cli.out, deployment, back, f"burnish deploy stop {deployment}"):
        cli.api.get(f"/v1/deployments/{deployment}")
        while True:
            record = patiently(partial(cli.api.graphql, LOGS, id=deployment, after=after), cli.out.say)["deployment"]
            for edge in record["logs"]["edges"]:
                after = edge["cursor"]
                if cli.out.as_json:
                    cli.out.json({"cursor": after, **edge["node"]})
                else:
                    cli.out.text(edge["node"]["message"])
            if record["logs"]["pageInfo"]["hasNextPage"]:
                continue
            if not follow or record["status"].lower() in serving_watch.ENDED:
                return
            time.sleep(watch.POLL_S)


def metrics(cli: Cli, job: str, asked: Asked) -> None:
    found = _points(cli, job, asked)
    if cli.out.as_json:
        cli.out.json(found)
        return
    keys = _columns(asked.keys, found["available_keys"])
    rows = [{"step": point["step"], **point["values"]} for point in found["metrics"]]
    cli.out.table(rows, ["step", *keys], "No metrics yet.")


def follow_metrics(cli: Cli, job: str, asked: Asked) -> None:
    """Print each step once as it comes, until the job has ended."""

    def back() -> str:
        return f"burnish jobs metrics -f {job}" + (f" --from-step {asked.from_step}" if asked.from_step else "")

    with watch.detaching(cli.out, job, back, f"burnish jobs cancel {job}"):
        cli.api.get(f"/v1/training_jobs/{job}")
        while True:
            status = patiently(lambda: cli.api.get(f"/v1/training_jobs/{job}"), cli.out.say)["status"]
            found = patiently(partial(_points, cli, job, asked), cli.out.say)
            for point in found["metrics"]:
                _print_point(cli, point, _columns(asked.keys, found["available_keys"]))
                asked = asked._replace(from_step=point["step"] + 1)
            if status in watch.JOB_ENDED:
                return
            time.sleep(watch.POLL_S)


def plot(cli: Cli, job: str, key: str, asked: Asked) -> None:
    """Draw one metric over the steps."""
    found = _points(cli, job, asked._replace(keys=key))
    if cli.out.as_json:
        cli.out.json(found)
        return
    values = [point["values"][key] for point in found["metrics"]]
    if not values:
        known = ", ".join(found["available_keys"]) or "none yet"
        raise CliError(f"--plot: {job} has no metric '{key}'.", NOT_FOUND, hint=f"There are: {known}.")
    cli.out.text(f"{key}, steps {found['metrics'][0]['step']} to {found['metrics'][-1]['step']}")
    for line in chart.area(values, unicode=cli.out.can_draw):
        cli.out.text(line)


def rollouts(cli: Cli, job: str, step: int | None, limit: int) -> None:
    found = rollout_groups(cli, job, step, limit)
    if cli.out.as_json:
        for cursor, group in found:
            cli.out.json({"cursor": cursor, **group})
        return
    if not found:
        cli.out.say("No rollouts yet." if step is None else f"No rollouts of step {step}.")
    for _, group in found:
        mean = group["rewardMean"]
        cli.out.text(
            f"step {group['step']}  {question(group['prompt'])}" + (f"  (mean reward {mean:.3g})" if mean is not None else ""),
            style="bold",
        )
        for completion in group["completions"]:
            _print_completion(cli, completion)


def rollout_groups(cli: Cli, job: str, step: int | None, limit: int) -> list[tuple[str, Json]]:
    """Return up to `limit` groups of a step, by default the newest that has any, each with its cursor."""
    found: list[tuple[str, Json]] = []
    if step is None:
        newest = _rollouts_of(cli, NEWEST, job)["nodes"]
        if not newest:
            return found
        step = newest[0]["step"]
    after: str | None = None
    while len(found) < limit:
        page = _rollouts_of(cli, ROLLOUTS, job, step=step, first=min(100, limit - len(found)), after=after)
        found += [(edge["cursor"], edge["node"]) for edge in page["edges"]]
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break
    return found


def _rollouts_of(cli: Cli, query: str, job: str, **variables: Any) -> Json:
    record: Json | None = cli.api.graphql(query, id=job, **variables)["job"]
    if record is None:
        raise CliError(f"No such training job: {job}", NOT_FOUND)
    page: Json = record["rolloutGroups"]
    return page


def question(prompt: Any) -> str:
    """Return what a prompt asks: the text itself, or the last message of a conversation."""
    if isinstance(prompt, list) and prompt:
        return str(prompt[-1].get("content", ""))
    return str(prompt)


def download(cli: Cli, source: fetching.Source, target: Path, *, force: bool) -> None:
    """Fetch a checkpoint as an archive, and hold each file in it against its checksum."""

    def fetch(file: BinaryIO, start: Start) -> None:
        cli.api.download(source.listing(cli)["download_url"], file, start)
        file.flush()
        fetching.check_archive(Path(file.name))

    saving.save(cli, "--output", target, fetch, force=force)


def export_metrics(cli: Cli, job: str, target: Path, *, force: bool) -> None:
    """Fetch all metrics of a job as a Parquet or CSV file, as the name of the file says."""
    format = target.suffix.removeprefix(".")
    if format not in ("parquet", "csv"):
        raise CliError(f"--export: {target} is neither a .parquet nor a .csv file.", USAGE)

    saving.fetch(cli, "--export", target, f"/v1/training_jobs/{job}/metrics/export", force=force, format=format)


def _resumed(command: str, cursor: str | None) -> str:
    return f"{command} --after {cursor}" if cursor else command


def _points(cli: Cli, job: str, asked: Asked) -> Json:
    query = asked._asdict()
    query["keys"] = None if asked.keys in (None, "all") else asked.keys
    return cli.api.get(f"/v1/training_jobs/{job}/metrics", **query)


def _columns(keys: str | None, available: Sequence[str]) -> list[str]:
    if keys == "all":
        return list(available)
    telling = TELLING if "reward" in available else TELLING_OF_LOSS
    wanted = [key.strip() for key in keys.split(",") if key.strip()] if keys else telling
    return [key for key in wanted if key in available]


def _print_point(cli: Cli, point: Json, keys: Sequence[str]) -> None:
    if cli.out.as_json:
        cli.out.json({"cursor": point["step"] + 1, **point})
    else:
        shown = (f"{key} {point['values'][key]:.4g}" for key in keys if key in point["values"])
        cli.out.text("  ".join([f"step {point['step']}", *shown]))


def _print_completion(cli: Cli, completion: Json) -> None:
    if completion["mediaUrl"] is not None:
        cli.out.text(f"  clip of {completion['tokens']} frames: {completion['mediaUrl']}")
        return
    reward, advantage = completion["reward"], completion["advantage"]
    numbers = f"{'skipped' if reward is None else f'{reward:.3g}':>8} {'' if advantage is None else f'{advantage:+.2f}':>6}"
    parts = " ".join(f"{part['name']}={part['value']:.3g}" for part in completion["components"] if part["value"] is not None)
    marks = " [truncated]" if completion["truncated"] else ""
    cli.out.text(f"  {numbers}  {completion['text'].strip()!r}{marks}  {parts}".rstrip())
    for message in completion["messages"] or []:
        _print_message(cli, message)


def _print_message(cli: Cli, message: Json) -> None:
    """Print one message of a conversation in an environment, with what it called or what that was worth."""
    who = " ".join(str(message[key]) for key in ("role", "name") if message.get(key))
    said = [repr(content.strip())] if isinstance(content := message.get("content"), str) and content.strip() else []
    called = [f"{call['function']['name']}({_arguments(call)})" for call in message.get("tool_calls") or []]
    worth = [f"reward={message['reward']:.3g}"] if message.get("reward") is not None else []
    cli.out.text("    " + "  ".join([f"{who}:", *said, *called, *worth]))


def _arguments(call: Json) -> str:
    given = call["function"].get("arguments", "")
    return given if isinstance(given, str) else json.dumps(given, ensure_ascii=False)
