"""What the console is told of its session."""

from __future__ import annotations

from datetime import datetime

from kehu_chassis.schemas import Id, Out

__all__ = ["SessionOut"]


class SessionOut(Out):
    """Who is logged in. `csrf_token` goes into the header `X-CSRF-Token` of every write.

    `business_time` is the bank's clock: what is due is told by it, not by the browser's.
    """

    subject: str
    name: str
    roles: list[str]
    permissions: list[str]
    staff_id: Id | None
    csrf_token: str
    business_time: datetime
