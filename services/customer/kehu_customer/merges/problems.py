"""Refusals about merges."""

from __future__ import annotations

from kehu_chassis.problems import Conflict
from kehu_customer.merges.rules import MergeConflict

__all__ = ["MergeRefused", "MergeUndone", "merge_problem"]


class MergeRefused(Conflict):
    """Two customers may not be linked as one party; the code of the error tells why."""

    code = "customer.merge_refused"
    title = "These customers cannot be merged"
    title_zh = "这两个客户不能合并"


class MergeUndone(Conflict):
    """The merge has been undone already."""

    code = "customer.merge_undone"
    title = "This merge has been undone already"
    title_zh = "该合并已被撤销"


ZH = {
    "customer.merge_same": "不能将客户与其自身合并",
    "customer.merge_already_merged": "该客户已被合并，请先撤销",
    "customer.merge_survivor_merged": "存续客户本身已被合并",
    "customer.merge_chain": "已有其他客户并入该客户，请先撤销那些合并",
    "customer.merge_kinds_differ": "两个客户类型不同",
    "customer.merge_documents_differ": "双方均有身份号码且不一致",
}


def merge_problem(conflict: MergeConflict) -> MergeRefused:
    """The answer to a link that may not be."""
    zh = ZH[conflict.code]
    return MergeRefused(
        conflict.detail,
        detail_zh=zh,
        errors=[{"pointer": "/survivor_id", "code": conflict.code, "detail": conflict.detail, "detail_zh": zh}],
    )
