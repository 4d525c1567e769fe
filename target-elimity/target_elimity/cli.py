"""The console script."""

from __future__ import annotations

import logging
import signal
import sys

from lucca_elimity_kit.errors import ConnectorError
from simplejson import JSONDecodeError  # what the SDK reads its files with
from singer_sdk.exceptions import SingerSDKError


def main() -> None:
    """Run the target; an error that was foreseen is told in one sentence, without a traceback, and exits with 1."""
    # Until the plugin sets its own handler: Ctrl-C while modules are loaded, which takes its time, is no traceback.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    from target_elimity.target import TargetElimity  # noqa: PLC0415 - see above

    try:
        TargetElimity.cli()
    except (ConnectorError, SingerSDKError) as error:
        _fail(str(error))
    except JSONDecodeError as error:
        _fail(f"A configuration file is not valid JSON: {error}.")
    except OSError as error:
        _fail(f"A file could not be used: {error}")


def _fail(message: str) -> None:
    logging.getLogger("target-elimity").critical(message)
    sys.exit(1)
