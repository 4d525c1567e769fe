"""The Makefile: what it exports, when it installs, and what it never does unasked."""

import re
from pathlib import Path

import pytest

from tests.harness import ROOT
from tests.project import shell

SHOW = "make --silent --eval='show: ; @echo certs=$$UV_SYSTEM_CERTS,$$PIP_CERT state=$$XDG_STATE_HOME' show"
UNSET = "env -u SSL_CERT_FILE -u UV_SYSTEM_CERTS -u PIP_CERT"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Make a checkout in which everything is installed, as far as make can see."""
    for name in ("Makefile", "pyproject.toml", "requirements.txt", "requirements-dev.txt"):
        (tmp_path / name).symlink_to(ROOT / name)
    for project in ROOT.glob("*/pyproject.toml"):
        (tmp_path / project.parent.name).symlink_to(project.parent)
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / "ready").write_text(f"{tmp_path / '.venv'}\n")
    (tmp_path / ".venv" / "dev").touch()
    return tmp_path


def test_uv_and_pip_trust_what_the_system_trusts(tmp_path: Path) -> None:
    """Where the system has a store of certificates, uv and pip use it; elsewhere, their own. A user's choice stays."""
    store = tmp_path / "store.crt"
    assert "certs=, " in shell(f"{UNSET} {SHOW} STORES={store}", ROOT, {}).stdout
    store.touch()
    assert f"certs=true,{store} " in shell(f"{UNSET} {SHOW} STORES={store}", ROOT, {}).stdout
    chosen = {"UV_SYSTEM_CERTS": "false", "PIP_CERT": "mine.crt"}
    assert "certs=false,mine.crt " in shell(f"{SHOW} STORES={store}", ROOT, chosen).stdout


def test_an_account_without_a_home(tmp_path: Path) -> None:
    """If there is no home, the logs of Meltano go into the checkout; if there is one, they go where Meltano wants."""
    assert f"state={ROOT}/.meltano\n" in shell(f"env -u XDG_STATE_HOME {SHOW}", ROOT, {"HOME": "/nonexistent"}).stdout
    assert "state=\n" in shell(f"env -u XDG_STATE_HOME {SHOW}", ROOT, {"HOME": str(tmp_path)}).stdout


def test_a_checkout_that_moved_is_installed_again(checkout: Path) -> None:
    """Make installs into a `.venv` that was made elsewhere, from scratch, and leaves one alone that is in its place."""
    dry_run = "make --dry-run install"
    assert "venv" not in shell(dry_run, checkout, {}).stdout
    moved = checkout / "moved"
    moved.mkdir()
    for path in [path for path in checkout.iterdir() if path != moved]:
        path.rename(moved / path.name)
    assert "-m venv --clear .venv" in shell(dry_run, moved, {}).stdout


def test_only_ci_installs_a_browser(checkout: Path) -> None:
    """`make test` installs no browser, with no tool of the system, unless `CI` is set."""
    dry_run = "make --dry-run --assume-old=check test"
    assert "scripts.browser" not in shell(f"env -u CI {dry_run}", checkout, {}).stdout
    assert "scripts.browser" in shell(dry_run, checkout, {"CI": "true"}).stdout


def test_only_its_owner_reads_what_meltano_writes() -> None:
    """`make install` makes a folder for Meltano that nobody else can read: it holds keys while Meltano runs."""
    assert (ROOT / ".meltano").stat().st_mode & 0o777 == 0o700


def test_operators_get_no_tools_of_developers() -> None:
    """What `make install` installs has none of the developers' tools, and no package is locked twice."""
    operators, developers = (
        set(re.findall(r"^(\S+)==", (ROOT / name).read_text(), re.MULTILINE))
        for name in ("requirements.txt", "requirements-dev.txt")
    )
    assert {"mypy", "playwright", "pytest", "ruff"} <= developers
    assert not operators & developers
