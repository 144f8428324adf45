"""How long and how often: the whole measurement, its long form, or the quick one that only shows that everything runs."""

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
        long: sizes that take hours to make, where a benchmark has them.
    """

    seconds: float = 1.5
    rounds: int = 3
    quick: bool = False
    long: bool = False

    @property
    def warm_up(self) -> float:
        """Seconds of a load that does not count."""
        return self.seconds / 2

    def sizes(
        self, whole: tuple[int, ...], quick: tuple[int, ...], long: tuple[int, ...] | None = None
    ) -> tuple[int, ...]:
        """The three sizes of a benchmark."""
        if self.quick:
            return quick
        return long if self.long and long is not None else whole
