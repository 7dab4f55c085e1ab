"""A published client of OpenAI's routes, unmodified and in an environment of its own, as a user's program would have it."""

import asyncio
import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.contract.published import ROOT, Refused

DRIVER = Path(__file__).with_name("chat_driver.py")
VERSIONS = {"langchain-openai": "1.7.4", "litellm": "1.110.2", "instructor": "1.17.0"}
# None of them has anything to look up elsewhere.
SETTINGS = {"NO_PROXY": "*", "LITELLM_LOCAL_MODEL_COST_MAP": "True", "LANGSMITH_TRACING": "false"}


@dataclass
class Chatting:
    """One client, in a process that takes calls for any server: starting it is most of what it costs."""

    name: str
    _driver: "subprocess.Popen[str] | None" = None

    async def do(self, what: str, base_url: str, api_key: str, model: str, say: str = "2+2?", **given: Any) -> Any:
        """Return what a call of the client came to; Refused where it raised."""
        call = {"do": what, "base_url": base_url, "api_key": api_key, "model": model, "say": say, "given": given}
        answer = await asyncio.to_thread(self._ask, json.dumps(call))
        if "error" in answer:
            error = answer["error"]
            raise Refused(error["type"], error["message"], error["status"])
        return answer["value"]

    def close(self) -> None:
        if self._driver is not None:
            self._driver.communicate(timeout=30)

    def _ask(self, call: str) -> Any:
        if self._driver is None:
            python = ROOT / ".venv" / "clients" / f"{self.name}-{VERSIONS[self.name]}" / "bin" / "python"
            assert python.exists(), f"{python} is missing: run `make clients`"
            kept = {name: value for name, value in os.environ.items() if not name.startswith(("OPENAI_", "LANG", "PYTHON"))}
            command: list[str | Path] = [python, "-P", DRIVER, self.name]
            self._driver = subprocess.Popen(
                command, env={**kept, **SETTINGS}, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
        assert self._driver.stdin is not None and self._driver.stdout is not None
        self._driver.stdin.write(call + "\n")
        self._driver.stdin.flush()
        return json.loads(self._driver.stdout.readline())
