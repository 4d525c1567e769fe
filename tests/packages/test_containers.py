"""The container files: what they rely on, and the images themselves if podman can build them."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.harness import ROOT, Run, Sandbox, run
from tests.project import settings, shell

AGENT, GATEWAY = "deploy/Containerfile", "lucca-gateway/Containerfile"
LOCK = ROOT / "requirements.txt"


@pytest.fixture(params=[AGENT, GATEWAY])
def container_file(request: pytest.FixtureRequest) -> str:
    """Return the text of each container file."""
    return (ROOT / str(request.param)).read_text(encoding="utf-8").replace("\\\n", " ")


def test_all_that_is_copied_is_there(container_file: str) -> None:
    """Each source of a COPY is in the checkout, and `.dockerignore` lets a build see it."""
    lines = re.findall(r"^COPY ([^-].*) \S+$", container_file, re.MULTILINE)
    copied = {source for line in lines for source in line.split()}
    assert {"requirements.txt", "release", "tap-lucca", "target-elimity"} <= copied
    allowed = re.findall(r"^!(.*)$", (ROOT / ".dockerignore").read_text(encoding="utf-8"), re.MULTILINE)
    seen = {path.relative_to(ROOT).parts[0] for pattern in allowed for path in ROOT.glob(pattern)}
    assert copied <= seen


def test_uv_comes_with_its_hashes(container_file: str, tmp_path: Path) -> None:
    """The container file extracts exactly uv and its hashes from the lock file, in a form that can be installed."""
    (command,) = re.findall(r"(sed .* requirements\.txt) >", container_file)
    cut = shell(command, ROOT, {}).stdout
    assert re.findall(r"^\S+==\S+", cut, re.MULTILINE) == re.findall(r"^uv==\S+", LOCK.read_text(), re.MULTILINE)
    (tmp_path / "uv.txt").write_text(cut)
    dry_run = ("pip", "install", "--dry-run", "--target", tmp_path, "--require-hashes", "--requirement")
    uv = run("uv", *dry_run, tmp_path / "uv.txt")
    assert uv.exit_code == 0, uv.log


@pytest.mark.parametrize(
    ("variable", "tampered", "command"),
    [
        ("UV_CONSTRAINT", "typing-extensions", "pip install typing-extensions --target"),
        ("UV_BUILD_CONSTRAINT", "hatchling", "build --wheel tap-lucca --out-dir"),
    ],
)
def test_what_is_not_as_locked_is_not_installed(tmp_path: Path, variable: str, tampered: str, command: str) -> None:
    """Uv refuses a file whose hash isn't in the lock file, for running or building. Both images rely on that."""
    assert all(f"{variable}=" in (ROOT / name).read_text(encoding="utf-8") for name in (AGENT, GATEWAY))
    block = re.compile(rf"^{tampered}==.*?[^\\]$", re.MULTILINE | re.DOTALL)
    text, changes = block.subn(lambda match: re.sub("sha256:.{8}", "sha256:00000000", match[0]), LOCK.read_text())
    assert changes == 1
    (tmp_path / "tampered.lock").write_text(text)
    good = run("uv", *command.split(), tmp_path / "good", env={variable: str(LOCK)})
    assert good.exit_code == 0, good.log
    bad = run("uv", *command.split(), tmp_path / "bad", env={variable: str(tmp_path / "tampered.lock")})
    assert bad.exit_code != 0
    assert "Hash mismatch" in bad.log
    assert tampered in bad.log


def test_the_image_has_what_its_job_needs() -> None:
    """The container file installs exactly the plugins of the job that it runs."""
    text = (ROOT / AGENT).read_text(encoding="utf-8")
    (job,) = re.findall(r'^CMD \["run", "(.*)"\]$', text, re.MULTILINE)
    (installed,) = re.findall(r"pip install --python .venv (\./.*)$", text, re.MULTILINE)
    jobs = {entry["name"]: entry["tasks"] for entry in yaml.safe_load((ROOT / "meltano.yml").read_text())["jobs"]}
    assert jobs[job] == [installed.replace("./", "")]


@pytest.fixture
def podman(tmp_path: Path) -> Iterator[str]:
    """Return a name for a test's image and volume, if podman works."""
    if not shutil.which("podman"):
        pytest.skip("podman is not on this machine")
    if shell("podman run --rm --pull=never --network host python:3.14-slim true", ROOT, {}).exit_code:
        pytest.skip("podman cannot run a container of python:3.14-slim on this machine")
    name = f"test-{tmp_path.parent.name}-{tmp_path.name}"
    yield name
    shell(f"podman volume rm --force {name}; podman image rm --force {name}", ROOT, {})


def test_a_container_imports_and_remembers(sandbox: Sandbox, podman: str) -> None:
    """Read-only and without root, two runs with one volume import twice, and the volume holds the state."""

    def succeed(command: str) -> Run:
        done = shell(command, ROOT, settings(sandbox), patience=600)
        assert done.exit_code == 0, done.stdout + done.log
        return done

    succeed(f"podman build --pull=never --file {AGENT} --tag {podman} .")
    variables = " ".join(f"--env {name}" for name in settings(sandbox))
    container = (
        f"podman run --rm --network host --read-only --read-only-tmpfs=false --tmpfs /tmp "
        f"--volume {podman}:/state {variables} {podman}"
    )
    for imports in (1, 2):
        succeed(container)
        assert len(sandbox.elimity.snapshots) == imports
    state = succeed(f"{container} state get production:tap-lucca-to-target-elimity").stdout
    assert f'"employees":{len(sandbox.entities)}' in state


def test_the_gateway_starts_in_its_container(podman: str) -> None:
    """The gateway starts read-only and without root, as its README says."""
    built = shell(f"podman build --pull=never --file {GATEWAY} --tag {podman} .", ROOT, {}, patience=600)
    assert built.exit_code == 0, built.stdout + built.log
    started = shell(f"podman run --rm --network host --read-only --tmpfs /tmp {podman} --version", ROOT, {})
    assert started.stdout.startswith("lucca-gateway "), started.log
