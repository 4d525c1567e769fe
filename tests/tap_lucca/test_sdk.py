"""The SDK's own tests for taps, against a served Lucca. None is left out."""

import atexit
from contextlib import ExitStack
from pathlib import Path

import pytest
from singer_sdk.testing import get_tap_test_class
from tap_lucca.tap import TapLucca

from tests.harness import open_sandbox

# Like the documentation's example, the sandbox's contracts have no `externalId`.
pytestmark = pytest.mark.filterwarnings("ignore:Fields in transformed catalog but not in records.*'externalId'")

# The SDK's test classes need their configuration when they are created, so the server runs until the process ends.
_stack = ExitStack()
atexit.register(_stack.close)
_sandbox = open_sandbox(_stack, Path())

TestTapLucca = get_tap_test_class(TapLucca, config=_sandbox.tap_config, parse_env_config=False)
