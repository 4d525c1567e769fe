"""The documentation: its commands run as written, its links lead somewhere, and its messages exist in the code."""

import ast
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.faults import Fault
from tests.harness import PACKAGES, PATIENCE, ROOT, SCRIPTS, Sandbox
from tests.project import commands, new_project, run_page, settings, shell, text_of

PAGES = sorted(
    str(page.relative_to(ROOT))
    for pattern in ("*.md", "*/*.md", "docs/*.md")
    for page in ROOT.glob(pattern)
    if not page.relative_to(ROOT).parts[0].startswith(".")
)


SETUP = "docs/setup.md"
SCHEMAS = "docs/schemas.md"


@pytest.fixture
def project(sandbox: Sandbox) -> Path:
    """Make a checkout with the files `tap.json` and `target.json`, which have the settings of the sandbox."""
    folder = sandbox.folder / "checkout"
    folder.mkdir()
    for name, content in (("tap.json", sandbox.tap_config), ("target.json", sandbox.target_config)):
        (folder / name).write_text(json.dumps(content))
    return new_project(folder)


def test_readme(project: Path) -> None:
    """The demo runs as shown, and the quick start is what the setup guide explains."""
    (demo,) = run_page("README.md", project, {})
    (sample,) = re.findall(r"^```text\n(… .*?)^```$", text_of("README.md", "Try it"), re.DOTALL | re.MULTILINE)
    printed = demo.stdout + demo.log
    assert [line for line in sample.splitlines() if line.removeprefix("… ").strip(" …") not in printed] == []
    quick_start = re.findall(r"^```text\n(.*?)^```$", text_of("README.md", "Quick start"), re.DOTALL | re.MULTILINE)
    explained = "".join(commands(SETUP)).splitlines()
    assert [line for block in quick_start for line in block.splitlines() if line and line not in explained] == []


def test_setup(sandbox: Sandbox, project: Path) -> None:
    """The setup guide works from the installation to the first import, with settings only in `.env`."""
    variables = settings(sandbox)
    values = "".join(f"{name}={value}\n" for name, value in variables.items())
    (project / ".env").write_text(values)
    *_, dry_run, first = run_page(
        SETUP, project, {}, {"cp .env.example .env\n": "", "https://${TAP_LUCCA_HOST#https://}": "$TAP_LUCCA_HOST"}
    )
    assert (project / "output" / "report.html").exists()
    assert dry_run.log != first.log
    assert len(sandbox.elimity.snapshots) == 1
    example = re.findall(r"^(\w+)=", (ROOT / ".env.example").read_text(encoding="utf-8"), re.MULTILINE)
    assert re.findall(r"^\| `(TA\w+)` \|", text_of(SETUP), re.MULTILINE) == example


@pytest.mark.slow
@pytest.mark.parametrize("wrong", ["TAP_LUCCA_API_KEY", "TARGET_ELIMITY_SOURCE_TOKEN"])
def test_cron_mails_why_an_import_failed(sandbox: Sandbox, project: Path, wrong: str) -> None:
    """The line for cron prints the errors of a failed import, and nothing of Meltano's own tracebacks."""
    values = "".join(f"{name}={value}\n" for name, value in {**settings(sandbox), wrong: "wrong"}.items())
    (project / ".env").write_text(values)
    (line,) = re.findall(r"^[0-9]+ [0-9]+ \* \* \*  (.*)$", text_of(SETUP), re.MULTILINE)
    mail = shell(line.replace("/srv/lucca-elimity", str(project)), project, {})
    assert wrong.partition("_")[2].partition("_")[2].lower() in mail.stdout  # the name of the setting
    assert "Traceback" not in mail.stdout


