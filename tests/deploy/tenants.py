"""Adds and imports tenants as the documentation says."""

from pathlib import Path

from tests.harness import Run, Sandbox
from tests.project import commands, shell

PAGE = "docs/many-tenants.md"


def examples(sandbox: Sandbox) -> dict[str, str]:
    """Return the page's example addresses of a tenant's servers, and the sandbox's to replace them with."""
    sandbox.elimity.source_id = "12"
    return {"acme.ilucca.net": sandbox.lucca_url, "https://acme.elimity.com": sandbox.elimity_url}


def secrets(name: str, sandbox: Sandbox) -> dict[str, str]:
    """Return the variables with a tenant's secrets, which no other tenant has."""
    sandbox.lucca.api_key = f"{name}-api-key"
    sandbox.elimity.source_token = f"{name}-source-token"
    return {
        f"{name.upper()}_LUCCA_API_KEY": sandbox.lucca.api_key,
        f"{name.upper()}_ELIMITY_SOURCE_TOKEN": sandbox.elimity.source_token,
    }


def add_tenant(project: Path, name: str, sandbox: Sandbox) -> dict[str, str]:
    """Write a tenant's file with the command of the page, and return its environment variables."""
    command = commands(PAGE)[0]
    for example, value in {**examples(sandbox), "acme": name, "ACME": name.upper()}.items():
        command = command.replace(example, value)
    assert shell(command, project, {}).exit_code == 0
    # With this rate, nothing waits for the rate limit.
    return {"TAP_LUCCA_REQUESTS_PER_MINUTE": "10000", **secrets(name, sandbox)}


def import_tenant(project: Path, name: str, environment: dict[str, str]) -> Run:
    """Import a tenant as the page says."""
    command = f"meltano --environment={name} el tap-lucca target-elimity --state-id={name}:tap-lucca-to-target-elimity"
    return shell(command, project, environment)
