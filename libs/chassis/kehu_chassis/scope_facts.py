"""What scope is worked out from, as a service comes to know it: units, staff and subjects, written into its projections."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple
from uuid import UUID

from kehu_chassis.database import Transaction

__all__ = ["ScopeStaff", "ScopeSubject", "ScopeUnit", "put_staff", "put_subjects", "put_units"]


class ScopeUnit(NamedTuple):
    """A unit as it now stands."""

    unit_id: UUID
    parent_id: UUID | None
    active: bool


class ScopeStaff(NamedTuple):
    """Where a member of staff now works."""

    staff_id: UUID
    unit_id: UUID
    active: bool


class ScopeSubject(NamedTuple):
    """Where a subject now belongs."""

    subject_id: UUID
    survivor_id: UUID
    unit_id: UUID | None
    manager_id: UUID | None = None


_PUT_UNITS: Final = """
INSERT INTO scope_units AS kept (unit_id, parent_id, active)
SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::bool[])
ON CONFLICT (unit_id) DO UPDATE SET parent_id = EXCLUDED.parent_id, active = EXCLUDED.active
WHERE (kept.parent_id, kept.active) IS DISTINCT FROM (EXCLUDED.parent_id, EXCLUDED.active)
"""

_PUT_STAFF: Final = """
INSERT INTO scope_staff AS kept (staff_id, unit_id, active)
SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::bool[])
ON CONFLICT (staff_id) DO UPDATE SET unit_id = EXCLUDED.unit_id, active = EXCLUDED.active
WHERE (kept.unit_id, kept.active) IS DISTINCT FROM (EXCLUDED.unit_id, EXCLUDED.active)
"""

_PUT_SUBJECTS: Final = """
INSERT INTO scope_subjects AS kept (subject_id, survivor_id, unit_id, manager_id)
SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[]) AS given (subject_id, survivor_id, unit_id, manager_id)
ORDER BY subject_id
ON CONFLICT (subject_id) DO UPDATE
SET survivor_id = EXCLUDED.survivor_id, unit_id = EXCLUDED.unit_id, manager_id = EXCLUDED.manager_id
WHERE (kept.survivor_id, kept.unit_id, kept.manager_id)
   IS DISTINCT FROM (EXCLUDED.survivor_id, EXCLUDED.unit_id, EXCLUDED.manager_id)
"""


async def put_units(tx: Transaction, rows: Iterable[ScopeUnit]) -> None:
    """Insert or change units; paths below a moved unit follow. The last of several rows for one unit counts."""
    latest = list({row.unit_id: row for row in rows}.values())
    if not latest:
        return
    await tx.connection.execute(_PUT_UNITS, *zip(*latest, strict=True))
    await tx.connection.execute("SELECT scope_refresh_paths()")


async def put_staff(tx: Transaction, rows: Iterable[ScopeStaff]) -> None:
    """Insert or change staff. The last of several rows for one member counts."""
    latest = list({row.staff_id: row for row in rows}.values())
    if latest:
        await tx.connection.execute(_PUT_STAFF, *zip(*latest, strict=True))


async def put_subjects(tx: Transaction, rows: Iterable[ScopeSubject]) -> None:
    """Insert or change subjects, in one statement. The last of several rows for one subject counts."""
    latest = list({row.subject_id: row for row in rows}.values())
    if latest:
        await tx.connection.execute(_PUT_SUBJECTS, *zip(*latest, strict=True))
