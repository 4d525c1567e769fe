"""Fixtures for all tests."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from tests.harness import Sandbox, open_sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[Sandbox]:
    """Serve a company of 250."""
    with ExitStack() as stack:
        yield open_sandbox(stack, tmp_path)
