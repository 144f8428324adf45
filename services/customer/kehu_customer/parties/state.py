"""The customer as other services need it, told again after every change."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from kehu_chassis.database import Transaction

__all__ = ["emit_state"]
