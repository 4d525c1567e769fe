"""Fixtures: the built packages."""

from pathlib import Path

import pytest

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
