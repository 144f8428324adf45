"""How long and how often: the whole measurement, or the quick one that only shows that everything runs."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Pace"]


@dataclass(frozen=True)
class Pace:
    """What each benchmark is given.

    Args:
        seconds: length of one load.
        rounds: how often ours and the peer run in turn.
        quick: small sizes, since figures do not count.
    """

    seconds: float = 1.5
    rounds: int = 3
    quick: bool = False

    @property
    def warm_up(self) -> float:
        """Seconds of a load that does not count."""
        return self.seconds / 2

    def sizes(self, whole: tuple[int, ...], quick: tuple[int, ...]) -> tuple[int, ...]:
        """The three sizes of a benchmark."""
        return quick if self.quick else whole
