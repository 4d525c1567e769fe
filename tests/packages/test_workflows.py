"""The workflows of GitHub."""

from typing import Any

import yaml

from tests.harness import ROOT
from tests.packages.support import PYTHONS


def workflow(name: str) -> dict[str, Any]:
    """Return a workflow's jobs."""
    jobs: dict[str, Any] = yaml.safe_load((ROOT / ".github/workflows" / name).read_text(encoding="utf-8"))["jobs"]
    return jobs


def commands_of(job: dict[str, Any]) -> list[str]:
    """Return the commands that a job runs."""
    return [step["run"] for step in job["steps"] if "run" in step]


def test_ci_runs_what_a_developer_runs() -> None:
    """One job runs `make check`, and another all tests on every supported Python."""
    jobs = workflow("ci.yml")
    assert commands_of(jobs["check"]) == ["make check"]
    assert commands_of(jobs["test"]) == [".ci/run"]
    assert jobs["test"]["strategy"]["matrix"]["python"] == PYTHONS


def test_only_what_was_tested_is_released() -> None:
    """A release runs all tests, then builds what is attached; publishing it is off until a variable says otherwise."""
    jobs = workflow("release.yml")
    assert commands_of(jobs["build"])[:2] == [".ci/run", "make dist"]
    assert (jobs["release"]["needs"], jobs["publish"]["needs"]) == ("build", "release")
    assert jobs["publish"]["if"] == "vars.PUBLISH == 'true'"
