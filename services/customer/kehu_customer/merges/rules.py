"""Which customers may be linked as one party, and which link may be undone. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from kehu_contracts.codes import PartyKind

__all__ = ["MergeCandidate", "MergeConflict", "check_merge"]


class MergeConflict(ValueError):
    """The two may not be linked. `code` is stable."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


@dataclass(frozen=True, slots=True)
class MergeCandidate:
    """What the decision asks of a customer. `document_keys` are the blind indexes of its resident IDs or credit codes."""

    customer_id: UUID
    survivor_id: UUID
    kind: PartyKind
    absorbed: int
    """How many customers are merged into this one."""
    document_keys: frozenset[bytes]


def check_merge(customer: MergeCandidate, survivor: MergeCandidate) -> None:
    """Refuse a link that cannot be true or that would make a chain.

    Joining strangers' records is a breach of secrecy: two that each have a resident ID or credit code must share it.

    Raises:
        MergeConflict: the reason.
    """
    if customer.customer_id == survivor.customer_id:
        raise MergeConflict("customer.merge_same", "A customer cannot be merged into itself.")
    if customer.survivor_id != customer.customer_id:
        raise MergeConflict("customer.merge_already_merged", "The customer is merged already; undo that first.")
    if survivor.survivor_id != survivor.customer_id:
        raise MergeConflict("customer.merge_survivor_merged", "The survivor is itself merged into another customer.")
    if customer.absorbed:
        raise MergeConflict("customer.merge_chain", "Others are merged into this customer; undo those merges first.")
    if customer.kind is not survivor.kind:
        raise MergeConflict("customer.merge_kinds_differ", "The two are parties of different kinds.")
    if customer.document_keys and survivor.document_keys and customer.document_keys.isdisjoint(survivor.document_keys):
        raise MergeConflict("customer.merge_documents_differ", "Both have an identity number, and they differ.")
