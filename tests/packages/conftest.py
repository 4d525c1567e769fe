"""Fixtures: the built packages, and a repository of their code."""

import shutil
from pathlib import Path

import pytest

from tests.harness import PACKAGES, ROOT
from tests.packages.support import MAKE_DIST
from tests.project import new_project, once, shell


@pytest.fixture(scope="session")
def dist(shared: Path) -> Path:
    """Build all packages, and return their folder."""

    def build() -> Path:
        (shared / "project").mkdir()
        project = new_project(shared / "project")
        made = shell(MAKE_DIST, project, {})
        assert made.exit_code == 0, made.log
        return project / "dist"

    return once(shared / "dist", build)


@pytest.fixture
def repository(tmp_path: Path) -> str:
    """Make a git repository of the published parts of this checkout, and return its URL."""
    folder = tmp_path / "repository"
    folder.mkdir()
    for name in ("hub", "requirements.txt", "release", *PACKAGES):
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, symlinks=True)
        else:
            shutil.copy(ROOT / name, folder / name)
    identity = "-c user.name=test -c user.email=test@example.com -c commit.gpgsign=false"
    made = shell(f"git init --quiet && git add . && git {identity} commit --quiet --message test", folder, {})
    assert made.exit_code == 0, made.log
    return folder.as_uri()
