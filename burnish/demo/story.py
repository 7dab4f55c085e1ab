"""What the demo does, step by step. Every number that it shows comes from the run, through the interfaces that any user has."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from types import FrameType

from burnish.cli import chart, creating, jobfile, records, serving_watch, watch
from burnish.cli.client import Api, Json
from burnish.cli.command import Cli
from burnish.cli.exits import ERROR, INTERRUPTED, OK, CliError
from burnish.cli.jobfile import JobFile
from burnish.cli.output import Output
from burnish.demo import platform, questions, recipes
from burnish.demo.platform import Running
from burnish.demo.recipes import Recipe
from burnish.kit.settings import Settings
from engines.compute import hardware, local

STEPS = 6
SERVING_S = 600.0
GROUPS = 100


def run(settings: Settings, out: Output, *, quick: bool) -> int:
    """Tell the whole story; return the exit code."""
    recipe = recipes.QUICK if quick else recipes.FULL
    for signum in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, _interrupt)
    out.text(f"Burnish demo: {recipe.title}, on this machine.", style="bold")
    try:
        return Story(settings, out, recipe).tell()
    except (KeyboardInterrupt, CliError) as error:
        if isinstance(error, CliError) and error.code != INTERRUPTED:
            raise
        return INTERRUPTED


def _interrupt(signum: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


@dataclass
class Trained:
    """What came out of it."""

    job: Json
    deployment: Json
    rewards: Sequence[float]
    compared: Sequence[questions.Comparison]


class Story:
    """One run of the demo. What it started is undone at its end, in the opposite order."""

    def __init__(self, settings: Settings, out: Output, recipe: Recipe) -> None:
        self._settings, self._out, self._recipe = settings, out, recipe
        self._name = f"demo-{recipe.model.lower()}"
        self._hardware = next((gpu.type for gpu in local.detect()), hardware.CPU)
        self._started = time.monotonic()
        self._step = 0

    def tell(self) -> int:
        with ExitStack() as undo:
            self._heading("The platform: broker, API and host process of this machine")
            running = undo.enter_context(platform.running(self._settings, self._out))
            cli = Cli(undo.enter_context(Api(running.target)), self._out)
            self._clear(cli)
            self._heading(f"The base model {self._recipe.model}, made once and then kept")
            self._register(recipes.make_base(self._recipe, self._settings, self._out))
            self._heading("The dataset and the reward function, uploaded")
            body = self._upload(cli)
            self._heading("Training: GRPO, live")
            job = self._train(cli, body, undo)
            self._heading("The trained checkpoint, deployed on vLLM")
            deployment = self._deploy(cli, job, undo)
            self._heading("Questions, before and after, through the openai package")
            trained = self._ask(cli, running, job, deployment)
            self._report(cli, running, trained)
            return self._go_on(running, trained)

    def _heading(self, what: str) -> None:
        self._step += 1
        elapsed = time.monotonic() - self._started
        self._out.text(f"\n[{self._step}/{STEPS}] {what}   ({elapsed:.0f} s)", style="bold")

    def _clear(self, cli: Cli) -> None:
        """End what an earlier demo left behind when it was killed: it would take the room of this one."""
        for status in ("queued", "provisioning", "serving", "unhealthy"):
            for found in cli.api.all("/v1/deployments", GROUPS, status=status):
                if found["name"] == self._name:
                    cli.api.post(f"/v1/deployments/{found['id']}/stop")
        for status in ("queued", "provisioning", "running"):
            for found in cli.api.all("/v1/training_jobs", GROUPS, status=status):
                if found["output_name"] == self._name:
                    cli.api.post(f"/v1/training_jobs/{found['id']}/cancel")

    def _register(self, folder: Path) -> None:
        """Run `burnish models add`, as an operator would."""
        shown = f"burnish models add {self._recipe.model} {folder}"
        self._out.say(f"  $ {shown}")
        command = [sys.executable, "-P", "-m", "burnish.cli.main", "models", "add", self._recipe.model, str(folder), "--json"]
        environment = {**os.environ, "BURNISH_HOME": str(self._settings.home)}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise CliError(f"`{shown}` failed.", ERROR, details=done.stderr.splitlines()[-recipes.TAIL :])

    def _upload(self, cli: Cli) -> Json:
        """Upload what the example's job file names; return the request for its job."""
        spec = jobfile.read(self._recipe.job_file)
        spec.values |= {"base_model": self._recipe.model, "output_name": self._name, "gpu": self._hardware}
        body = spec.body()
        for key, field in jobfile.ID_FIELDS.items():
            body[field] = creating.upload(cli.api, self._out, key, _file(spec, key))
        return body

    def _train(self, cli: Cli, body: Json, undo: ExitStack) -> Json:
        job = cli.api.post("/v1/training_jobs", body)
        undo.callback(_end, cli, f"/v1/training_jobs/{job['id']}", "cancel", watch.JOB_ENDED)
        self._out.say(
            f"  job {job['id']}, kl_coef {job['hyperparameters']['kl_coef']}; from elsewhere: burnish jobs logs -f {job['id']}"
        )
        job = watch.JobWatch(cli.api, self._out, job["id"], lines=True).run()
        watch.check_completed(job)
        saved = cli.api.all(f"/v1/training_jobs/{job['id']}/checkpoints", GROUPS)
        steps = ", ".join(str(checkpoint["step"]) for checkpoint in reversed(saved))
        self._out.say(f"  checkpoints at steps {steps}")
        return job

    def _deploy(self, cli: Cli, job: Json, undo: ExitStack) -> Json:
        body = {"model": job["id"], "source": "training_job", "name": self._name, "gpu": {"type": self._hardware, "count": 1}}
        made = cli.api.post("/v1/deployments", body)
        undo.callback(_end, cli, f"/v1/deployments/{made['id']}", "stop", serving_watch.ENDED)
        self._out.say(f"  deployment {made['id']}")
        began = time.monotonic()
        found = serving_watch.serving(cli.api, self._out, made["id"], SERVING_S)
        self._out.say(f"  serving after {time.monotonic() - began:.0f} s")
        return found

    def _ask(self, cli: Cli, running: Running, job: Json, deployment: Json) -> Trained:
        spec = jobfile.read(self._recipe.job_file)
        points = cli.api.get(f"/v1/training_jobs/{job['id']}/metrics", keys="reward", max_points=10_000)["metrics"]
        first = [group for _, group in records.rollout_groups(cli, job["id"], points[0]["step"], GROUPS)]
        rows = recipes.rows(_file(spec, "dataset"))
        deployed = questions.Deployed(running.target, deployment["name"], job["hyperparameters"])
        try:
            self._stream(deployed, rows[first[0]["datasetRow"]]["prompt"])
            compared = questions.compare(deployed, first, rows, _file(spec, "reward"))
        finally:
            deployed.close()
        return Trained(job, deployment, [point["values"]["reward"] for point in points], compared)

    def _stream(self, deployed: questions.Deployed, prompt: object) -> None:
        self._out.text(f"  Streamed:  {records.question(prompt)}  →  ", end="")
        deployed.stream(prompt, lambda piece: self._out.text(piece, end=""))
        self._out.text()

    def _report(self, cli: Cli, running: Running, trained: Trained) -> None:
        out, job, rewards = self._out, trained.job, trained.rewards
        out.text(
            f"\nBefore: what the base model answered in step 1, before its first update. After: what {self._name} answers now."
        )
        questions.show(out, trained.compared)
        fifth = max(1, len(rewards) // 5)
        first, last = fmean(rewards[:fifth]), fmean(rewards[-fifth:])
        out.text(f"\nReward over {len(rewards)} steps: {first:.2f} in the first fifth, {last:.2f} in the last", style="bold")
        for line in chart.area(rewards, unicode=out.can_draw):
            out.text(line, style="cyan")
        rate = cli.api.get(f"/v1/deployments/{trained.deployment['id']}")["cost_per_hour_usd"]
        gpu = (job["gpu"] or job["gpu_requested"])["type"]
        out.text(f"\nCost, on {gpu}: the job {job['cost_usd']:.6f} USD; the deployment {rate:g} USD an hour while it is up.")
        out.text(f"The whole of it took {time.monotonic() - self._started:.0f} s.")
        out.text("\nGo on with:", style="bold")
        out.text(_snippet(running.target.base_url, running.target.api_key, self._name, trained.compared))

    def _go_on(self, running: Running, trained: Trained) -> int:
        """Keep serving until Ctrl-C, or stop what was started and leave."""
        leaving = os.environ.get("BURNISH_DEMO_EXIT", "") not in ("", "0")
        if not leaving:
            self._out.text(f"\nServing at {running.target.base_url}/v1 as {self._name}. Ctrl-C stops it.", style="bold")
            _until_interrupted(running)
        self._out.say(
            f"Stopping the deployment; `burnish deploy create {trained.job['id']} -g {self._hardware} -w` brings the model back."
        )
        return OK


def _until_interrupted(running: Running) -> None:
    try:
        if running.process is None:
            threading.Event().wait()
        else:
            code = running.process.wait()
            raise CliError(f"The platform ended with exit code {code}.", ERROR, hint=f"Its log: {running.log}")
    except KeyboardInterrupt:
        return


def _end(cli: Cli, path: str, verb: str, ended: Sequence[str]) -> None:
    """Cancel or stop what has not ended, and tell what it cost; a platform that is gone has nothing left to end."""
    try:
        found = cli.api.get(path)
        if found["status"] not in ended:
            found = cli.api.post(f"{path}/{verb}")
            cli.out.say(
                f"{found['id']} is {found['status']}; it cost {found.get('total_cost_usd', found.get('cost_usd')):.6f} USD."
            )
    except CliError as error:
        cli.out.say(f"{path} was left as it is: {error.message}")


def _file(spec: JobFile, key: str) -> Path:
    path = spec.reference(key)
    if not isinstance(path, Path):
        raise CliError(f"{spec.path} names no file as its {key}.", ERROR)
    return path


def _snippet(base_url: str, key: str, model: str, compared: Sequence[questions.Comparison]) -> str:
    asked = records.question(compared[-1].row["prompt"]) if compared else "What is 2 + 3?"
    return f"""
    from openai import OpenAI

    client = OpenAI(base_url="{base_url}/v1", api_key="{key}")
    answer = client.chat.completions.create(model="{model}", messages=[{{"role": "user", "content": {asked!r}}}])
    print(answer.choices[0].message.content)
"""
