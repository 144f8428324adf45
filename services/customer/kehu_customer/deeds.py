"""What every business action is told beside its subject: who acts, when, and with which vault."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Final
from zoneinfo import ZoneInfo

from kehu_chassis.auth import Principal
from kehu_customer.vault import Vault

__all__ = ["BANK_ZONE", "Deed", "bank_date"]

BANK_ZONE: Final = ZoneInfo("Asia/Shanghai")
"""The zone in which the law counts days."""


def bank_date(at: datetime) -> date:
    """The day that it is at the bank."""
    return at.astimezone(BANK_ZONE).date()


@dataclass(frozen=True, slots=True)
class Deed:
    """One act: `actor` is a principal, or a name where a machine acts; `at` is business time."""

    vault: Vault
    actor: Principal | str
    at: datetime

    @property
    def actor_name(self) -> str:
        """The actor as rows name him."""
        return self.actor if isinstance(self.actor, str) else self.actor.subject

    @property
    def on(self) -> date:
        """The day of the act at the bank."""
        return bank_date(self.at)
