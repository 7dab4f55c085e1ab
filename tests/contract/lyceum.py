"""The published `lyceum` command line, unmodified and in an environment of its own, with its settings in a home of its own."""

import asyncio
import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.contract.published import ROOT, Finished

BIN = ROOT / ".venv" / "clients" / "lyceum-cli-1.0.45" / "bin"


@dataclass
class Lyceum:
    """Runs its commands against a server, which is both of the two that it knows of."""

    url: str
    key: str
    home: Path

    def __post_init__(self) -> None:
        folder = self.home / ".lyceum"
        folder.mkdir(parents=True)
        (folder / "config.json").write_text(json.dumps({"api_key": self.key, "base_url": self.url, "iris_url": self.url}))

    async def __call__(self, *arguments: str, code: int = 0, **environment: str) -> Finished:
        """Run a command off the event loop, which the server needs; fail where it does not end with `code`."""
        done = await asyncio.to_thread(self._run, arguments, environment)
        assert done.code == code, f"exit code {done.code}\n{done.stdout}\n{done.stderr}"
        return done

    def _run(self, arguments: tuple[str, ...], environment: dict[str, str]) -> Finished:
        assert BIN.is_dir(), f"{BIN} is missing: run `make clients`"
        ours = ("HF_", "HUGGING_FACE", "IRIS_", "SUPABASE_", "PYTHON")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
        plain = {"COLUMNS": "400", "NO_COLOR": "1", "TERM": "dumb", "HOME": str(self.home), "NO_PROXY": "*"}
        command: list[str | Path] = [BIN / "lyceum", *arguments]
        # It asks for a token of Hugging Face where it finds none; the answer is no.
        done = subprocess.run(
            command, env={**kept, **plain, **environment}, cwd=self.home, input="n\n", capture_output=True, text=True, timeout=120
        )
        return Finished(done.returncode, done.stdout, done.stderr)

    async def jobs(self, **options: str | bool) -> Finished:
        """Call the batch function of its package, which no command leads to."""
        given = {"stream_job_id": None, "result_job_id": None, "history": False, **options}
        return await asyncio.to_thread(self._jobs, given)

    def _jobs(self, given: dict[str, str | bool | None]) -> Finished:
        code = f"from lyceum.external.compute.inference.batch import jobs_cmd; jobs_cmd(**{given!r})"
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "COLUMNS": "400",
            "NO_COLOR": "1",
            "TERM": "dumb",
            "NO_PROXY": "*",
        }
        done = subprocess.run(
            [BIN / "python", "-c", code], env=environment, cwd=self.home, capture_output=True, text=True, timeout=120
        )
        return Finished(done.returncode, done.stdout, done.stderr)
