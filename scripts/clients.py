"""Build the environments of published clients that cannot share ours: `.venv/clients/X` for each `tests/contract/clients/X.txt`.

The tests drive them from outside, as a user's own machine would. Each file pins everything by version and hash, so nothing is
resolved. It may be run at any time: an environment that is current costs nothing, one that was interrupted is made anew.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PINS = ROOT / "tests" / "contract" / "clients"
HOME = ROOT / ".venv" / "clients"


def main() -> int:
    HOME.mkdir(exist_ok=True)
    lock = os.open(HOME, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for pins in sorted(PINS.glob("*.txt")):
            build(pins)
    except subprocess.CalledProcessError as error:
        print(f"clients: {' '.join(map(str, error.cmd))} failed; the next run goes on from here.", file=sys.stderr)
        return 1
    finally:
        os.close(lock)
    return 0


def build(pins: Path) -> None:
    """Make one environment, unless it is there and current."""
    folder = HOME / pins.stem
    stamp = folder / "burnish-setup"
    if stamp.is_file() and stamp.read_text() == fingerprint(pins):
        return
    print(f"Making {folder.relative_to(ROOT)}", flush=True)
    shutil.rmtree(folder, ignore_errors=True)
    run("-m", "venv", "--without-pip", folder)
    # Not compiled, as uv leaves them too: `veri init` of both versions reads all files of its template as text.
    pip = ("-m", "pip", "--python", folder / "bin" / "python", "--disable-pip-version-check", "install", "-qq", "--no-compile")
    run(*pip, "--no-deps", "--only-binary=:all:", "--require-hashes", "-r", pins)
    stamp.write_text(fingerprint(pins))


def fingerprint(pins: Path) -> str:
    """Return what an environment depends on: its pins, its place, which its scripts name, and its Python."""
    digest = hashlib.sha256(pins.read_bytes() + Path(__file__).read_bytes()).hexdigest()
    return f"{digest}\n{ROOT}\n{os.path.realpath(sys.executable)}\n"


def run(*arguments: str | Path) -> None:
    # Settings for other environments must not move packages out of this one.
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "PIP_TARGET", "PIP_PREFIX"))}
    subprocess.run([sys.executable, *arguments], check=True, env={**environment, "PIP_USER": "0"})


if __name__ == "__main__":
    sys.exit(main())
