"""The documentation: its commands are run as they stand, its links lead somewhere, its messages are real."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.harness import PATIENCE, ROOT, SCRIPTS
from tests.project import commands, new_project, run_page, settings, shell

if TYPE_CHECKING:
    from pathlib import Path

    from tests.harness import Sandbox

PAGES = sorted(
    str(page.relative_to(ROOT))
    for pattern in ("*.md", "*/*.md", "docs/*.md")
    for page in ROOT.glob(pattern)
    if not page.relative_to(ROOT).parts[0].startswith(".")
)


@pytest.fixture
def project(sandbox: Sandbox) -> Path:
    """Make a checkout whose settings are those of the sandbox, in the environment and in files."""
    folder = sandbox.folder / "checkout"
    folder.mkdir()
    for name, content in (("tap.json", sandbox.tap_config), ("target.json", sandbox.target_config)):
        (folder / name).write_text(json.dumps(content))
    return new_project(folder)


def test_readme(sandbox: Sandbox, project: Path) -> None:
    """From the demo to the last command, on the sandbox in place of the reader's company."""
    runs = run_page("README.md", project, settings(sandbox), {"https://acme.ilucca.net": sandbox.lucca_url})
    log = "".join(run.stdout + run.log for run in runs)
    for told in (
        "Entities in the last one:      250",
        "all 20 attributes",
        "Dry run: nothing was uploaded.",
        "Since the previous snapshot: 0 joined, 0 left, 0 moved.",
        "] users.dtContractEnd",
    ):
        assert told in log
    assert len(sandbox.elimity.snapshots) == 4
    assert (project / "output" / "changes.json").exists()


@pytest.mark.slow
def test_operations(sandbox: Sandbox, project: Path) -> None:
    """An upgrade and a move, after an import whose STATE there is to look at and take along."""
    environment = settings(sandbox)
    first = subprocess.run(
        [SCRIPTS / "meltano", "run", "lucca-to-elimity"],
        cwd=project,
        env={**os.environ, **environment},
        timeout=PATIENCE,
        check=False,
    )
    assert first.returncode == 0
    run_page("docs/operations.md", project, environment)
    assert json.loads((project / "state.json").read_text())["singer_state"]["bookmarks"]["target-elimity"]


@pytest.mark.slow
def test_the_packages(sandbox: Sandbox, project: Path) -> None:
    """Tap, target and gateway, installed as their pages say, in an environment of their own."""
    environment = sandbox.folder / "environment"
    venv: list[str | Path] = [SCRIPTS / "uv", "venv", "--quiet", "--seed", "--python", sys.executable, environment]
    subprocess.run(venv, check=True, timeout=PATIENCE)
    variables = {
        **settings(sandbox),
        "VIRTUAL_ENV": str(environment),
        "PATH": f"{environment / 'bin'}{os.pathsep}{os.environ['PATH']}",
    }
    run_page("tap-lucca/README.md", project, variables)
    run_page("target-elimity/README.md", project, variables)
    run_page("lucca-gateway/README.md", project, variables)
    assert shell("lucca-gateway --help", project, variables).exit_code == 0
    assert len(sandbox.elimity.snapshots) == 1
    exported = json.loads((project / "data-model.json").read_text())
    assert exported == sandbox.elimity.data_model


def test_every_command_is_run_by_a_test() -> None:
    """Whatever page has commands is run in full by one of the tests."""
    tests = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("*.py"))
    run = set(re.findall(r'(?:run_page\(\s*|PAGE = )"([^"]+)"', tests))
    assert {page for page in PAGES if commands(page)} == run


def test_every_block_says_what_it_is() -> None:
    """A block without a mark would be a command that no test runs."""
    for page in PAGES:
        fences = re.findall(r"^ *```(.*)$", (ROOT / page).read_text(encoding="utf-8"), re.MULTILINE)
        assert all(fences[::2]), page
        assert not any(fences[1::2]), page


def test_every_link_leads_somewhere() -> None:
    """To a file of the repository, and to a heading on it."""
    for page in PAGES:
        for target in re.findall(r"\]\(([^)\s]+)\)", (ROOT / page).read_text(encoding="utf-8")):
            if "://" in target:
                continue
            path, _, heading = target.partition("#")
            file = ((ROOT / page).parent / path) if path else ROOT / page
            assert file.exists(), f"{page}: {target}"
            if heading:
                assert heading in anchors(file), f"{page}: {target}"


def anchors(file: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", file.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_message_of_the_troubleshooting_is_one_that_a_test_has_seen() -> None:
    """The first column of its tables are words that some test looks for in a log."""
    tests = " ".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("*.py"))
    page = (ROOT / "docs/troubleshooting.md").read_text(encoding="utf-8").partition("<!-- generated")[0]
    messages = re.findall(r"^\| `(.+?)`", page, re.MULTILINE)
    assert len(messages) > 20
    assert [message for message in messages if message not in tests] == []
