"""The tap with somebody else's target."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

from tests.harness import PATIENCE, ROOT, SCRIPTS

if TYPE_CHECKING:
    from tests.harness import Sandbox


def test_target_jsonl_loads_both_streams(sandbox: Sandbox) -> None:
    """target-jsonl, from the package index and in an environment of its own, writes every record of both streams."""
    environment = sandbox.folder / "environment"
    requirements = ROOT / "tests/e2e/target-jsonl.lock"
    for arguments in (
        ("venv", "--python", sys.executable, environment),
        ("pip", "install", "--require-hashes", "--python", environment, "--requirement", requirements),
    ):
        subprocess.run([SCRIPTS / "uv", *arguments], check=True, capture_output=True, timeout=PATIENCE)
    tap = sandbox.tap()
    target = subprocess.run(
        [environment / "bin" / "target-jsonl"],
        input=tap.stdout,
        text=True,
        cwd=sandbox.folder,
        check=True,
        capture_output=True,
        timeout=PATIENCE,
    )
    for stream in ("users", "work_contracts"):
        (file,) = sandbox.folder.glob(f"{stream}-*.jsonl")
        assert [json.loads(line) for line in file.read_text().splitlines()] == tap.records(stream)
    assert json.loads(target.stdout.splitlines()[-1]) == tap.state
