"""What may happen to a case, and who may do it. Pure decisions: the caller loads, writes and tells."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final
from uuid import UUID

from kehu_complaints.clocks.model import EntryKind
from kehu_contracts.codes import ComplaintAction as Action
from kehu_contracts.codes import ComplaintState as State

__all__ = [
    "LEDGER_ENTRIES",
    "TRANSITIONS",
    "Kind",
    "TransitionRefused",
    "is_open",
    "is_recused",
    "next_state",
    "possible_actions",
]


class Kind(StrEnum):
    """What came in. Only a complaint 投诉 has clocks and stops marketing; an enquiry 咨询 or suggestion 建议 has neither."""

    COMPLAINT = "complaint"
    ENQUIRY = "enquiry"
    SUGGESTION = "suggestion"


class TransitionRefused(Exception):
    """The action is not possible in this state."""

    def __init__(self, state: State, action: Action) -> None:
        super().__init__(f"{action} is not possible in state {state}")
        self.state = state
        self.action = action


TRANSITIONS: Final[Mapping[tuple[State, Action], State]] = {
    (State.RECEIVED, Action.ACCEPT): State.ACCEPTED,
    (State.RECEIVED, Action.REJECT): State.NOT_A_COMPLAINT,
    (State.ACCEPTED, Action.INVESTIGATE): State.INVESTIGATING,
    (State.INVESTIGATING, Action.PAUSE): State.PAUSED,
    (State.PAUSED, Action.RESUME): State.INVESTIGATING,
    (State.INVESTIGATING, Action.DECIDE): State.DECIDED,
    (State.DECIDED, Action.NOTIFY): State.NOTIFIED,
    (State.NOTIFIED, Action.REQUEST_REVIEW): State.IN_REVIEW,
    (State.IN_REVIEW, Action.CONCLUDE_REVIEW): State.CLOSED,
    (State.NOTIFIED, Action.CLOSE): State.CLOSED,
    # Who complained may withdraw until the bank has answered, and withdraw a request for review.
    (State.RECEIVED, Action.WITHDRAW): State.WITHDRAWN,
    (State.ACCEPTED, Action.WITHDRAW): State.WITHDRAWN,
    (State.INVESTIGATING, Action.WITHDRAW): State.WITHDRAWN,
    (State.PAUSED, Action.WITHDRAW): State.WITHDRAWN,
    (State.DECIDED, Action.WITHDRAW): State.WITHDRAWN,
    (State.IN_REVIEW, Action.WITHDRAW): State.WITHDRAWN,
    # New facts lead back to the investigation from wherever the case had come to rest.
    (State.NOTIFIED, Action.REOPEN): State.INVESTIGATING,
    (State.CLOSED, Action.REOPEN): State.INVESTIGATING,
    (State.WITHDRAWN, Action.REOPEN): State.INVESTIGATING,
    (State.NOT_A_COMPLAINT, Action.REOPEN): State.INVESTIGATING,
}

LEDGER_ENTRIES: Final[Mapping[Action, EntryKind]] = {
    Action.PAUSE: EntryKind.PAUSED,
    Action.RESUME: EntryKind.RESUMED,
    Action.REJECT: EntryKind.REJECTED,
    Action.NOTIFY: EntryKind.NOTIFIED,
    Action.WITHDRAW: EntryKind.WITHDRAWN,
    Action.CLOSE: EntryKind.CLOSED,
    Action.REOPEN: EntryKind.REOPENED,
    Action.REQUEST_REVIEW: EntryKind.REVIEW_REQUESTED,
    Action.CONCLUDE_REVIEW: EntryKind.REVIEW_CONCLUDED,
}
"""What the clocks are told of an action; the others do not concern them."""

_AT_REST: Final = frozenset({State.NOT_A_COMPLAINT, State.CLOSED, State.WITHDRAWN})


def next_state(state: State, action: Action) -> State:
    """The state that the action leads to.

    Raises:
        TransitionRefused: it is not possible in this state.
    """
    try:
        return TRANSITIONS[state, action]
    except KeyError:
        raise TransitionRefused(state, action) from None


def possible_actions(state: State) -> tuple[Action, ...]:
    """What can be done in this state."""
    return tuple(action for start, action in TRANSITIONS if start is state)


def is_open(kind: Kind, state: State) -> bool:
    """Whether marketing to the customer has to stop."""
    return kind is Kind.COMPLAINT and state not in _AT_REST


def is_recused(staff_id: UUID | None, accused_staff_id: UUID | None) -> bool:
    """Whether this member of staff is the one complained about, and so kept from the case."""
    return accused_staff_id is not None and staff_id == accused_staff_id
