"""Models that several rooms' tests share."""

import hashlib
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RECIPE = ROOT / "engines" / "bases" / "tiny.py"


def shared_cache() -> Path:
    """Return the folder that outlives test runs: `BURNISH_TEST_CACHE`, or one in the system's temporary folder."""
    return Path(os.environ.get("BURNISH_TEST_CACHE") or Path(tempfile.gettempdir()) / f"burnish-tests-{os.getuid()}")


@pytest.fixture(scope="session")
def tiny_model() -> Path:
    """Return the folder of the tiny base model, made once for each version of its recipe and shared by all test runs."""
    version = hashlib.sha256(RECIPE.read_bytes()).hexdigest()[:12]
    folder = shared_cache() / f"tiny-{version}"
    if not folder.is_dir():
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-P", "-m", "engines.bases.tiny", str(folder)]
        subprocess.run(command, env=environment, check=True, capture_output=True, timeout=120)
    return folder
