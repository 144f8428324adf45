"""The demo bank's users and systems. Passwords are kept as argon2id hashes, secrets of systems in files."""

from __future__ import annotations

import asyncio
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Final, Self
from uuid import NAMESPACE_URL, UUID, uuid5

from argon2 import PasswordHasher
from argon2.exceptions import VerificationError

from kehu_contracts.access import Role

__all__ = ["Account", "Accounts"]

_HASHER: Final = PasswordHasher(time_cost=2, memory_cost=19456, parallelism=1)


@dataclass(frozen=True, slots=True)
class Account:
    """A user, or a system when there is no staff id."""

    subject: str
    name: str
    roles: tuple[Role, ...]
    staff_id: UUID | None


class Accounts:
    """Who may log in.

    Args:
        users: accounts by user name, with their password hashes.
        clients: accounts of systems by client id.
        secrets: folder with each system's secret in a file of its name.
    """

    def __init__(self, users: Mapping[str, tuple[Account, str]], clients: Mapping[str, Account], secrets: Path) -> None:
        self._users = users
        self._clients = clients
        self._secrets = secrets

    @classmethod
    def demo(cls, secrets: Path) -> Self:
        """The accounts of the demo bank."""
        told = json.loads(files(__package__).joinpath("accounts.json").read_text(encoding="utf-8"))
        users = {
            entry["user"]: (
                Account(
                    entry["user"],
                    entry["name"],
                    tuple(Role(role) for role in entry["roles"]),
                    uuid5(NAMESPACE_URL, f"kehu-demo-staff/{entry['user']}"),
                ),
                entry["password_hash"],
            )
            for entry in told["users"]
        }
        clients = {
            entry["client"]: Account(
                entry["client"], entry["client"], tuple(Role(role) for role in entry["roles"]), None
            )
            for entry in told["clients"]
        }
        return cls(users, clients, secrets)

    def user(self, name: str) -> Account | None:
        """A user by name."""
        found = self._users.get(name)
        return None if found is None else found[0]

    async def authenticate(self, name: str, password: str) -> Account | None:
        """The user with this name and password. Takes as long for a name that does not exist."""
        found = self._users.get(name)
        account, stored = found if found is not None else (None, next(iter(self._users.values()))[1])
        fits = await asyncio.to_thread(_fits, stored, password)
        return account if fits else None

    def authenticate_client(self, client_id: str, secret: str) -> Account | None:
        """The system with this id and secret."""
        account = self._clients.get(client_id)
        if account is None:
            return None
        try:
            stored = (self._secrets / client_id).read_bytes().strip()
        except OSError:
            return None
        return account if stored and hmac.compare_digest(stored, secret.encode()) else None


def _fits(stored: str, password: str) -> bool:
    try:
        return _HASHER.verify(stored, password)
    except VerificationError:
        return False
