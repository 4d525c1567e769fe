"""Find or install a Chromium for the tests of the report: `python -m scripts.browser`.

It looks for the system's Chromium, then installs one with apt-get if it runs as root, then downloads playwright's.
Without a browser, those tests are skipped. In CI, that is an error.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

COMMANDS = ("chromium", "chromium-browser", "google-chrome", "chrome")
MISSING = (
    "There is no Chromium, so the tests that open the report in a browser are skipped. "
    "To run them, install Chromium or Chrome, for example with `apt-get install chromium`."
)
APT_GET = (
    ("apt-get", "update", "-qq"),
    ("apt-get", "install", "-qq", "--yes", "--no-install-recommends", "chromium", "fonts-dejavu-core"),
)
# Does nothing if it is already installed.
PLAYWRIGHT = ((str(Path(sys.executable).parent / "playwright"), "install", "chromium-headless-shell"),)


def system_chromium() -> str | None:
    """Return the path of the system's Chromium, if there is one."""
    return next(filter(None, map(shutil.which, COMMANDS)), None)


def main() -> int:
    """Find a browser, or install one; return the exit code."""
    if system_chromium():
        return 0
    if os.geteuid() == 0 and shutil.which("apt-get"):
        print("Installing Chromium, for the tests of the report, with apt-get …", flush=True)
        if _succeed(APT_GET) and system_chromium():
            return 0
    print("Looking for playwright's Chromium, for the tests of the report, and downloading it if need be …", flush=True)
    if _succeed(PLAYWRIGHT):
        return 0
    print(MISSING, flush=True)
    return 1 if os.environ.get("CI") else 0


def _succeed(commands: tuple[tuple[str, ...], ...]) -> bool:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    return all(
        subprocess.run(command, env=environment, capture_output=True, check=False).returncode == 0
        for command in commands
    )


if __name__ == "__main__":
    sys.exit(main())
