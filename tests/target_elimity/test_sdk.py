"""The SDK's own tests for targets.

They feed streams that aren't part of an import. So each run must process all messages without an error, and then refuse
the import because it has no users. Left out:

- `TargetRecordMissingKeyProperty`: the target ignores other streams unread, and checks the key of its own streams with
  their type.
- `TargetMultipleStateMessages`, which the SDK leaves out too: it expects STATE before the end of the input, which this
  target must never emit.
"""

import pytest
from lucca_elimity_kit.errors import ConnectorError
from singer_sdk.testing import get_target_test_class
from singer_sdk.testing.suites import SingerTestSuite, target_tests
from singer_sdk.testing.target_tests import (
    TargetCliPrintsTest,
    TargetInvalidSchemaTest,
    TargetRecordBeforeSchemaTest,
    TargetRecordMissingKeyProperty,
)
from singer_sdk.testing.templates import TargetTestTemplate
from target_elimity.target import TargetElimity

# These expect other errors, or feed nothing.
_AS_THEY_ARE = (
    TargetCliPrintsTest,
    TargetInvalidSchemaTest,
    TargetRecordBeforeSchemaTest,
)


def _refused(template: type[TargetTestTemplate]) -> type[TargetTestTemplate]:
    """Return the test, changed to expect the refusal at its end."""

    class Refused(template):  # type: ignore[valid-type, misc] # a class per test of the SDK
        def test(self) -> None:
            with pytest.raises(ConnectorError, match="'users'"):
                super().test()

    return Refused


_suite: SingerTestSuite[TargetTestTemplate] = SingerTestSuite(
    kind="target",
    tests=[
        test if test in _AS_THEY_ARE else _refused(test)
        for test in target_tests.tests
        if test is not TargetRecordMissingKeyProperty
    ],
)

TestTargetElimity = get_target_test_class(
    TargetElimity,
    config={"output_path": "never-written"},
    include_target_tests=False,
    custom_suites=[_suite],
    parse_env_config=False,
)
