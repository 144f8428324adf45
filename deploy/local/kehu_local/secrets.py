"""Passwords and keys: made at the first start of a data folder, read ever after, for the owner's eyes only."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from kehu_chassis.crypto import create_key_file, create_wrapping_key_file
from kehu_chassis.provision import ROLES
from kehu_local.failures import Failed
from kehu_local.plan import Plan, write_json

__all__ = ["CLIENTS", "SCHEMAS", "Secrets", "wrapping_part"]

CLIENTS: Final = ("core-banking", "mobile-bank", "campaigns-service")
"""The systems that the built-in issuer knows."""
SCHEMAS: Final = ("customer", "segmentation", "complaints", "campaigns", "gateway")


@dataclass(frozen=True, slots=True)
class Secrets:
    """What a suite's processes authenticate with. `roles` holds the passwords by schema and role."""

    superuser: str = field(repr=False)
    roles: Mapping[str, Mapping[str, str]] = field(repr=False)
    session_key: str = field(repr=False)

    @classmethod
    def load_or_make(cls, plan: Plan) -> Self:
        """Read the secrets of the data folder, or make them when it is new. Raises `Failed` when they were lost."""
        path = plan.secrets / "passwords.json"
        try:
            plan.secrets.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not path.exists():
                _refuse_lost(plan, path)
                write_json(path, _new())
            if not plan.key_file.exists():
                _refuse_lost(plan, plan.key_file)
                create_key_file(plan.key_file)
            _derive(plan)
            if not plan.webhook_key_file.exists():
                # A suite of an earlier version had none. One that was lost is missed when the gateway starts.
                create_wrapping_key_file(plan.webhook_key_file, "webhook-1")
            if not plan.issuer_key_file.exists():
                _write_new(plan.issuer_key_file, _new_issuer_key())
            for client in CLIENTS:
                if not (plan.client_secrets / client).exists():
                    _write_new(plan.client_secrets / client, secrets.token_urlsafe(32).encode())
            content = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, KeyError) as error:
            cause = f"The secrets in {plan.secrets} cannot be used: {error}"
            raise Failed(
                cause, "Make the folder readable and writable for you, or choose another data folder."
            ) from error
        return cls(content["superuser"], content["roles"], content["session_key"])


def wrapping_part(content: Mapping[str, Any]) -> dict[str, Any]:
    """Of a key file's content, what a service needs that wraps keys and does nothing else with them."""
    return {"kek": content["kek"]}


def _derive(plan: Plan) -> None:
    """A command that was ended between the two files has left the second behind; so has an earlier version."""
    wanted = wrapping_part(json.loads(plan.key_file.read_text(encoding="utf-8")))
    derived = plan.complaints_key_file
    if not derived.exists() or json.loads(derived.read_text(encoding="utf-8")) != wanted:
        write_json(derived, wanted)


def _new() -> dict[str, object]:
    roles = {schema: {role: secrets.token_urlsafe(24) for role in ROLES} for schema in SCHEMAS}
    return {"superuser": secrets.token_urlsafe(24), "roles": roles, "session_key": secrets.token_urlsafe(48)}


def _refuse_lost(plan: Plan, path: Path) -> None:
    """New secrets would not open old data: say so instead of making them."""
    if (plan.data / "postgres" / "PG_VERSION").exists():
        remedy = f"Put {path.name} back from your copy, or start anew with an empty data folder."
        raise Failed(f"The data folder {plan.data} holds data, and {path} is missing.", remedy)


def _new_issuer_key() -> bytes:
    return Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _write_new(path: Path, content: bytes) -> None:
    path.parent.mkdir(mode=0o700, exist_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
