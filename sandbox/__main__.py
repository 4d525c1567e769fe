"""Run the sandbox: `python -m sandbox [options] [-- COMMAND …]`."""

import argparse
import os
import shlex
import subprocess
import sys
import threading
from contextlib import ExitStack
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from random import Random

from sandbox.arrivals import printable, summarize
from sandbox.company import DEPARTMENTS, generate_company
from sandbox.elimity import Elimity
from sandbox.lucca import Lucca
from sandbox.server import serve

EXIT_NOT_FOUND = 127
EXIT_SIGNAL = 128
EXIT_INTERRUPTED = 130


def main(arguments: list[str]) -> int:
    """Serve until Ctrl-C, or while the command after `--` runs; return the exit code."""
    own, command = _split(arguments)
    options = _parser().parse_args(own)
    # Names may contain characters that the terminal's encoding lacks.
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")
    lucca = Lucca(generate_company(options.employees, options.seed, options.today))
    elimity = Elimity()
    with ExitStack() as servers:
        try:
            lucca_url = servers.enter_context(serve(lucca.app, options.lucca_port))
            elimity_url = servers.enter_context(serve(elimity.app, options.elimity_port))
        except OSError as error:
            print(f"Cannot serve: {error}", file=sys.stderr)
            return 1
        environment = {
            "TAP_LUCCA_HOST": lucca_url,
            "TAP_LUCCA_API_KEY": lucca.api_key,
            "TARGET_ELIMITY_URL": elimity_url,
            "TARGET_ELIMITY_SOURCE_ID": elimity.source_id,
            "TARGET_ELIMITY_SOURCE_TOKEN": elimity.source_token,
        }
        if options.api_token:
            environment |= {
                "TARGET_ELIMITY_API_TOKEN_ID": elimity.api_token_id,
                "TARGET_ELIMITY_API_TOKEN_SECRET": elimity.api_token_secret,
            }
        if options.env_file:
            options.env_file.write_text("".join(f"{name}={value}\n" for name, value in environment.items()))
        try:
            if command:
                code = _run(command, environment)
                if options.then and code == 0:
                    print(f"\n{change(lucca)}", flush=True)
                    code = _run(["sh", "-c", options.then], environment)
                if code != EXIT_NOT_FOUND:
                    print(f"\n{summarize(elimity)}", flush=True)
                return code
            _welcome(environment, options.employees)
            threading.Event().wait()
        except KeyboardInterrupt:
            print()
    return EXIT_INTERRUPTED if command else 0


def _split(arguments: list[str]) -> tuple[list[str], list[str]]:
    if "--" not in arguments:
        return arguments, []
    position = arguments.index("--")
    return arguments[:position], arguments[position + 1 :]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m sandbox",
        description="A Lucca and an Elimity Insights on loopback.",
        usage="%(prog)s [options] [-- COMMAND ...]",
        epilog="With a COMMAND: run it against them, then tell what arrived. Without: serve until Ctrl-C.",
    )
    today = datetime.now(UTC).date()
    parser.add_argument("--employees", type=_count, default=250, metavar="N", help="how large the company is")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="the same seed makes the same company")
    parser.add_argument("--lucca-port", type=int, default=0, metavar="PORT", help="0 takes a free one")
    parser.add_argument("--elimity-port", type=int, default=0, metavar="PORT", help="0 takes a free one")
    parser.add_argument("--today", type=date.fromisoformat, default=today, metavar="YYYY-MM-DD", help="Lucca's day")
    parser.add_argument("--env-file", type=Path, metavar="PATH", help="write URLs and credentials into this file")
    parser.add_argument(
        "--api-token", action="store_true", help="also give out the API token, which reads back what the source holds"
    )
    parser.add_argument(
        "--then", metavar="SCRIPT", help="after the COMMAND, change a few people in Lucca and run this shell script"
    )
    return parser


def _count(text: str) -> int:
    count = int(text)
    if count < 0:
        raise argparse.ArgumentTypeError("a company has no less than 0 employees")
    return count


def _welcome(environment: dict[str, str], employees: int) -> None:
    host, api_key = environment["TAP_LUCCA_HOST"], environment["TAP_LUCCA_API_KEY"]
    exports = "\n".join(f"  export {name}={shlex.quote(value)}" for name, value in environment.items())
    print(
        f"Lucca, with {employees} employees:  {host}\n"
        f"Elimity Insights:           {environment['TARGET_ELIMITY_URL']}\n"
        "\n"
        "Check Lucca:\n"
        f"  curl -H 'Authorization: lucca application={api_key}' '{host}/api/v3/users?paging=0,1'\n"
        "\n"
        "Import, from another terminal at the root of the repository:\n"
        f"{exports}\n"
        "  .venv/bin/meltano --environment=sandbox run tap-lucca target-elimity\n"
        "\n"
        "Ctrl-C ends it.",
        flush=True,
    )


def change(lucca: Lucca) -> str:
    """Make one person join, one leave and one move, delete another, and return what happened."""
    (joiner,) = lucca.hire(1, Random(1))
    yesterday = f"{lucca.company.today - timedelta(days=1)}T00:00:00"
    with lucca.changing() as company:
        leaver, mover, gone = [user for user in company.users if user["dtContractEnd"] is None and user["name"]][1:4]
        leaver["dtContractEnd"] = yesterday
        mover["department"] = next(one for one in DEPARTMENTS if one != mover["department"])
    lucca.delete_users({gone["id"]})
    happened = ((joiner, "joins"), (leaver, "left yesterday"), (mover, "moves"), (gone, "is deleted"))
    return "Lucca changes: " + ", ".join(f"{printable(str(user['name']))} {what}" for user, what in happened) + "."


def _run(command: list[str], environment: dict[str, str]) -> int:
    try:
        code = subprocess.run(command, env={**os.environ, **environment}, check=False).returncode  # noqa: S603 - intended
    except OSError as error:
        print(f"Cannot run {command[0]}: {error.strerror}", file=sys.stderr)
        return EXIT_NOT_FOUND
    return code if code >= 0 else EXIT_SIGNAL - code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
