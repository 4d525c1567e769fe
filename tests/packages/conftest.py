"""The packages as they are given to others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.packages.support import MAKE_DIST
from tests.project import new_project, shell

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="session")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build all packages, and return the folder that they are in."""
    project = new_project(tmp_path_factory.mktemp("dist"))
    build = shell(MAKE_DIST, project, {})
    assert build.exit_code == 0, build.log
    return project / "dist"
