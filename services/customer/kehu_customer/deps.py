"""What routes ask for beside the chassis's own: the vault and principals with one permission."""

from __future__ import annotations

from typing import Annotated, cast

from fastapi import Depends, Request

from kehu_chassis.auth import Principal
from kehu_chassis.http import requires, runtime_of
from kehu_contracts.access import Permission
from kehu_customer.vault import CustomerResources, Vault

__all__ = [
    "ConsentWriter",
    "ContactResolver",
    "CustomerEraser",
    "CustomerMerger",
    "CustomerReader",
    "CustomerRevealer",
    "CustomerWriter",
    "Safe",
]


async def vault_of(request: Request) -> Vault:
    """The process's vault."""
    return cast("CustomerResources", runtime_of(request).resources).vault


Safe = Annotated[Vault, Depends(vault_of)]
CustomerReader = Annotated[Principal, requires(Permission.CUSTOMER_READ)]
CustomerWriter = Annotated[Principal, requires(Permission.CUSTOMER_WRITE)]
CustomerRevealer = Annotated[Principal, requires(Permission.CUSTOMER_REVEAL)]
CustomerMerger = Annotated[Principal, requires(Permission.CUSTOMER_MERGE)]
CustomerEraser = Annotated[Principal, requires(Permission.CUSTOMER_ERASE)]
ConsentWriter = Annotated[Principal, requires(Permission.CONSENT_WRITE)]
ContactResolver = Annotated[Principal, requires(Permission.CONTACT_RESOLVE)]
