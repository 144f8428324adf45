"""Which statements of a source are news. Pure: the same messages in any order leave the same state."""

from __future__ import annotations

import json
from collections.abc import Callable, Container, Hashable, Iterable, Mapping
from typing import Final, TypeVar

__all__ = ["IDENTIFYING_FIELDS", "clear_identity", "is_compact_jwe", "last_of_each", "rising", "with_parents"]

Statement = TypeVar("Statement")
Key = TypeVar("Key", bound=Hashable)

IDENTIFYING_FIELDS: Final = frozenset(
    {
        "address",
        "birth_date",
        "contacts",
        "documents",
        "email",
        "former_name",
        "id_number",
        "latin_name",
        "mobile",
        "name",
        "phone",
        "wechat",
    }
)
"""Names under which a source might state who a party is beside, or instead of, the encrypted identity."""


def rising(
    statements: Iterable[Statement],
    *,
    key: Callable[[Statement], Key],
    sequence: Callable[[Statement], int],
    standing: Mapping[Key, int],
) -> list[Statement]:
    """The statements that are news when taken one after the other: each has a higher sequence than all before it.

    `standing` has the sequence that each key already stands at. An equal sequence is a repetition.
    """
    last = dict(standing)
    news: list[Statement] = []
    for statement in statements:
        seen = last.get(key(statement))
        if seen is None or sequence(statement) > seen:
            last[key(statement)] = sequence(statement)
            news.append(statement)
    return news


def last_of_each(statements: Iterable[Statement], *, key: Callable[[Statement], Key]) -> dict[Key, Statement]:
    """The last statement of each key: what a row is set to once a rising run has been applied."""
    return {key(statement): statement for statement in statements}


def with_parents(
    statements: Mapping[Key, Statement], *, parent: Callable[[Statement], Key | None], known: Container[Key]
) -> tuple[list[Statement], list[Statement]]:
    """Those whose parent is known, or stated along with them and ready itself; and those that have to wait for it.

    The ready ones come parents first. What hangs on itself, by whichever way, is never ready.
    """
    ready: dict[Key, Statement] = {}
    waiting = dict(statements)
    while True:
        settled = {
            key: statement
            for key, statement in waiting.items()
            if (above := parent(statement)) is None or above in known or above in ready
        }
        if not settled:
            return list(ready.values()), list(waiting.values())
        ready.update(settled)
        waiting = {key: statement for key, statement in waiting.items() if key not in settled}


def is_compact_jwe(value: object) -> bool:
    """Whether the value looks like a compact JWE with direct encryption: five parts, the second of them empty."""
    if not isinstance(value, str):
        return False
    parts = value.split(".")
    return len(parts) == 5 and parts[1] == "" and all(parts[index] for index in (0, 2, 3, 4))


def clear_identity(body: bytes) -> bool:
    """Whether a party message says in clear who the party is.

    True when `identity` is anything but a compact JWE, and when a field beside it would identify a person.
    """
    try:
        fields = json.loads(body)
    except ValueError:
        # What cannot be read cannot be shown to be free of personal data.
        return True
    if not isinstance(fields, dict):
        return True
    if IDENTIFYING_FIELDS & fields.keys():
        return True
    return "identity" in fields and not is_compact_jwe(fields["identity"])
