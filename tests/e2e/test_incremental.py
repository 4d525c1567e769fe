"""Incremental `users` are for other targets: target-elimity refuses them, because it needs the whole company."""

import json
import re
from textwrap import indent

from tests.harness import ROOT, Sandbox
from tests.project import new_project, settings, shell

TOLD = "The stream 'users' is incremental"
EXTRACTOR = """
    executable: tap-lucca
"""


def test_target_elimity_refuses_incremental_users(sandbox: Sandbox) -> None:
    """The target uploads nothing, even if the tap reads everybody and STATE holds the marks of a full-table run."""
    catalog = json.loads((ROOT / "tap-lucca/catalog.json").read_text())
    for stream in catalog["streams"]:
        if stream["stream"] == "users":
            stream.update(replication_method="INCREMENTAL", replication_key="modifiedAt")
    state = sandbox.file("state.json", sandbox.tap().state)
    tap, target = sandbox.pipeline("--catalog", sandbox.file("catalog.json", catalog), "--state", state)
    assert tap.exit_code == 0
    assert len(tap.records("users")) == 250
    assert target.exit_code == 1
    assert TOLD in target.log
    assert sandbox.elimity.snapshots == []
    # Even a target that ignores the bookmark properties would find no completion mark.
    target = sandbox.target(tap.stdout.replace('"bookmark_properties":["modifiedAt"]', '"bookmark_properties":[]'))
    assert target.exit_code == 1
    assert "The stream 'users' is incomplete" in target.log
    assert sandbox.elimity.snapshots == []


def test_meltano_asks_for_incremental_users(sandbox: Sandbox) -> None:
    """The `metadata:` from the plugin's README reaches the tap through Meltano, and the target uploads nothing."""
    project = new_project(sandbox.folder)
    (metadata,) = re.findall(r"```yaml\n(metadata:\n.*?)```", (ROOT / "tap-lucca/README.md").read_text(), re.DOTALL)
    definition = (project / "meltano.yml").read_text()
    assert definition.count(EXTRACTOR) == 1
    (project / "meltano.yml").write_text(definition.replace(EXTRACTOR, EXTRACTOR + indent(metadata, "    ")))
    run = shell("meltano --environment=sandbox run tap-lucca target-elimity", project, settings(sandbox))
    assert run.exit_code != 0
    assert "Beginning sync of 'users' in incremental mode" in run.log + run.stdout
    assert TOLD in run.log + run.stdout
    assert sandbox.elimity.snapshots == []
