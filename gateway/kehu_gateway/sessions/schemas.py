"""What the console is told of its session."""

from __future__ import annotations

from uuid import UUID

from kehu_chassis.schemas import Out

__all__ = ["SessionOut"]


class SessionOut(Out):
    """Who is logged in. `csrf_token` goes into the header `X-CSRF-Token` of every write."""

    subject: str
    name: str
    roles: list[str]
    permissions: list[str]
    staff_id: UUID | None
    csrf_token: str
