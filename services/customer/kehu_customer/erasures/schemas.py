"""Requests and answers about erasures."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import Field

from kehu_chassis.schemas import Id, In, Line, Out

__all__ = ["ErasureIn", "ErasureOut"]


class ErasureIn(In):
    """Why a customer is erased."""

    reason: Annotated[Line, Field(min_length=4, description="Stands in the audit; names nobody")]


class ErasureOut(Out):
    """What was erased: the customer, with all that were merged into it."""

    customer_ids: list[Id]
    erased_at: datetime
