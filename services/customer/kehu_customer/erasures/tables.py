"""The list of erasures: ids alone, kept for ever, so that a restore can repeat them."""

from __future__ import annotations

from sqlalchemy import Column, Table, Uuid

from kehu_chassis.columns import instant, string
from kehu_customer.metadata import metadata

__all__ = ["erasures"]

erasures = Table(
    "erasures",
    metadata,
    Column("customer_id", Uuid, primary_key=True),
    string("erased_by"),
    instant("erased_at"),
)
