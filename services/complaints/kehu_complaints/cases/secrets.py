"""What was said in a case, kept under the case's own key: destroying the key erases it all."""

from __future__ import annotations

from typing import Final

from kehu_chassis.crypto import Envelope, WrappedKey
from kehu_chassis.database import Record

__all__ = ["NARRATIVE", "open_text", "place_of_note", "seal_text"]

NARRATIVE: Final = "complaints.narrative"


def place_of_note(position: int) -> str:
    """Where a note of the history stands: a ciphertext that was moved elsewhere does not open."""
    return f"complaint_history.note/{position}"


def seal_text(envelope: Envelope, case: Record, place: str, text: str | None) -> bytes | None:
    """Encrypt a text of this case for its place."""
    if text is None:
        return None
    key = envelope.open_data_key(WrappedKey(case["key_id"], case["wrapped_key"]))
    return envelope.encrypt(key, text, f"{place}/{case['complaint_id']}")


def open_text(envelope: Envelope, case: Record, place: str, sealed: bytes | None) -> str | None:
    """Decrypt a text of this case."""
    if sealed is None:
        return None
    key = envelope.open_data_key(WrappedKey(case["key_id"], case["wrapped_key"]))
    return envelope.decrypt(key, sealed, f"{place}/{case['complaint_id']}")
