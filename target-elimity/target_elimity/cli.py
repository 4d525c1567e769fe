"""The console script."""

from __future__ import annotations

import sys

from simplejson import JSONDecodeError  # what the SDK reads its files with
from singer_sdk.exceptions import SingerSDKError

from target_elimity.target import TargetElimity


def main() -> None:
    """Run the target; an error that was foreseen is told in one sentence, without a traceback, and exits with 1."""
    try:
        TargetElimity.cli()
    except SingerSDKError as error:
        _fail(str(error))
    except JSONDecodeError as error:
        _fail(f"A configuration file is not valid JSON: {error}.")
    except OSError as error:
        _fail(f"A file could not be used: {error}")


def _fail(message: str) -> None:
    TargetElimity.logger.critical(message)
    sys.exit(1)
