"""A published `veri-sdk`, unmodified and in an environment of its own, as a user's machine would have it.

The SDK runs in one process that is told what to call, the command line in a process for each command. Both block, and the
server may be of this process: each call is made in a thread.
"""

import asyncio
import json
import os
import subprocess
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
DRIVER = Path(__file__).with_name("driver.py")
VERSIONS = ("0.2.1", "0.2.9")
# Of each version: the class of every error that an answer's status causes.
ERRORS = {
    "0.2.1": dict.fromkeys((400, 401, 402, 404, 409, 422, 503), "HTTPStatusError"),
    "0.2.9": {
        401: "VeriAuthError",
        404: "VeriNotFoundError",
        503: "VeriServerError",
        **dict.fromkeys((400, 402, 409, 422), "VeriRequestError"),
    },
}


class Refused(Exception):
    """What the client raised: the name of its class, its message, and where it tells it the HTTP status."""

    def __init__(self, type: str, message: str, status: int | None) -> None:
        super().__init__(f"{type}: {message}")
        self.type = type
        self.message = message
        self.status = status


@dataclass
class Finished:
    """A command that has ended. `stdout` and `stderr` have no colours, and no line was folded."""

    code: int
    stdout: str
    stderr: str

    @property
    def json(self) -> Any:
        return json.loads(self.stdout)

    @property
    def rows(self) -> list[list[str]]:
        """The cells of a printed table, without its heading."""
        lines = [line for line in self.stdout.splitlines() if line.startswith("│")]
        return [[cell.strip() for cell in line.strip("│").split("│")] for line in lines]


@dataclass
class Published:
    """One version of the client, with a home folder of its own, pointed at a server."""

    version: str
    url: str
    key: str
    home: Path
    _driver: "subprocess.Popen[str] | None" = field(default=None, repr=False)

    @property
    def bin(self) -> Path:
        folder = ROOT / ".venv" / "clients" / f"veri-{self.version}" / "bin"
        assert folder.is_dir(), f"{folder} is missing: run `make clients`"
        return folder

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("VERI_", "XDG_", "PYTHON"))}
        plain = {"COLUMNS": "400", "LINES": "100", "NO_COLOR": "1", "BROWSER": "true"}
        return {**kept, **plain, "HOME": str(self.home), "NO_PROXY": "*"}

    async def sdk(
        self,
        call: str,
        *args: Any,
        then: str | None = None,
        then_args: tuple[Any, ...] = (),
        then_kwargs: Any = None,
        **kwargs: Any,
    ) -> Any:
        """Return what a call of the SDK returns, its objects as dicts; Refused where it raises."""
        wanted: dict[str, Any] = {"call": call, "args": args, "kwargs": kwargs}
        wanted |= {"then": then, "then_args": then_args, "then_kwargs": then_kwargs or {}}
        answer = await asyncio.to_thread(self._ask, json.dumps(wanted))
        if "error" in answer:
            raise Refused(**answer["error"])
        return answer["value"]

    async def cli(self, *arguments: str | Path, code: int = 0, cwd: Path | None = None, **options: Any) -> Finished:
        """Run `veri`; fail where it does not end with `code`."""
        done = await asyncio.to_thread(self.run, *arguments, cwd=cwd, **options)
        assert done.code == code, f"exit code {done.code}\n{done.stdout}\n{done.stderr}"
        return done

    def run(self, *arguments: str | Path, cwd: Path | None = None, environment: dict[str, str] | None = None) -> Finished:
        call = partial(subprocess.run, capture_output=True, text=True, timeout=240, check=False, stdin=subprocess.DEVNULL)
        done = call([self.bin / "veri", *arguments], cwd=cwd or self.home, env={**self.environment, **(environment or {})})
        return Finished(done.returncode, done.stdout, done.stderr)

    def close(self) -> None:
        if self._driver is not None:
            self._driver.communicate(timeout=30)

    def _ask(self, wanted: str) -> Any:
        if self._driver is None:
            environment = {**self.environment, "VERI_API_KEY": self.key, "VERI_API_URL": self.url}
            command: list[str | Path] = [self.bin / "python", "-P", DRIVER]
            self._driver = subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._driver.stdin is not None and self._driver.stdout is not None
        self._driver.stdin.write(wanted + "\n")
        self._driver.stdin.flush()
        return json.loads(self._driver.stdout.readline())
