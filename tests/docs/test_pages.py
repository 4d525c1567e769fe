"""The documentation: its commands run as written, its links lead somewhere, and its messages exist in the code."""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from tap_lucca.streams import UsersStream
from tap_lucca.tap import TapLucca
from target_elimity import attributes
from target_elimity.messages import MessageReader
from target_elimity.target import TargetElimity

from sandbox.faults import Fault
from sandbox.lucca import WORK_CONTRACTS
from tests.harness import CANARY, PACKAGES, PATIENCE, ROOT, SCRIPTS, Run, Sandbox
from tests.lucca_gateway.support import wait_until
from tests.project import commands, new_project, run_page, settings, shell, text_of

PAGES = sorted(
    str(page.relative_to(ROOT))
    for pattern in ("*.md", "*/*.md", "docs/*.md")
    for page in ROOT.glob(pattern)
    if not page.relative_to(ROOT).parts[0].startswith(".")
)


SETUP = "docs/setup.md"
OUR_MODULES = tuple(package.replace("-", "_") for package in PACKAGES)
SCHEMAS = "docs/schemas.md"
ABSENT = object()
FLAWS: list[tuple[str, tuple[str | int, ...], object, str]] = [
    ("users", ("login",), ABSENT, "$ required 'login'"),
    ("users", ("manager",), ABSENT, "$ required 'manager'"),
    ("users", ("department", "code"), ABSENT, "$.department required 'code'"),
    ("users", ("habilitedRoles", 0, "name"), ABSENT, "$.habilitedRoles[0] required 'name'"),
    ("users", ("birthDate",), CANARY, "$ additionalProperties"),
    ("users", ("department", "head"), CANARY, "$.department additionalProperties"),
    ("users", ("habilitedRoles", 0, "url"), CANARY, "$.habilitedRoles[0] additionalProperties"),
    ("users", ("id",), None, "$.id type"),
    ("users", ("employeeNumber",), 57, "$.employeeNumber type"),
    ("users", ("department",), CANARY, "$.department type"),
    ("users", ("department", "id"), CANARY, "$.department.id type"),
    ("users", ("habilitedRoles",), {}, "$.habilitedRoles type"),
    ("users", ("habilitedRoles", 0), CANARY, "$.habilitedRoles[0] type"),
    ("users", ("habilitedRoles", 0, "id"), True, "$.habilitedRoles[0].id type"),
    ("users", ("modifiedAt",), CANARY, "$.modifiedAt format"),
    ("users", ("modifiedAt",), "2026-01-31T08:30:00Z", "$.modifiedAt format"),
    ("users", ("modifiedAt",), "2026-01-31", "$.modifiedAt format"),
    ("users", ("dtContractEnd",), "2026-02-30T00:00:00", "$.dtContractEnd format"),
    ("work_contracts", ("ownerId",), ABSENT, "$ required 'ownerId'"),
    ("work_contracts", ("isApplicable",), 1, "$.isApplicable type"),
    ("work_contracts", ("startsOn",), "2026-01-31T00:00:00", "$.startsOn format"),
    ("work_contracts", ("startsOn",), "20260131", "$.startsOn format"),
    ("work_contracts", ("endsOn",), "2026-02-30", "$.endsOn format"),
]


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
    section = text_of("README.md", "Import your company")
    quick_start = re.findall(r"^```text\n(.*?)^```$", section, re.DOTALL | re.MULTILINE)
    explained = "".join(commands(SETUP)).splitlines()
    assert [line for block in quick_start for line in block.splitlines() if line and line not in explained] == []


def test_setup(sandbox: Sandbox, project: Path) -> None:
    """The setup guide works from the installation to the first import, with settings only in `.env`."""
    variables = settings(sandbox)
    values = "".join(f"{name}={value}\n" for name, value in variables.items())
    (project / ".env").write_text(values)
    *_, dry_run, first = run_page(SETUP, project, {}, {"cp .env.example .env\n": ""})
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
def test_cron_keeps_secrets_from_others(sandbox: Sandbox, project: Path) -> None:
    """While the line for cron runs, nobody else can read the files that it writes; its account needs no home."""
    (project / ".env").write_text("".join(f"{name}={value}\n" for name, value in settings(sandbox).items()))
    sandbox.lucca.faults.add(Fault(WORK_CONTRACTS, "hang", seconds=10))
    variable, line = re.findall(r"^(?:[0-9]+ [0-9]+ \* \* \*  )?((?:XDG|cd).*)$", cron_lines(), re.MULTILINE)
    command = f"export HOME=/dev/null {variable}; {line}".replace("/srv/lucca-elimity", str(project))
    before = {*project.rglob("*")}
    with ThreadPoolExecutor() as pool:
        done = pool.submit(shell, command, project, {})
        wait_until(lambda: any(request.path == WORK_CONTRACTS for request in sandbox.lucca.requests))
        written = [path for path in {*project.rglob("*")} - before if path.is_file() and not path.is_symlink()]
        assert any(sandbox.lucca.api_key in path.read_text(errors="ignore") for path in written)
        assert [path for path in written if path.stat().st_mode & 0o077] == []
        assert done.result().exit_code == 0, done.result()
    assert len(sandbox.elimity.snapshots) == 1


