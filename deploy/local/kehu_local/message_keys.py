"""The keys that senders of inbound messages share with Kehu: as files that are handed over, and what came under each."""

from __future__ import annotations

import base64
import json
import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Self

from kehu_chassis.database import Transaction
from kehu_contracts.bank import BankParty
from kehu_local.failures import Failed

__all__ = ["KEY_BYTES", "Jwk", "Sent", "last_statements", "waiting_messages"]

KEY_BYTES: Final = 32
KID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
# The protected header of the identity's JWE, which names the key, as it stands in a message's body.
HEADER: Final = r'"identity"\s*:\s*"([A-Za-z0-9_-]+)\.'
_STATED: Final = """
SELECT substring(body FROM $1) AS header, count(*) AS messages, max(received_at) AS last FROM source_records GROUP BY 1
"""
_WAITING: Final = """
SELECT substring(encode(body, 'escape') FROM $1) AS header, count(*) AS messages FROM (
    SELECT type, body FROM parked_messages
    UNION ALL SELECT type, body FROM held_messages
    UNION ALL SELECT type, body FROM dead_letters WHERE state IN ('open', 'redrive') AND body IS NOT NULL
) AS waiting WHERE type = $2 GROUP BY 1
"""


@dataclass(frozen=True, slots=True)
class Jwk:
    """A message key as a file (RFC 7517, `oct`): what is handed over to whoever sends under it, or comes from there."""

    kid: str
    key: bytes = field(repr=False)

    def write(self, path: Path | None) -> None:
        """Write it where its owner alone can read it, or (None) to the standard output.

        Raises `Failed` when there is such a file.
        """
        content = {"kty": "oct", "kid": self.kid, "use": "enc", "alg": "dir", "k": _unpadded(self.key)}
        if path is None:
            sys.stdout.write(json.dumps(content, indent=2) + "\n")
            return
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except OSError as error:
            raise Failed(f"{path} cannot be written: {error.strerror}.", "Name a file that is not there yet.") from None
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(content, file, indent=2)
            file.write("\n")

    @classmethod
    def read(cls, path: Path) -> Self:
        """The key in a file. Raises `Failed` when it is none that messages can be sealed under."""
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            kid, key = content["kid"], _padded(content["k"])
            fits = content["kty"] == "oct" and bool(KID.fullmatch(kid)) and len(key) == KEY_BYTES
        except OSError as error:
            raise Failed(f"{path} cannot be read: {error.strerror}.", "Name the file with the key.") from None
        except (ValueError, KeyError, TypeError):
            fits = False
        if not fits:
            remedy = "It is JSON with kty oct, kid (up to 64 of A-Z a-z 0-9 . _ -) and k, 32 bytes as base64url."
            raise Failed(f"{path} is no key (JWK) for messages.", remedy)
        return cls(kid, key)


@dataclass(frozen=True, slots=True)
class Sent:
    """How many messages, and when the last of them was taken in."""

    messages: int
    last: datetime | None = None


async def last_statements(tx: Transaction) -> dict[str, Sent]:
    """By `kid`: the parties whose last statement came under it."""
    rows = await tx.connection.fetch(_STATED, HEADER)
    return _by_kid({row["header"]: Sent(row["messages"], row["last"]) for row in rows})


async def waiting_messages(tx: Transaction) -> dict[str, Sent]:
    """By `kid`: messages that are parked, held or dead and have still to be opened."""
    rows = await tx.connection.fetch(_WAITING, HEADER, BankParty.event_type)
    return _by_kid({row["header"]: Sent(row["messages"]) for row in rows})


def _by_kid(by_header: Mapping[str | None, Sent]) -> dict[str, Sent]:
    """What stands under several headers that name one key is one: senders write headers in their own ways."""
    found: dict[str, Sent] = {}
    for header, sent in by_header.items():
        kid = _kid_in(header)
        if kid is not None:
            before = found.get(kid, Sent(0))
            lasts = [last for last in (before.last, sent.last) if last is not None]
            found[kid] = Sent(before.messages + sent.messages, max(lasts, default=None))
    return found


def _kid_in(header: str | None) -> str | None:
    try:
        told: Any = json.loads(_padded(header or ""))
        kid: Any = told["kid"]
    except (ValueError, KeyError, TypeError):
        return None
    return kid if isinstance(kid, str) else None


def _unpadded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def _padded(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
