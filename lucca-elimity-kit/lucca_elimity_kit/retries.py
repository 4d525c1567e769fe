"""The retry policy, and the errors of calls."""

import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TypeVar, cast

from tenacity import RetryCallState, Retrying, retry_if_exception

from lucca_elimity_kit.errors import ConnectorError

T = TypeVar("T")

LONGEST_PAUSE = 60.0
LONGEST_RETRY_AFTER = 10.0**9


class CallError(ConnectorError):
    """A call failed.

    Attributes:
        status: The status of the last answer, if there was one.
        answer_lost: Whether the server may have processed the request in any of the tries, although no answer arrived.
    """

    def __init__(self, message: str, *, status: int | None = None, answer_lost: bool = False) -> None:
        super().__init__(message)
        self.status = status
        self.answer_lost = answer_lost


class FailedTryError(Exception):
    """One try of a call failed. A caller's check of an answer may raise it, too.

    Its text follows the name of the other system, such as "answers 404 (not found)".
    """

    def __init__(
        self,
        problem: str,
        *,
        transient: bool = False,
        status: int | None = None,
        retry_after: float | None = None,
        answer_lost: bool = False,
    ) -> None:
        super().__init__(problem)
        self.transient = transient
        self.status = status
        self.retry_after = retry_after
        self.answer_lost = answer_lost


@dataclass(frozen=True)
class Retries:
    """Retries the temporary failures of a call.

    Attributes:
        server: The name of the other system in messages.
        max_seconds: Seconds during which to retry a temporary failure; 0 means one try.
        logger: Where pauses are logged.
        rate_limit_pause: Seconds to wait after a 429 that doesn't say how long.
        sleep: Waits for some seconds. An exception that it raises ends the call.
    """

    server: str
    max_seconds: float
    logger: logging.Logger
    rate_limit_pause: float | None = None
    sleep: Callable[[float], None] = time.sleep

    def run(self, attempt: Callable[[], T], what: str) -> T:
        """Make attempts until one doesn't raise FailedTryError, and return its result.

        Raises:
            CallError: The last try failed.
        """
        lost: list[bool] = []
        try:
            return Retrying(
                retry=retry_if_exception(lambda error: isinstance(error, FailedTryError) and error.transient),
                wait=self._pause,
                stop=self._is_over,
                after=lambda state: lost.append(_error_of(state).answer_lost),
                before_sleep=self._log_pause,
                sleep=self.sleep,
                reraise=True,
            )(attempt)
        except FailedTryError as error:
            raise self.as_call_error(error, what, answer_lost=any(lost)) from None

    def as_call_error(self, error: FailedTryError, what: str, *, answer_lost: bool = False) -> CallError:
        """Return the error to raise after the last try."""
        tried = (
            f" after retrying for up to {self.max_seconds:g} seconds" if error.transient and self.max_seconds else ""
        )
        asked = ""
        if error.transient and error.retry_after:
            asked = f" (it asks to wait {error.retry_after:.0f} seconds)"
        return CallError(
            f"{what} failed{tried}: {self.server} {error}{asked}.",
            status=error.status,
            answer_lost=answer_lost or error.answer_lost,
        )

    def _pause(self, state: RetryCallState) -> float:
        """Return the requested pause, else 1, 2, 4 … up to 60 seconds, plus up to a second at random."""
        error = _error_of(state)
        pause = min(2.0 ** min(state.attempt_number - 1, 10), LONGEST_PAUSE)
        if error.status == HTTPStatus.TOO_MANY_REQUESTS and self.rate_limit_pause is not None:
            pause = self.rate_limit_pause
        if error.retry_after is not None:
            pause = error.retry_after
        pause += random.random()  # noqa: S311 - spreads the tries
        return max(min(pause, self._left(state)), 0.0)

    def _is_over(self, state: RetryCallState) -> bool:
        left = self._left(state)
        return left <= 0 or (_error_of(state).retry_after or 0.0) > left

    def _left(self, state: RetryCallState) -> float:
        # Pauses count in full, even in tests whose `sleep` doesn't wait.
        return self.max_seconds - max(state.seconds_since_start or 0.0, state.idle_for)

    def _log_pause(self, state: RetryCallState) -> None:
        seconds = state.next_action.sleep if state.next_action else 0.0
        self.logger.warning("%s %s; waiting %.0f seconds before the next try.", self.server, _error_of(state), seconds)


def retry_after_of(value: str) -> float | None:
    """Return the seconds to wait according to a Retry-After header: a number or an HTTP date; None if it is neither."""
    value = value.strip()
    if value.isascii() and value.isdecimal():
        return min(float(value), LONGEST_RETRY_AFTER)
    try:
        return max((parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds(), 0.0)
    except (OverflowError, TypeError, ValueError):
        return None


def _error_of(state: RetryCallState) -> FailedTryError:
    return cast("FailedTryError", state.outcome.exception() if state.outcome else None)
