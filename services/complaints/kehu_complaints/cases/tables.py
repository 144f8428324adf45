"""Tables of cases: how each stands, and what was done to it."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Boolean, Column, ForeignKey, Index, Integer, LargeBinary, Sequence, Table, Uuid, text

from kehu_chassis.columns import Text, code, document, id_column, instant, reference, string, version
from kehu_complaints.metadata import metadata

__all__ = ["COMPLAINT_NUMBERS", "complaint_history", "complaints"]

COMPLAINT_NUMBERS: Final = Sequence("complaint_numbers", minvalue=1, maxvalue=999_999, cycle=True, metadata=metadata)
"""The last six digits of complaint numbers; the day stands before them, so a day may have 999,999 cases."""

complaints = Table(
    "complaints",
    metadata,
    id_column("complaint_id"),
    string("complaint_number", unique=True),
    code("kind"),
    code("state"),
    code("channel"),
    code("category"),
    # The customer that the complaint came with; a later merge is resolved when reading.
    reference("customer_id", nullable=True),
    reference("unit_id"),
    reference("handler_id", nullable=True),
    reference("accused_staff_id", nullable=True),
    code("outcome", nullable=True),
    instant("received_at"),
    # Whether marketing to the customer has to stop.
    Column("open", Boolean, nullable=False),
    # The statutory due moment while that clock runs or pauses, else the end of time: what the queue is sorted by.
    instant("queue_at"),
    # Under the case's own key: what was said may name anybody.
    Column("narrative", LargeBinary, nullable=False),
    Column("key_id", Text, nullable=False),
    Column("wrapped_key", LargeBinary, nullable=False),
    string("created_by"),
    instant("created_at"),
    instant("changed_at"),
    version(),
    Index("complaints_queue_idx", "queue_at", "complaint_id"),
    Index("complaints_unit_queue_idx", "unit_id", "queue_at", "complaint_id"),
    Index("complaints_customer_idx", "customer_id", "received_at", postgresql_where=text("customer_id IS NOT NULL")),
    Index("complaints_handler_idx", "handler_id", "queue_at", postgresql_where=text("handler_id IS NOT NULL")),
)

complaint_history = Table(
    "complaint_history",
    metadata,
    Column("complaint_id", Uuid, ForeignKey("complaints.complaint_id"), primary_key=True),
    # The version of the case that this line made.
    Column("position", Integer, primary_key=True, autoincrement=False),
    code("event"),
    code("from_state", nullable=True),
    code("to_state", nullable=True),
    # When it happened, and when we were told.
    instant("at"),
    instant("recorded_at"),
    string("actor"),
    reference("staff_id", nullable=True),
    # Codes and ids only; words stand in the note, under the case's key.
    document("details"),
    Column("note", LargeBinary),
)
