"""`kehu dead-letters`: what could not be handled, over the operations API of the services."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from rich.console import Console
from rich.table import Column, Table

from kehu_local.failures import Failed
from kehu_local.plan import SERVICES, Plan, find_root

if TYPE_CHECKING:
    from kehu_local.api import Api

__all__ = ["dead_letters"]

dead_letters = typer.Typer(help="Messages that could not be handled.", no_args_is_help=True)
out = Console(highlight=False, soft_wrap=True)

CONSUMERS: Final = (*SERVICES, "gateway")
COLUMNS: Final = ("dead_letter_id", "state", "subscription", "topic", "type", "key", "reason")

Service = Annotated[str, typer.Argument(help=f"One of {', '.join(CONSUMERS)}.")]
Letter = Annotated[str, typer.Argument(help="Its id, as `list` shows it.")]
State = Annotated[str | None, typer.Option(help="open, redrive, skip, redriven or skipped; all unless given.")]
User = Annotated[str, typer.Option(help="The demo user that asks; the audit names it.")]
Data = Annotated[Path | None, typer.Option("--data", envvar="KEHU_DATA", help="The data folder.")]


def _api(data: Path | None, service: str, user: str) -> Api:
    from kehu_local.api import Api, token_of_user  # noqa: PLC0415 - the other commands need no HTTP.

    if service not in CONSUMERS:
        raise Failed(f"There is no service {service!r}.", f"The services are: {', '.join(CONSUMERS)}.")
    root = find_root()
    plan = Plan.load(root, data.absolute() if data else root / ".local")
    return Api(plan, token_of_user(plan, user))


def _path(service: str, letter: str | None = None, action: str | None = None) -> str:
    return "/".join(part for part in (f"/api/v1/operations/{service}/dead-letters", letter, action) if part)


@dead_letters.command("list")
def list_letters(service: Service, state: State = None, user: User = "operator", data: Data = None) -> None:
    """List the dead letters of a service, the newest first; settled ones too unless a state is named."""
    table = Table(Column("Id", no_wrap=True, min_width=36), "State", "Subscription", "Topic", "Type", "Key", "Reason")
    cursor: str | None = None
    with _api(data, service, user) as api:
        while True:
            page: dict[str, Any] = api.get(_path(service), cursor=cursor, state=state)
            for item in page["items"]:
                table.add_row(*(str(item[column]) for column in COLUMNS))
            cursor = page["next_cursor"]
            if cursor is None:
                break
    out.print(table)


@dead_letters.command()
def show(service: Service, letter: Letter, user: User = "operator", data: Data = None) -> None:
    """Show one dead letter."""
    with _api(data, service, user) as api:
        out.print_json(json.dumps(api.get(_path(service, letter))))


@dead_letters.command()
def redrive(
    service: Service,
    letter: Letter,
    reason: Annotated[str, typer.Option(help="Why; stands in the audit.")],
    user: User = "operator",
    data: Data = None,
) -> None:
    """Have a dead letter handled again."""
    with _api(data, service, user) as api:
        api.post(_path(service, letter, "redrives"), {"reason": reason})
    out.print("It will be handled again.")


@dead_letters.command()
def skip(
    service: Service,
    letter: Letter,
    reason: Annotated[str, typer.Option(help="Why; stands in the audit.")],
    user: User = "operator",
    data: Data = None,
) -> None:
    """Leave a dead letter out for good."""
    with _api(data, service, user) as api:
        api.post(_path(service, letter, "skips"), {"reason": reason})
    out.print("It is left out.")
