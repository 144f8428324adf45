"""The demo bank's organisation: head office, three branches with four sub-branches each, their staff, the demo users."""

from __future__ import annotations

from typing import Final
from uuid import NAMESPACE_URL, UUID, uuid5

from kehu_contracts.access import Role
from kehu_contracts.bank import BankStaff, BankUnit
from kehu_contracts.codes import UnitKind

__all__ = ["BRANCHES", "SOURCE", "STAFF", "SUB_BRANCHES", "UNITS", "managers_of", "staff_id"]

SOURCE: Final = "core"

BRANCHES: Final = (
    ("BJ", "北京分行", "110000", ("海淀", "朝阳", "东城", "丰台")),
    ("SH", "上海分行", "310000", ("浦东", "黄浦", "徐汇", "静安")),
    ("SZ", "深圳分行", "440300", ("福田", "南山", "罗湖", "宝安")),
)
"""Code, name, division of the city, names of the sub-branches; their codes count from 01."""

SUB_BRANCHES: Final = tuple(
    f"{code}-{number:02}" for code, *_, names in BRANCHES for number in range(1, len(names) + 1)
)


def staff_id(user: str) -> UUID:
    """The staff id that the built-in issuer puts into a demo user's token."""
    return uuid5(NAMESPACE_URL, f"kehu-demo-staff/{user}")


def _unit(code: str, name: str, kind: UnitKind, parent: str | None, division: str | None = None) -> BankUnit:
    return BankUnit(
        source=SOURCE, source_id=code, name=name, kind=kind, parent_code=parent, division_code=division, active=True
    )


def _branch(code: str, name: str, division: str, sub_branches: tuple[str, ...]) -> tuple[BankUnit, ...]:
    city = name.removesuffix("分行")
    return (
        _unit(code, name, UnitKind.BRANCH, "HO", division),
        _unit(f"{code}-BIZ", f"{name}个人金融部", UnitKind.DEPARTMENT, code, division),
        *(
            _unit(f"{code}-{number:02}", f"{city}{place}支行", UnitKind.SUB_BRANCH, code, division)
            for number, place in enumerate(sub_branches, 1)
        ),
    )


UNITS: Final = (
    _unit("HO", "总行", UnitKind.HEAD_OFFICE, None, "110000"),
    _unit("HO-OPS", "运营管理部", UnitKind.DEPARTMENT, "HO"),
    _unit("HO-CMP", "合规与消费者权益保护部", UnitKind.DEPARTMENT, "HO"),
    _unit("HO-MKT", "零售市场部", UnitKind.DEPARTMENT, "HO"),
    *(unit for branch in BRANCHES for unit in _branch(*branch)),
)
"""Parents before their children."""

_DEMO_USERS: Final = (
    ("rm", "E1001", "李明", "BJ-01", Role.RELATIONSHIP_MANAGER),
    ("rm2", "E1002", "王芳", "BJ-02", Role.RELATIONSHIP_MANAGER),
    ("handler", "E1003", "张伟", "BJ", Role.COMPLAINT_HANDLER),
    # Marketers plan for the whole bank, so their place is head office itself and not a department below it.
    ("marketer", "E1004", "刘洋", "HO", Role.MARKETER),
    ("marketer2", "E1005", "陈静", "HO", Role.MARKETER),
    ("compliance", "E1006", "赵敏", "HO-CMP", Role.COMPLIANCE),
    ("head", "E1007", "孙强", "BJ", Role.BRANCH_HEAD),
    ("operator", "E1008", "周涛", "HO-OPS", Role.OPERATOR),
    ("auditor", "E1009", "吴丽", "HO-CMP", Role.AUDITOR),
)

_SURNAMES: Final = (
    "王李张刘陈杨黄赵吴周徐孙马朱胡郭何高林罗郑梁谢宋唐许韩冯邓曹彭曾肖田董袁潘于蒋蔡余杜叶程苏魏吕丁任沈"
)
_GIVEN_NAMES: Final = ("晓东", "丽娜", "志强", "雪梅", "海涛", "春燕", "文博", "佳怡", "立新", "秀英")


def _demo_users() -> tuple[BankStaff, ...]:
    return tuple(
        BankStaff(
            source=SOURCE, source_id=number, staff_id=staff_id(user), name=name, unit_code=unit, roles=(str(role),)
        )
        for user, number, name, unit, role in _DEMO_USERS
    )


def _colleagues() -> tuple[BankStaff, ...]:
    """Three managers and a head in each sub-branch, a handler in the branches that the demo users leave without."""
    posts = [
        *((code, role) for code in SUB_BRANCHES for role in (*[Role.RELATIONSHIP_MANAGER] * 3, Role.BRANCH_HEAD)),
        ("SH", Role.BRANCH_HEAD),
        ("SH", Role.COMPLAINT_HANDLER),
        ("SZ", Role.BRANCH_HEAD),
        ("SZ", Role.COMPLAINT_HANDLER),
    ]
    return tuple(
        BankStaff(
            source=SOURCE,
            source_id=f"E{2001 + number}",
            staff_id=None,
            name=_SURNAMES[number % len(_SURNAMES)] + _GIVEN_NAMES[number * 7 % len(_GIVEN_NAMES)],
            unit_code=unit,
            roles=(str(role),),
        )
        for number, (unit, role) in enumerate(posts)
    )


STAFF: Final = (*_demo_users(), *_colleagues())


def managers_of(unit_code: str) -> tuple[str, ...]:
    """Staff numbers of the relationship managers of a unit, in the order of their numbers."""
    manager = str(Role.RELATIONSHIP_MANAGER)
    return tuple(member.source_id for member in STAFF if member.unit_code == unit_code and manager in member.roles)
