"""The secrets that messages to endpoints are signed with, and how they are kept.

Each endpoint has a data key, wrapped by a key that serves webhooks alone; so neither the keys of personal data nor that of
the sessions has to do with them. For the version before, a copy sealed under the session key stands beside; what has only
that (the version before wrote it) is read from it, and taken over when a process starts.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from sqlalchemy import func, select, update

from kehu_chassis.clock import technical_now
from kehu_chassis.crypto import DataKey, Decryption, KeyRing, WrappedKey
from kehu_chassis.database import Transaction
from kehu_gateway.sessions.sealing import Sealer
from kehu_gateway.webhooks.tables import webhooks

__all__ = ["SecretKeeper", "take_over_secrets"]

_PURPOSE: Final = "webhook"
_BYTES: Final = 32

Columns = dict[str, Any]
"""What is to be written into a row of `webhooks`."""


class SecretKeeper:
    """Makes, seals and opens secrets.

    Args:
        ring: the keys that wrap the data keys.
        session: seals the copy for the version before.
    """

    def __init__(self, ring: KeyRing, session: Sealer) -> None:
        self._envelope = ring.envelope()
        self._session = session

    def first(self, webhook_id: UUID) -> Columns:
        """The first secret of an endpoint."""
        made = _new()
        wrapped, key = self._envelope.new_data_key()
        return {
            "key_id": wrapped.key_id,
            "wrapped_key": wrapped.wrapped,
            "own_secret": self._sealed(key, made, webhook_id),
            "own_previous_secret": None,
            "secret": self._for_the_version_before(made, webhook_id),
            "previous_secret": None,
        }

    def next(self, row: Mapping[str, Any]) -> Columns:
        """A new secret, and the one that it follows."""
        held = self.opened(row)
        columns = self.first(row["webhook_id"])
        if held:
            key = self._envelope.open_data_key(WrappedKey(columns["key_id"], columns["wrapped_key"]))
            columns["own_previous_secret"] = self._sealed(key, held[0], row["webhook_id"])
            columns["previous_secret"] = self._for_the_version_before(held[0], row["webhook_id"])
        return columns

    def taken_over(self, row: Mapping[str, Any]) -> Columns | None:
        """What the version before wrote, under the key of their own; None when the session key opens it no more."""
        held = self._from_the_version_before(row)
        if not held:
            return None
        wrapped, key = self._envelope.new_data_key()
        own = [self._sealed(key, secret, row["webhook_id"]) for secret in held]
        return {
            "key_id": wrapped.key_id,
            "wrapped_key": wrapped.wrapped,
            "own_secret": own[0],
            "own_previous_secret": own[1] if len(own) > 1 else None,
        }

    def opened(self, row: Mapping[str, Any]) -> list[bytes]:
        """The secrets to sign with, the newest first; none when no key opens them any more."""
        if not row["wrapped_key"]:
            return self._from_the_version_before(row)
        try:
            key = self._envelope.open_data_key(WrappedKey(row["key_id"], bytes(row["wrapped_key"])))
            kept = [bytes(sealed) for sealed in _still_valid(row, "own_secret", "own_previous_secret")]
            return [base64.b64decode(self._envelope.decrypt(key, sealed, _place(row["webhook_id"]))) for sealed in kept]
        except Decryption:
            return []

    def _sealed(self, key: DataKey, secret: bytes, webhook_id: UUID) -> bytes:
        return self._envelope.encrypt(key, base64.b64encode(secret).decode(), _place(webhook_id))

    def _for_the_version_before(self, secret: bytes, webhook_id: UUID) -> bytes:
        told = {"secret": base64.b64encode(secret).decode()}
        return self._session.seal(told, purpose=_PURPOSE, context=str(webhook_id))

    def _from_the_version_before(self, row: Mapping[str, Any]) -> list[bytes]:
        sealed = _still_valid(row, "secret", "previous_secret")
        found = [self._session.open(bytes(one), purpose=_PURPOSE, context=str(row["webhook_id"])) for one in sealed]
        return [base64.b64decode(one["secret"]) for one in found if one is not None]


_KEPT_BY_THE_VERSION_BEFORE: Final = (
    select(webhooks).where(func.coalesce(webhooks.c.wrapped_key, b"") == b"").with_for_update()
)


async def take_over_secrets(tx: Transaction, keeper: SecretKeeper) -> int:
    """Seal what the version before wrote under the key of their own; tells how many endpoints that were."""
    taken = 0
    for row in await tx.all(_KEPT_BY_THE_VERSION_BEFORE):
        columns = keeper.taken_over(row)
        if columns is not None:
            await tx.execute(update(webhooks).where(webhooks.c.webhook_id == row["webhook_id"]).values(**columns))
            taken += 1
    return taken


def _new() -> bytes:
    return secrets.token_bytes(_BYTES)


def _place(webhook_id: UUID) -> str:
    return f"webhooks.own_secret:{webhook_id}"


def _still_valid(row: Mapping[str, Any], newest: str, previous: str) -> list[Any]:
    sealed = [row[newest]]
    if row[previous] is not None and row["previous_until"] > technical_now():
        sealed.append(row[previous])
    return sealed
