"""What the commands over the operations API of the services share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from kehu_local.failures import Failed
from kehu_local.plan import SERVICES, Plan, find_root

if TYPE_CHECKING:
    from kehu_local.api import Api

__all__ = ["CONSUMERS", "Data", "Reason", "Service", "User", "open_api", "operations_path"]

CONSUMERS: Final = (*SERVICES, "gateway")

Service = Annotated[str, typer.Argument(help=f"One of {', '.join(CONSUMERS)}.")]
Reason = Annotated[str, typer.Option(help="Why; stands in the audit.")]
User = Annotated[str, typer.Option(help="The demo user that asks; the audit names it.")]
Data = Annotated[Path | None, typer.Option("--data", envvar="KEHU_DATA", help="The data folder.")]


def open_api(data: Path | None, user: str) -> Api:
    """The suite's API with the rights of a demo user; use it as a context manager."""
    from kehu_local.api import Api, token_of_user  # noqa: PLC0415 - the other commands need no HTTP.

    root = find_root()
    plan = Plan.load(root, data.absolute() if data else root / ".local")
    return Api(plan, token_of_user(plan, user))


def operations_path(service: str, *parts: str) -> str:
    """Where a service's operations are. Raises `Failed` when there is none of that name."""
    if service not in CONSUMERS:
        raise Failed(f"There is no service {service!r}.", f"The services are: {', '.join(CONSUMERS)}.")
    return "/".join(("/api/v1/operations", service, *parts))
