"""A checkout as its users have it: the Meltano project, and the pages of the documentation with their commands."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from fcntl import LOCK_EX, flock
from pathlib import Path

from tests.harness import PATIENCE, ROOT, SCRIPTS, Run, Sandbox, run

# A block of commands. Only blocks that are marked as `bash` are run.
_BLOCK = re.compile(r"^( *)```bash\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)


def new_project(folder: Path) -> Path:
    """Make a Meltano project like the repository's, with its environment but its own state."""
    for original in ROOT.iterdir():
        if original.name in {"meltano.yml", "deploy"}:  # users edit these
            copy = shutil.copytree if original.is_dir() else shutil.copy2  # copies file times too: make compares them
            copy(original, folder / original.name)
        elif original.name not in {".git", ".meltano", ".env", "output"}:
            (folder / original.name).symlink_to(original)
    return folder


def install(environment: Path, *arguments: str | Path, python: str = sys.executable) -> Path:
    """Make an environment, run `uv pip install` with these arguments in it, and return the folder of its commands."""
    for command in (
        ("venv", "--python", python, environment),
        ("pip", "install", "--python", environment, *arguments),
        ("pip", "check", "--python", environment),
    ):
        uv = run("uv", *command)
        assert uv.exit_code == 0, uv.log
    return environment / "bin"


def once(made: Path, make: Callable[[], Path]) -> Path:
    """Call `make` only once for the path `made`, in a folder that all workers share; return what `make` returned."""
    done = made.with_name(f"{made.name}.done")
    with made.with_name(f"{made.name}.lock").open("w") as lock:
        flock(lock, LOCK_EX)  # until the file is closed
        if not done.exists():
            done.write_text(str(make()))
    return Path(done.read_text())


def settings(sandbox: Sandbox) -> dict[str, str]:
    """Return the variables that point the plugins to the sandbox."""
    return {
        "TAP_LUCCA_HOST": sandbox.lucca_url,
        "TAP_LUCCA_API_KEY": sandbox.lucca.api_key,
        "TAP_LUCCA_REQUESTS_PER_MINUTE": "10000",
        "TARGET_ELIMITY_URL": sandbox.elimity_url,
        "TARGET_ELIMITY_SOURCE_ID": sandbox.elimity.source_id,
        "TARGET_ELIMITY_SOURCE_TOKEN": sandbox.elimity.source_token,
    }


def shell(command: str, folder: Path, environment: Mapping[str, str], patience: int = PATIENCE) -> Run:
    """Run a shell command, with the console scripts of the tests' environment on the PATH."""
    process = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", command],
        capture_output=True,
        text=True,
        check=False,
        timeout=patience,
        cwd=folder,
        env={**os.environ, "PATH": f"{SCRIPTS}{os.pathsep}{os.environ['PATH']}", **environment},
    )
    return Run(process.returncode, process.stdout, process.stderr)


def text_of(page: str, section: str = "") -> str:
    """Return a page of the documentation, or only its section with this second-level heading."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return text.split(f"\n## {section}\n")[1].split("\n## ")[0] if section else text


def commands(page: str, section: str = "") -> list[str]:
    """Return the blocks of commands on a page of the documentation, or in one section of it."""
    blocks = _BLOCK.finditer(text_of(page, section))
    return [re.sub(rf"^{match[1]}", "", match[2], flags=re.MULTILINE) for match in blocks]


def run_page(
    page: str,
    folder: Path,
    environment: Mapping[str, str],
    replaced: Mapping[str, str] | None = None,
    section: str = "",
) -> list[Run]:
    """Run every command on a page in order and return the runs; all of them must succeed.

    Args:
        page: The page, as a path from the root of the repository.
        folder: The project to run it in.
        environment: Variables added to those of the process.
        replaced: Examples on the page, and the text to replace each with.
        section: The section to run; by default, the whole page.
    """
    runs = []
    for block in commands(page, section):
        command = block
        for example, value in (replaced or {}).items():
            command = command.replace(example, value)
        run = shell(command, folder, environment)
        assert run.exit_code == 0, f"{command}\n{run.stdout}\n{run.log}"
        runs.append(run)
    return runs
