"""Refusals about erasures."""

from __future__ import annotations

from datetime import date

from kehu_chassis.problems import Conflict

__all__ = ["ErasureRefused", "MergedElsewhere", "retained"]


class ErasureRefused(Conflict):
    """A law still asks the bank to keep the party's data."""

    code = "customer.erasure_refused"
    title = "This customer's data must be kept"
    title_zh = "该客户资料依法仍须保存"


class MergedElsewhere(Conflict):
    """The party stands behind another one, which is to be erased with all that it stands for."""

    code = "customer.erasure_merged"
    title = "This customer is merged into another"
    title_zh = "该客户已并入其他客户，请删除存续客户"


def retained(until: date) -> ErasureRefused:
    """The answer while retention runs."""
    if until == date.max:
        return ErasureRefused(
            "The customer has open accounts: use stays restricted to what the law asks.",
            detail_zh="客户仍有未销账户，只能限制处理",
        )
    return ErasureRefused(f"The records are to be kept until {until}.", detail_zh=f"记录须保存至{until}")
