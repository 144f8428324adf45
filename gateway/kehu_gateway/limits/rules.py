"""Token buckets and their shares: pure decisions. Time is given in seconds that only grow."""

from __future__ import annotations

import math
from dataclasses import dataclass

__all__ = ["Bucket", "Limit", "Standing", "share_of"]


@dataclass(frozen=True, slots=True)
class Limit:
    """How many requests a second, and how many at once, one caller has in all processes together.

    Attributes:
        name: stands in the `RateLimit` headers.
        rate: requests a second.
        burst: requests at once after a rest.
    """

    name: str
    rate: float
    burst: int


@dataclass(frozen=True, slots=True)
class Standing:
    """What a bucket says to one request.

    Attributes:
        allowed: whether it may pass.
        remaining: how many more may pass at once.
        wait: seconds until the next may pass; 0 when one may pass now.
        reset: seconds until the bucket is full again.
    """

    allowed: bool
    remaining: int
    wait: float
    reset: int


@dataclass(slots=True)
class Bucket:
    """One caller's bucket in this process: the part of the caller's limit that this process leased.

    Attributes:
        level: requests that may pass now.
        at: when `level` was right.
        share: the part of the limit, above 0 and at most 1.
        demand: requests since the last lease, the refused ones too.
    """

    level: float
    at: float
    share: float
    demand: int = 0

    def ask(self, limit: Limit, now: float) -> Standing:
        """Let one request pass, or say how long to wait."""
        rate = limit.rate * self.share
        # A share of a small burst may be less than one request, and yet one must be able to pass.
        size = max(1.0, limit.burst * self.share)
        level = min(size, self.level + (now - self.at) * rate)
        allowed = level >= 1.0
        if allowed:
            level -= 1.0
        self.level, self.at, self.demand = level, now, self.demand + 1
        wait = 0.0 if level >= 1.0 else (1.0 - level) / rate
        return Standing(allowed, int(level), wait, math.ceil((size - level) / rate))

    def is_full(self, limit: Limit, now: float) -> bool:
        """Whether forgetting the bucket gives nobody more than he had."""
        return self.level + (now - self.at) * limit.rate * self.share >= max(1.0, limit.burst * self.share)


def share_of(own: int, others: int) -> float:
    """The part of a limit that a process has: its part of the demand. One that has seen none yet may see some soon."""
    own = max(own, 1)
    return own / (own + others)
