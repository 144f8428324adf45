"""Refusals about documents."""

from __future__ import annotations

from kehu_chassis.problems import Conflict

__all__ = ["DocumentKnown"]


class DocumentKnown(Conflict):
    """The customer has this document already."""

    code = "customer.document_known"
    title = "The customer has this document already"
    title_zh = "该客户已登记此证件"
