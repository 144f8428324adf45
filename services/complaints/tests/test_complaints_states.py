"""The state machine: every cell of the state x action matrix, and what the states mean for marketing and clocks."""

from __future__ import annotations

from uuid import UUID

import pytest

from kehu_complaints.cases.rules import (
    LEDGER_ENTRIES,
    TRANSITIONS,
    Kind,
    TransitionRefused,
    is_open,
    is_recused,
    next_state,
    possible_actions,
)
from kehu_contracts.codes import ComplaintAction as Action
from kehu_contracts.codes import ComplaintState as State

# One row per state, one column per action; a dash is a refusal. Written out by hand, not derived from the code.
COLUMNS = "accept reject investigate pause resume decide notify request_review conclude_review close withdraw reopen"
MATRIX = """
received        accepted not_a_complaint - - - - - - - - withdrawn -
accepted        - - investigating - - - - - - - withdrawn -
not_a_complaint - - - - - - - - - - - investigating
investigating   - - - paused - decided - - - - withdrawn -
paused          - - - - investigating - - - - - withdrawn -
decided         - - - - - - notified - - - withdrawn -
notified        - - - - - - - in_review - closed - investigating
in_review       - - - - - - - - closed - withdrawn -
closed          - - - - - - - - - - - investigating
withdrawn       - - - - - - - - - - - investigating
"""
CELLS = [
    (State(row.split()[0]), Action(action), target)
    for row in MATRIX.strip().splitlines()
    for action, target in zip(COLUMNS.split(), row.split()[1:], strict=True)
]


def test_the_matrix_is_whole() -> None:
    assert len(CELLS) == len(State) * len(Action) == 120
    assert {(state, action) for state, action, _ in CELLS} == {(state, action) for state in State for action in Action}


@pytest.mark.parametrize(("state", "action", "target"), CELLS)
def test_every_cell(state: State, action: Action, target: str) -> None:
    if target == "-":
        with pytest.raises(TransitionRefused) as refused:
            next_state(state, action)
        assert (refused.value.state, refused.value.action) == (state, action)
    else:
        assert next_state(state, action) is State(target)


def test_possible_actions_are_the_row_of_the_matrix() -> None:
    for state in State:
        assert set(possible_actions(state)) == {
            action for start, action, target in CELLS if start is state and target != "-"
        }


def test_no_state_is_a_dead_end_and_each_can_be_reached() -> None:
    assert {start for start, _ in TRANSITIONS} == set(State)
    assert {*TRANSITIONS.values(), State.RECEIVED} == set(State)


@pytest.mark.parametrize("state", State)
def test_only_an_unfinished_complaint_stops_marketing(state: State) -> None:
    finished = state in {State.NOT_A_COMPLAINT, State.CLOSED, State.WITHDRAWN}
    assert is_open(Kind.COMPLAINT, state) is not finished
    assert is_open(Kind.ENQUIRY, state) is False
    assert is_open(Kind.SUGGESTION, state) is False


def test_the_clocks_hear_of_everything_but_steps_inside_the_bank() -> None:
    assert set(Action) - set(LEDGER_ENTRIES) == {Action.ACCEPT, Action.INVESTIGATE, Action.DECIDE}


def test_the_accused_alone_is_kept_from_the_case() -> None:
    accused, other = UUID(int=1), UUID(int=2)
    assert is_recused(accused, accused)
    assert not is_recused(other, accused)
    assert not is_recused(accused, None)
    # A system has no staff id, and nobody is accused: the two absences are not the same person.
    assert not is_recused(None, None)
    assert not is_recused(None, accused)
