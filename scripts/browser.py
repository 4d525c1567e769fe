"""Install a Chromium for the tests of the report, if there is none: `python -m scripts.browser`. Only CI runs it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

COMMANDS = ("chromium", "chromium-browser", "google-chrome", "chrome")
MISSING = (
    "No Chromium starts here, so the tests that open the report in a browser are skipped. "
    "To run them, install Chromium or Chrome, for example with `apt-get install chromium`."
)
# playwright's own driver needs libatomic1.
PACKAGES = ("chromium", "fonts-dejavu-core", "libatomic1")
APT_GET = (
    ("apt-get", "update", "-qq"),
    ("apt-get", "install", "-qq", "--yes", "--no-install-recommends", *PACKAGES),
)
PLAYWRIGHT = ((Path(sys.executable).parent / "playwright", "install", "--with-deps", "chromium-headless-shell"),)


def system_chromium() -> str | None:
    """Return the path of the system's Chromium, if there is one."""
    return next(filter(None, map(shutil.which, COMMANDS)), None)


def main() -> None:
    """Install Chromium, with apt-get as root, else as playwright does."""
    if not system_chromium():
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for command in APT_GET if os.geteuid() == 0 and shutil.which("apt-get") else PLAYWRIGHT:
            if subprocess.run(command, env=environment, check=False).returncode:
                sys.exit("No Chromium could be installed for the tests of the report: see above.")


if __name__ == "__main__":
    main()
