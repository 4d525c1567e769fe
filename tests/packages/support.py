"""Helpers for the tests of the packages."""

from pathlib import Path

PYTHONS = ["3.11", "3.12", "3.13", "3.14"]
# Keeps make from reinstalling the environment of the tests, even if it is older than the lock files.
MAKE_DIST = "make --old-file=.venv/ready --old-file=.venv/dev dist"


def module_of(package: str) -> str:
    """Return the name that a package is imported by."""
    return package.replace("-", "_")


def wheel_of(dist: Path, package: str) -> Path:
    """Return the wheel of a package."""
    (wheel,) = dist.glob(f"{module_of(package)}-*.whl")
    return wheel
