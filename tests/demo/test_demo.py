"""The demo as it is typed: a real training run, a real engine, and nothing left behind."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.conftest import free_port
from tests.engines.conftest import tiny_model

__all__ = ["tiny_model"]

pytestmark = [pytest.mark.e2e, pytest.mark.engine]


def test_demo_trains_deploys_asks_and_leaves_nothing_running(tmp_path: Path, tiny_model: Path) -> None:
    home = tmp_path / "home"
    shutil.copytree(tiny_model, home / "cache" / "bases" / "tiny")
    environment = {key: value for key, value in os.environ.items() if not key.startswith("BURNISH_")}
    environment |= {"BURNISH_HOME": str(home), "BURNISH_DEMO_EXIT": "1"}
    command = [str(Path(sys.executable).with_name("burnish")), "demo", "--quick", "--port", str(free_port())]
    done = subprocess.run(
        command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=280, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    first, last = (
        float(number) for number in re.findall(r"steps: ([\d.]+) in the first fifth, ([\d.]+) in the last", done.stdout)[0]
    )
    before, after = numbers(r"answers: ([\d.]+) before, ([\d.]+) after", done.stdout)
    assert last > first
    assert after > before
    assert "Streamed: " in done.stdout
    assert 'client = OpenAI(base_url="http://127.0.0.1:' in done.stdout
    assert re.search(r"the job 0\.000\d{3} USD", done.stdout)
    assert re.search(r"step 60/60 reward [\d.]+ kl [\d.]+ length", done.stderr)
    assert "\x1b" not in done.stdout + done.stderr
    assert processes_of(home) == []


def processes_of(home: Path) -> list[str]:
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("BURNISH_HOME") == str(home):
                found.append(" ".join(process.cmdline()))
        except psutil.Error:
            continue
    return found


def numbers(pattern: str, text: str) -> list[float]:
    found = re.search(pattern, text)
    assert found is not None
    return [float(number) for number in found.groups()]
