"""The demo bank's organisation and the staff behind the demo log-ins."""

from __future__ import annotations

from typing import Final
from uuid import NAMESPACE_URL, UUID, uuid5

from kehu_contracts.access import Role
from kehu_contracts.bank import BankStaff, BankUnit
from kehu_contracts.codes import UnitKind

__all__ = ["SOURCE", "STAFF", "UNITS", "staff_id"]

SOURCE: Final = "core"


def staff_id(user: str) -> UUID:
    """The staff id that the built-in issuer puts into a demo user's token."""
    return uuid5(NAMESPACE_URL, f"kehu-demo-staff/{user}")


def _unit(code: str, name: str, kind: UnitKind, parent: str | None) -> BankUnit:
    return BankUnit(source=SOURCE, source_id=code, name=name, kind=kind, parent_code=parent)


UNITS: Final = (
    _unit("HO", "总行", UnitKind.HEAD_OFFICE, None),
    _unit("HO-OPS", "运营管理部", UnitKind.DEPARTMENT, "HO"),
    _unit("HO-CMP", "合规与消费者权益保护部", UnitKind.DEPARTMENT, "HO"),
    _unit("HO-MKT", "零售市场部", UnitKind.DEPARTMENT, "HO"),
    _unit("BJ", "北京分行", UnitKind.BRANCH, "HO"),
    _unit("BJ-01", "北京海淀支行", UnitKind.SUB_BRANCH, "BJ"),
    _unit("BJ-02", "北京朝阳支行", UnitKind.SUB_BRANCH, "BJ"),
)
"""Parents before their children."""

_DEMO_USERS: Final = (
    ("rm", "E1001", "王丽华", "BJ-01", Role.RELATIONSHIP_MANAGER),
    ("rm2", "E1002", "李志强", "BJ-02", Role.RELATIONSHIP_MANAGER),
    ("handler", "E1003", "陈静", "BJ", Role.COMPLAINT_HANDLER),
    ("marketer", "E1004", "刘洋", "HO-MKT", Role.MARKETER),
    ("marketer2", "E1005", "赵敏", "HO-MKT", Role.MARKETER),
    ("compliance", "E1006", "孙国栋", "HO-CMP", Role.COMPLIANCE),
    ("head", "E1007", "周建国", "BJ", Role.BRANCH_HEAD),
    ("operator", "E1008", "吴磊", "HO-OPS", Role.OPERATOR),
    ("auditor", "E1009", "郑雅文", "HO-CMP", Role.AUDITOR),
)

STAFF: Final = tuple(
    BankStaff(source=SOURCE, source_id=number, staff_id=staff_id(user), name=name, unit_code=unit, roles=(str(role),))
    for user, number, name, unit, role in _DEMO_USERS
)