@pytest.mark.slow
def test_after_the_setup(sandbox: Sandbox, project: Path) -> None:
    """The commands of the pages on settings, data, dry runs and imports work in one project."""
    environment = settings(sandbox)
    run_page("docs/configuration.md", project, environment)
    assert len(sandbox.elimity.snapshots) == 2
    (selection,) = run_page("docs/data.md", project, environment)
    assert "] users.dtContractEnd" in selection.stdout + selection.log
    run_page("docs/dry-run.md", project, environment)
    assert json.loads((project / "output" / "changes.json").read_text())["joined"] == []
    assert len(sandbox.elimity.snapshots) == 2
    *_, state = run_page("docs/how-imports-work.md", project, environment)
    assert json.loads(state.stdout)["singer_state"]["bookmarks"]["target-elimity"]["employees"] == 250
    assert len(sandbox.elimity.snapshots) == 3


def test_schemas(sandbox: Sandbox, project: Path) -> None:
    """The page's commands accept the tap's catalog and records, and fail if a schema or record differs from the pin."""
    *_, compare, write, validate = commands(SCHEMAS)
    *_, last = run_page(SCHEMAS, project, settings(sandbox))
    assert "250" in last.stdout
    pinned = project / "contracts" / "catalog.json"
    catalog = json.loads(pinned.read_text())
    del catalog["streams"][0]["schema"]["properties"]["login"]
    catalog["streams"][1]["schema"]["properties"]["startsOn"]["type"] = "integer"
    pinned.write_text(json.dumps(catalog))
    assert shell(compare, project, {}).exit_code == 1
    tap = validate.replace(" --catalog contracts/catalog.json", "")
    failed = shell(write + tap, project, settings(sandbox))
    assert failed.exit_code == 1
    assert all(f" {flaw}" in failed.log for flaw in ("$ additionalProperties", "$.startsOn type"))


def test_troubleshooting(sandbox: Sandbox, project: Path) -> None:
    """The page's commands repeat the calls of the target, and print the answer, even that of a refusal."""
    (project / ".env").write_text("".join(f"{name}={value}\n" for name, value in settings(sandbox).items()))
    sandbox.target_settings = {"output_path": str(project / "output")}
    assert sandbox.pipeline()[1].exit_code == 0
    data_model, _ = run_page("docs/troubleshooting.md", project, {})
    assert '"entityAttributeTypes"' in data_model.stdout
    assert len(sandbox.entities) == 250
    sandbox.elimity.faults.add(Fault("/api/sources/", 422, count=None, body="says the server"))
    assert all("says the server" in run.stdout for run in run_page("docs/troubleshooting.md", project, {}))


@pytest.mark.slow
def test_operations(sandbox: Sandbox, project: Path) -> None:
    """The page's upgrade and move work after an import, and take its STATE along."""
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
    """Tap, target and gateway work if installed as their pages say, in their own environment."""
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
    """For each page with commands, one of the tests runs all of them."""
    tests = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("*.py"))
    run = set(re.findall(r'(?:run_page\(\s*|[A-Z]+ = )"([^"]+[.]md)"', tests))
    assert {page for page in PAGES if commands(page)} == run


def test_every_block_says_what_it_is() -> None:
    """Every code block names its language: otherwise it could be a command that no test runs."""
    for page in PAGES:
        fences = re.findall(r"^ *```(.*)$", (ROOT / page).read_text(encoding="utf-8"), re.MULTILINE)
        assert all(fences[::2]), page
        assert not any(fences[1::2]), page


def test_every_link_leads_somewhere() -> None:
    """Every relative link leads to a file of the repository and, if it names one, to a heading in it."""
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


def test_every_message_of_the_troubleshooting_is_one_of_ours() -> None:
    """The first column of the message tables quotes the code, with an ellipsis for each variable part."""
    page = (ROOT / "docs/troubleshooting.md").read_text(encoding="utf-8")
    messages = re.findall(r"^\| `(.+?)` \|", page, re.MULTILINE)
    assert len(messages) > 20
    code = "\n".join(
        text
        for package in PACKAGES
        for file in (ROOT / package).glob("*/**/*.py")
        for text in texts_of(file.read_text())
    )
    assert [message for message in messages if message not in code] == []


def texts_of(code: str) -> Iterator[str]:
    """Yield the string constants in a module, with an ellipsis for each interpolated value."""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.JoinedStr):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
