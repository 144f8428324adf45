"""Requests of searches. Values stand in the body and not in the address, so that no log of addresses holds them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import StringConstraints

from kehu_chassis.schemas import In, Out
from kehu_customer.parties.schemas import CustomerSummary

__all__ = ["LookupIn", "LookupOut"]


class LookupIn(In):
    """What is known of the customer, exactly."""

    type: Literal["phone", "email", "wechat", "document", "customer_number"]
    value: Annotated[str, StringConstraints(min_length=1, max_length=300)]


class LookupOut(Out):
    """Who was found, at most 50."""

    items: list[CustomerSummary]
