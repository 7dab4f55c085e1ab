"""Have a Chromium for the tests that look at the dashboard, and print where it is.

One that is installed is used (`BURNISH_CHROMIUM` names another); else, as root on Debian and its like, the distribution's is
installed; elsewhere Playwright's own build is fetched.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
APT = ("apt-get", "-qq", "-o", "DPkg::Lock::Timeout=300")
PACKAGES = ("chromium", "fonts-liberation")


def main() -> int:
    try:
        print(find() or install())
    except (subprocess.CalledProcessError, FileNotFoundError) as error:
        print(f"browser: {error}\nInstall Chromium by hand, or name one in BURNISH_CHROMIUM.", file=sys.stderr)
        return 1
    return 0


def find() -> str | None:
    """Return the path of a Chromium of this machine, or None."""
    named = os.environ.get("BURNISH_CHROMIUM")
    if named:
        return named
    system = next(filter(None, map(shutil.which, NAMES)), None)
    return system or _playwrights()


def install() -> str:
    """Install one and return its path."""
    if os.geteuid() == 0 and shutil.which(APT[0]):
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        print("Installing Chromium", file=sys.stderr, flush=True)
        for words in (("update",), ("install", "-y", "--no-install-recommends", *PACKAGES)):
            subprocess.run([*APT, *words], check=True, env=environment, stdout=subprocess.DEVNULL)
    else:
        subprocess.run([sys.executable, "-m", "playwright", "install", "chromium"], check=True, stdout=sys.stderr)
    found = find()
    if found is None:
        raise FileNotFoundError("no Chromium after its installation")
    return found


def _playwrights() -> str | None:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        path = playwright.chromium.executable_path
    return path if Path(path).exists() else None


if __name__ == "__main__":
    sys.exit(main())
