"""What the bank allows: the settings of the gate, as values."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from kehu_campaigns.gate.rules import QuietHours

__all__ = ["GatePolicy"]


@dataclass(frozen=True, slots=True)
class GatePolicy:
    """Caps and hours that hold for every campaign."""

    frequency_cap: int
    frequency_window: timedelta
    quiet_hours: QuietHours
    complaint_cool_off: timedelta
