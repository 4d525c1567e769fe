"""Limits the number of requests in a sliding window of time."""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock


@dataclass(slots=True)
class RateLimit:
    """Lets `requests` pass in any window of `seconds` (None: no limit). Refused requests don't count."""

    requests: int | None = 50
    seconds: float = 60.0
    clock: Callable[[], float] = time.monotonic
    _passed: deque[float] = field(default_factory=deque)
    _lock: Lock = field(default_factory=Lock)

    def seconds_to_wait(self) -> float:
        """Let a request pass and return 0, or return the seconds until one would pass."""
        if self.requests is None:
            return 0.0
        now = self.clock()
        with self._lock:
            while self._passed and now - self._passed[0] >= self.seconds:
                self._passed.popleft()
            if len(self._passed) < self.requests:
                self._passed.append(now)
                return 0.0
            return self.seconds - (now - self._passed[0])
