"""Twenty companies at once."""

import gc
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from sandbox.pulling import GENERATIONS, Generation, pull, running_gateway
from tests.harness import Sandbox, open_sandbox
from tests.lucca_gateway.support import ENVIRONMENT, configuration

IMPORTS, EMPLOYEES = 20, 2000


@pytest.mark.slow
def test_twenty_imports_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With 20 tenants in both generations, nobody is lost or mixed up, and the memory stays bounded."""
    with ExitStack() as stack:
        companies = [open_sandbox(stack, tmp_path, EMPLOYEES, seed) for seed in range(IMPORTS)]
        settings = {**ENVIRONMENT, "LUCCA_GATEWAY_PAGE_SIZE": "1000"}
        # Keeps the collector from scanning millions of rows, which are no garbage, again and again.
        gc.freeze()
        stack.callback(gc.unfreeze)
        gateway = stack.enter_context(running_gateway(settings))
        idle = _memory(gateway.process.pid, "VmRSS")
        start = time.monotonic()

        def run(company: Sandbox, generation: Generation) -> float:
            pull(company.elimity, gateway.url, generation, configuration(company))
            return time.monotonic() - start

        with ThreadPoolExecutor(IMPORTS) as pool:
            seconds = sorted(pool.map(run, companies, GENERATIONS * (IMPORTS // 2)))
        peak = _memory(gateway.process.pid, "VmHWM")
        for company in companies:
            arrived = company.elimity.current.body["entities"] if company.elimity.current else []
            assert len(arrived) == EMPLOYEES
            # The login is the first attribute, and everybody has one.
            logins = {entity["id"]: entity["attributeAssignments"][0]["value"]["value"] for entity in arrived}
            assert logins == {str(user["id"]): user["login"] for user in company.lucca.company.users}
    with capsys.disabled():
        print(  # noqa: T201 - shows the figures
            f"\n{IMPORTS} imports of {EMPLOYEES} employees at once: {seconds[-1]:.1f} s in all "
            f"({IMPORTS * EMPLOYEES / seconds[-1]:.0f} employees/s), first done after {seconds[0]:.1f} s; "
            f"memory of the gateway {idle} MB before, {peak} MB at most"
        )
    assert peak - idle < 300


def _memory(pid: int, name: str) -> int:
    """Return a figure of a process's memory, in MB; 0 if the system doesn't provide it."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    except OSError:
        return 0
    return next(int(line.split()[1]) // 1024 for line in status.splitlines() if line.startswith(f"{name}:"))