def cron_lines() -> str:
    """Return the lines for cron in the setup guide."""
    (lines,) = re.findall(r"^```text\n(MAILTO=.*?)^```$", text_of(SETUP), re.MULTILINE | re.DOTALL)
    return str(lines)


@pytest.mark.slow
def test_after_the_setup(sandbox: Sandbox, project: Path) -> None:
    """The commands of the pages on settings, data, dry runs and imports work in one project."""
    environment = settings(sandbox)
    run_page("docs/configuration.md", project, environment)
    assert len(sandbox.elimity.snapshots) == 2
    (selection,) = run_page("docs/data.md", project, environment)
    assert "] users.dtContractEnd" in selection.stdout + selection.log
    api_token = {f"TARGET_ELIMITY_{name.upper()}": value for name, value in sandbox.api_token.items()}
    run_page("docs/dry-run.md", project, {**environment, **api_token})
    assert json.loads((project / "output" / "changes.json").read_text())["joined"] == []
    assert len(sandbox.elimity.snapshots) == 2
    *_, state = run_page("docs/how-imports-work.md", project, environment)
    assert json.loads(state.stdout)["singer_state"]["bookmarks"]["target-elimity"]["employees"] == 250
    assert len(sandbox.elimity.snapshots) == 3


def test_schemas(sandbox: Sandbox, project: Path) -> None:
    """The page's commands accept the tap's catalog and records, and fail if the pin declares another schema."""
    *_, last = run_page(SCHEMAS, project, settings(sandbox))
    assert last.stdout == f"{{'users': 250, 'work_contracts': {len(sandbox.contracts)}}}\n"
    pinned = project / "contracts" / "catalog.json"
    catalog = json.loads(pinned.read_text())
    catalog["streams"][1]["schema"]["properties"]["startsOn"]["type"] = "integer"
    pinned.write_text(json.dumps(catalog))
    *_, compare, _, _, validate = commands(SCHEMAS)
    assert shell(compare, project, {}).exit_code == 1
    failed = shell(validate, project, settings(sandbox))
    assert failed.exit_code == 1
    assert " $.startsOn type" in failed.log


def test_schemas_refuse_every_flaw(sandbox: Sandbox, project: Path) -> None:
    """The page's script names each property that is absent, unknown or of another type or format, but no value."""
    _, _, write, *_ = commands(SCHEMAS)
    assert shell(f"mkdir contracts\n{write}", project, {}).exit_code == 0
    sandbox.tap_settings = {"stream_maps": {"work_contracts": {"type": None, "externalId": None}}}
    messages = sandbox.tap().messages

    def validate(messages: list[dict[str, Any]]) -> Run:
        (project / "messages").write_text("".join(f"{json.dumps(message)}\n" for message in messages))
        return shell("python contracts/validate.py < messages", project, {})

    assert validate(messages).exit_code == 0
    for stream, path, value, told in FLAWS:
        flawed = deepcopy(messages)
        place: Any = next(
            message["record"]
            for message in flawed
            if (message["type"], message.get("stream")) == ("RECORD", stream)
            and message["record"].get("habilitedRoles") != []
        )
        *way, last = path
        for step in way:
            place = place[step]
        if value is ABSENT:
            del place[last]
        else:
            place[last] = value
        refused = validate(flawed)
        assert refused.exit_code == 1, path
        assert told in refused.log, path
        assert refused.log.count("\n") == 1, path
        assert CANARY not in refused.log
    without_contracts = [message for message in messages if message.get("stream") != "work_contracts"]
    assert validate(without_contracts).exit_code == 0  # as if the catalog deselected the stream
    assert validate([m for m in messages if (m["type"], m.get("stream")) != ("RECORD", "users")]).exit_code == 1
    assert validate([]).exit_code == 1


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
    """The page's upgrade works after an import, and a copy of the whole folder takes its STATE along."""
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
    copy = sandbox.folder / "copy"
    shutil.move(project, copy)
    state = shell("meltano --environment=production state get production:tap-lucca-to-target-elimity", copy, {})
    assert json.loads(state.stdout)["singer_state"]["bookmarks"]["target-elimity"]


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
    assert len(messages) > 10
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


def test_the_entry_of_the_worked_example() -> None:
    """The entry that CONTRIBUTING adds to the table of attributes makes an attribute of a field of users."""
    (entry,) = re.findall(r"Attribute\(.*\)", text_of("CONTRIBUTING.md", "Worked example: a new attribute"))
    attribute = eval(entry, vars(attributes))  # noqa: S307 - our own documentation
    assert (attribute.type, attribute.origin.fields) == ("string", ("users.costCenter",))


@pytest.mark.parametrize("our", [TapLucca, UsersStream, TargetElimity, MessageReader])
def test_every_private_override_of_the_sdk_is_listed(our: type) -> None:
    """CONTRIBUTING lists each method of the SDK that we override although its name says that it's private."""
    listed = re.findall(r"`(\w+)`", text_of("CONTRIBUTING.md", "Upgrade the Singer SDK"))
    theirs = {name for base in our.__mro__ if base.__module__.startswith("singer_sdk") for name in vars(base)}
    ours = {name for base in our.__mro__ if base.__module__.startswith(OUR_MODULES) for name in vars(base)}
    private = {name for name in theirs & ours if name.startswith("_") and not name.startswith(("__", "_abc"))}
    assert private <= set(listed)
