"""Which customers may be linked."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest

from kehu_contracts.codes import PartyKind
from kehu_customer.merges.rules import MergeCandidate, MergeConflict, check_merge


def a_candidate(**changes: Any) -> MergeCandidate:
    customer_id = uuid4()
    return replace(MergeCandidate(customer_id, customer_id, PartyKind.INDIVIDUAL, 0, frozenset()), **changes)


def test_two_that_share_or_lack_an_identity_number_may_be_linked() -> None:
    check_merge(a_candidate(), a_candidate(absorbed=3))
    check_merge(a_candidate(document_keys=frozenset({b"1"})), a_candidate())
    check_merge(a_candidate(document_keys=frozenset({b"1", b"2"})), a_candidate(document_keys=frozenset({b"2"})))


SAME = a_candidate()


@pytest.mark.parametrize(
    ("customer", "survivor", "code"),
    [
        (SAME, SAME, "customer.merge_same"),
        (a_candidate(survivor_id=uuid4()), a_candidate(), "customer.merge_already_merged"),
        (a_candidate(), a_candidate(survivor_id=uuid4()), "customer.merge_survivor_merged"),
        (a_candidate(absorbed=1), a_candidate(), "customer.merge_chain"),
        (a_candidate(kind=PartyKind.COMPANY), a_candidate(), "customer.merge_kinds_differ"),
        (
            a_candidate(document_keys=frozenset({b"1"})),
            a_candidate(document_keys=frozenset({b"2"})),
            "customer.merge_documents_differ",
        ),
    ],
)
def test_a_link_that_cannot_be_is_refused_with_its_code(
    customer: MergeCandidate, survivor: MergeCandidate, code: str
) -> None:
    with pytest.raises(MergeConflict) as refused:
        check_merge(customer, survivor)
    assert refused.value.code == code
