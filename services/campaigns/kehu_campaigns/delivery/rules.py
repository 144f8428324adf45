"""What happens to a message on its way. Pure: no I/O, no clock, no framework."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from kehu_contracts.codes import DeliveryState

__all__ = [
    "NEXT_STATES",
    "DeliveryRefused",
    "SimulatedBehaviour",
    "Step",
    "advance",
    "share_of",
    "simulated_steps",
]


NEXT_STATES: Final[Mapping[DeliveryState, frozenset[DeliveryState]]] = {
    DeliveryState.QUEUED: frozenset({DeliveryState.SENT, DeliveryState.FAILED}),
    DeliveryState.SENT: frozenset({DeliveryState.DELIVERED, DeliveryState.FAILED}),
    DeliveryState.DELIVERED: frozenset({DeliveryState.OPENED}),
    DeliveryState.OPENED: frozenset({DeliveryState.CLICKED}),
    DeliveryState.CLICKED: frozenset(),
    DeliveryState.FAILED: frozenset(),
}


class DeliveryRefused(Exception):
    """A message does not go from the one state to the other."""

    def __init__(self, state: DeliveryState, to: DeliveryState) -> None:
        super().__init__(f"a message that is {state} does not become {to}")


def advance(state: DeliveryState, to: DeliveryState) -> DeliveryState:
    """The new state; raises `DeliveryRefused` for every pair that is not in `NEXT_STATES`."""
    if to not in NEXT_STATES[state]:
        raise DeliveryRefused(state, to)
    return to


@dataclass(frozen=True, slots=True)
class SimulatedBehaviour:
    """How the simulated channel's customers behave, in basis points of the step before."""

    failed: int
    opened: int
    clicked: int
    delivery_delay: timedelta
    longest_reading_delay: timedelta


@dataclass(frozen=True, slots=True)
class Step:
    """A state that a message is going to reach, and when."""

    state: DeliveryState
    at: datetime


READING_MOMENTS: Final = 24
"""Messages are read at so many moments, not each at its own: a simulated day costs few timers."""


def share_of(*parts: str) -> int:
    """A number from 0 to 9,999 that depends on the parts alone."""
    digest = hashlib.sha256("\x1f".join(parts).encode()).digest()
    return int.from_bytes(digest[:8], "big") % 10_000


def simulated_steps(behaviour: SimulatedBehaviour, *, seed: Sequence[str], sent_at: datetime) -> tuple[Step, ...]:
    """What becomes of a sent message: the same for the same seed (campaign code and customer number), run after run."""
    arrival = sent_at + behaviour.delivery_delay
    if share_of(*seed, "failed") < behaviour.failed:
        return (Step(DeliveryState.FAILED, arrival),)
    steps = [Step(DeliveryState.DELIVERED, arrival)]
    if share_of(*seed, "opened") < behaviour.opened:
        read_at = (
            arrival
            + behaviour.longest_reading_delay * (share_of(*seed, "reading") % READING_MOMENTS + 1) / READING_MOMENTS
        )
        steps.append(Step(DeliveryState.OPENED, read_at))
        if share_of(*seed, "clicked") < behaviour.clicked:
            steps.append(Step(DeliveryState.CLICKED, read_at + behaviour.delivery_delay))
    return tuple(steps)
