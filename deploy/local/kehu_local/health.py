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
    """Show outbox, consumers, timers, topics, parked messages and dead letters of every service. Exit 1 unless all is well.

    What is beyond the threshold of its alert stands with the alert's name and urgency.
    """
    with open_api(data, user) as api:
        services = api.get("/api/v1/operations")["services"]
    for service in services:
        out.print(f"[bold]{service['service']}[/bold]: {service['status']}")
        if service["health"] is not None:
            _show(service["health"])
    if any(service["status"] != "ok" for service in services):
        raise typer.Exit(1)


def _show(told: dict[str, Any]) -> None:
    outbox = _waiting(told["outbox"]["depth"], told["outbox"]["oldest_seconds"], "events")
    parked = _waiting(told["parked_messages"], told["parked_oldest_seconds"], "messages")
    timers = f"timers {told['due_timers']} due, {told['failing_timers']} failing"
    out.print(f"  outbox {outbox}; {timers}; parked {parked}; dead letters {told['open_dead_letters']}")
    for alert in told["alerts"]:
        if alert["state"] in {"page", "ticket"}:
            of = f" of {alert['of']}" if alert["of"] else ""
            beyond = f"{alert['figure']:.0f}, threshold {alert['threshold']:g}"
            out.print(escape(f"  {alert['state']:<6} {alert['alert']}{of}: {beyond}"))
    for consumer in told["consumers"]:
        lag = "unknown" if consumer["lag"] is None else consumer["lag"]
        counts = f"lag {lag}, held {consumer['held']}, dead letters {consumer['open_dead_letters']}"
        reason = f" ({consumer['reason']})" if consumer["reason"] else ""
        out.print(escape(f"  {consumer['subscription']:<24} {consumer['state']:<8} {counts}{reason}"))
    for timer in told["timers"]:
        late = "" if timer["late_seconds"] is None else f", {timer['late_seconds']:.0f} s late"
        counts = f"{timer['set']} set, {timer['due']} due{late}, {timer['failing']} failing"
        out.print(escape(f"  {timer['kind']:<24} timer    {counts}, next due {timer['next_due_at'] or 'none'}"))
    for topic in told["topics"]:
        out.print(escape(f"  {topic['topic']:<24} topic    last message {topic['last_message_at']}"))


def _waiting(count: int, seconds: float | None, what: str) -> str:
    return "empty" if seconds is None else f"{count} {what}, the oldest {seconds:.0f} s old"


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
