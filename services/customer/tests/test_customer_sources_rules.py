"""Which statements are news, and which party messages name a person in clear."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kehu_customer.sources.rules import clear_identity, is_compact_jwe, last_of_each, rising, with_parents

SEALED = "eyJhbGciOiJkaXIifQ..aXY.Y2lwaGVy.dGFn"

Statement = tuple[str, int]


def news(statements: list[Statement], standing: Mapping[str, int] | None = None) -> list[Statement]:
    return rising(statements, key=lambda one: one[0], sequence=lambda one: one[1], standing=standing or {})


def test_a_lower_or_equal_sequence_is_not_news() -> None:
    assert news([("a", 2), ("a", 1), ("a", 2), ("b", 1), ("a", 3)]) == [("a", 2), ("b", 1), ("a", 3)]


def test_what_stood_before_the_batch_counts() -> None:
    assert news([("a", 5), ("a", 6), ("b", 1)], {"a": 5}) == [("a", 6), ("b", 1)]


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 5))), st.randoms(use_true_random=False))
def test_any_order_and_any_repetition_leaves_the_highest_of_each(statements: list[Statement], random: object) -> None:
    shuffled = [*statements, *statements]
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    highest: dict[str, int] = {}
    for key, sequence in statements:
        highest[key] = max(highest.get(key, 0), sequence)
    last = last_of_each(news(shuffled), key=lambda one: one[0])
    assert {key: sequence for key, (_, sequence) in last.items()} == highest


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(1, 9))), st.integers(0, 20))
def test_a_batch_is_the_same_as_one_after_the_other(statements: list[Statement], cut: int) -> None:
    first = news(statements[:cut])
    standing = {key: sequence for key, (_, sequence) in last_of_each(first, key=lambda one: one[0]).items()}
    assert first + news(statements[cut:], standing) == news(statements)


def test_a_compact_jwe_is_five_parts_with_no_wrapped_key() -> None:
    assert is_compact_jwe(SEALED)
    assert not is_compact_jwe("eyJhbGciOiJkaXIifQ.a.b.c.d")
    assert not is_compact_jwe("王伟")
    assert not is_compact_jwe({"name": "王伟"})


@pytest.mark.parametrize(
    "body",
    [
        {"identity": {"name": "王伟"}},
        {"identity": '{"name": "王伟"}'},
        {"identity": None},
        {"identity": SEALED, "name": "王伟"},
        {"identity": SEALED, "phone": "+8613800138000"},
        ["王伟"],
    ],
)
def test_a_person_named_in_clear_is_recognised(body: object) -> None:
    assert clear_identity(json.dumps(body).encode())


def test_what_is_not_json_is_taken_for_clear_text() -> None:
    assert clear_identity("王伟 13800138000".encode())


def test_an_encrypted_identity_passes() -> None:
    assert not clear_identity(json.dumps({"source": "core", "identity": SEALED}).encode())


def test_children_follow_their_parents_and_orphans_wait() -> None:
    parents = {"team": "branch", "branch": "head", "head": None, "stray": "unknown", "loop": "loop", "old": "known"}
    ready, waiting = with_parents(
        {name: (name, above) for name, above in parents.items()}, parent=lambda one: one[1], known={"known"}
    )
    assert [name for name, _ in ready] == ["head", "old", "branch", "team"]
    assert [name for name, _ in waiting] == ["stray", "loop"]
