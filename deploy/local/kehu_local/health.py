"""`kehu health` and `kehu resume`: what each service says of itself, and a stopped consumer that is to go on."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from kehu_local.operations import Data, Reason, Service, User, open_api, operations_path

__all__ = ["health", "resume"]

out = Console(highlight=False, soft_wrap=True)


def health(user: User = "operator", data: Data = None) -> None:
    """Show outbox, consumers, timers, parked messages and dead letters of every service. Exit 1 unless all is well."""
    with open_api(data, user) as api:
        services = api.get("/api/v1/operations")["services"]
    for service in services:
        out.print(f"[bold]{service['service']}[/bold]: {service['status']}")
        if service["health"] is not None:
            _show(service["health"])
    if any(service["status"] != "ok" for service in services):
        raise typer.Exit(1)


def _show(told: dict[str, Any]) -> None:
    outbox, age = told["outbox"], told["outbox"]["oldest_seconds"]
    waiting = "empty" if age is None else f"{outbox['depth']} events, the oldest {age:.0f} s old"
    timers = f"timers {told['due_timers']} due, {told['failing_timers']} failing"
    out.print(
        f"  outbox {waiting}; {timers}; parked {told['parked_messages']}; dead letters {told['open_dead_letters']}"
    )
    for consumer in told["consumers"]:
        lag = "unknown" if consumer["lag"] is None else consumer["lag"]
        counts = f"lag {lag}, held {consumer['held']}, dead letters {consumer['open_dead_letters']}"
        reason = f" ({consumer['reason']})" if consumer["reason"] else ""
        out.print(escape(f"  {consumer['subscription']:<24} {consumer['state']:<8} {counts}{reason}"))


def resume(
    service: Service,
    subscription: Annotated[str, typer.Argument(help="The stopped consumer, as `health` names it.")],
    reason: Reason,
    user: User = "operator",
    data: Data = None,
) -> None:
    """Let a consumer go on that stopped because too many messages died."""
    path = operations_path(service, "consumers", subscription, "resumptions")
    with open_api(data, user) as api:
        api.post(path, {"reason": reason})
    out.print("It goes on within two seconds; what dies now stops it again: kehu health")
