"""Requests and answers about extensions."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from kehu_chassis.schemas import CodeText, Id, In, Moment, Narrative, Out
from kehu_contracts.codes import Channel

__all__ = ["ApprovalIn", "ExtensionIn", "ExtensionListOut", "ExtensionOut", "NoticeIn", "RefusalIn"]


class ExtensionIn(In):
    """Ask for more time."""

    code: Annotated[CodeText, Field(description="An extension of the case's pack, e.g. complex or exceptional")]
    reason: Annotated[Narrative, Field(description="Kept encrypted")]


class NoticeIn(In):
    """The complainant was told of the extension."""

    channel: Channel
    occurred_at: Annotated[Moment | None, Field(description="When, if not just now")] = None


class ApprovalIn(In):
    """Approve an extension; with `notice` when the complainant is told in the same step."""

    notice: NoticeIn | None = None


class RefusalIn(In):
    """Refuse an extension."""

    reason: Annotated[Narrative, Field(description="Kept encrypted in the case's history")]


class ExtensionOut(Out):
    """An extension that was asked for. Only one in effect moves the due date."""

    extension_id: Id
    complaint_id: Id
    code: str
    state: Literal["requested", "approved", "refused", "in_effect"]
    reason: Annotated[str | None, Field(description="Withheld from the person complained about")]
    requested_at: datetime
    requested_by: str
    decided_at: datetime | None
    decided_by: str | None
    notified_at: datetime | None
    notice_channel: Channel | None


class ExtensionListOut(Out):
    """All extensions of a case, oldest first; the list is short and has one page."""

    items: list[ExtensionOut]
    next_cursor: str | None
