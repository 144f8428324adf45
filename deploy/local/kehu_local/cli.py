"""The `kehu` command."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from kehu_chassis.clock import SuiteClock
from kehu_chassis.testing.servers import ServerFailed
from kehu_local import clock, lock
from kehu_local.audit import audit
from kehu_local.dead_letters import dead_letters
from kehu_local.failures import Failed
from kehu_local.health import health, resume
from kehu_local.importers.commands import imports
from kehu_local.keys import keys
from kehu_local.plan import Plan, choose_ports, find_root
from kehu_local.recovery import commands as recovery

if TYPE_CHECKING:
    from kehu_local.topics import Change

__all__ = ["app", "main", "main_of", "replay", "token", "topic_commands"]

STOP_WITHIN = 20.0

app = typer.Typer(
    name="kehu",
    help="Run and operate a Kehu suite on this machine.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
clock_commands = typer.Typer(help="The suite's clock: business time, which only moves forward.", no_args_is_help=True)
topic_commands = typer.Typer(help="The broker's topics.", no_args_is_help=True)
app.add_typer(clock_commands, name="clock")
app.add_typer(topic_commands, name="topics")
app.add_typer(dead_letters, name="dead-letters")
app.add_typer(imports, name="import")
app.add_typer(audit, name="audit")
app.add_typer(keys, name="keys")
recovery.register(app)
for operation in (health, resume):
    app.command()(operation)

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)

Data = Annotated[
    Path | None,
    typer.Option("--data", envvar="KEHU_DATA", help="The data folder; .local beside the code if not given."),
]


def _data(folder: Path | None) -> Path:
    return folder.absolute() if folder else find_root() / ".local"


def _suite(folder: Path | None) -> Plan:
    return Plan.load(find_root(), _data(folder))


@app.command()
def up(  # noqa: PLR0913 - each is an option of the command line.
    *,
    data: Data = None,
    port: Annotated[
        list[str] | None, typer.Option(help="NAME=NUMBER: another port, e.g. gateway=9080; may be repeated.")
    ] = None,
    port_offset: Annotated[int, typer.Option(envvar="KEHU_PORT_OFFSET", help="Move all default ports.")] = 0,
    kafka: Annotated[
        str | None, typer.Option(envvar="KEHU_KAFKA", help="HOST:PORT of a broker that already runs.")
    ] = None,
    postgres: Annotated[
        str | None,
        typer.Option(
            envvar="KEHU_POSTGRES", help="postgresql://ROLE:PASSWORD@HOST:PORT/DATABASE of a server that runs."
        ),
    ] = None,
    at: Annotated[str | None, typer.Option(help="Business time at which a new suite begins (ISO 8601).")] = None,
    demo: Annotated[
        bool, typer.Option("--demo/--no-demo", envvar="DEMO", help="Give a new suite the demo bank.")
    ] = True,
    quiet: Annotated[bool, typer.Option("--quiet", help="Do not stream the processes' logs.")] = False,
) -> None:
    """Start everything and stay; Ctrl-C stops it."""
    from kehu_local.runner import Runner  # noqa: PLC0415 - each command loads its own code, so that all of them are quick.

    plan = Plan(
        root=find_root(), data=_data(data), ports=choose_ports(port or [], port_offset), kafka=kafka, postgres=postgres
    )
    runner = Runner(
        plan,
        with_demo=demo,
        at=clock.parse_instant(at) if at else None,
        say=lambda line: out.print(f"[bold]kehu[/bold] {escape(line)}"),
        on_ready=_show_table,
        streaming=not quiet,
    )
    runner.run()


@app.command()
def down(data: Data = None) -> None:
    """Stop the suite that runs with this data folder."""
    run = _data(data) / "run"
    pid = lock.holder(run)
    if pid is None:
        out.print("Nothing runs with this data folder.")
        return
    os.kill(pid, signal.SIGTERM)
    if not lock.wait_until_free(run, STOP_WITHIN):
        raise Failed(f"The runner (process {pid}) did not stop within {STOP_WITHIN:.0f} s.", f"End it: kill -9 {pid}")
    out.print("Stopped; the data are kept.")


@app.command()
def status(data: Data = None) -> None:
    """Show which processes are ready, and what they take of memory."""
    from kehu_local.status import show_status  # noqa: PLC0415 - see `up`.

    if not show_status(_suite(data), out):
        raise typer.Exit(1)


@app.command()
def token(
    user: Annotated[str | None, typer.Option(help="A demo user, e.g. rm.")] = None,
    client: Annotated[str | None, typer.Option(help="A system, e.g. core-banking.")] = None,
    data: Data = None,
) -> None:
    """Print an access token of a demo user or of a system."""
    from kehu_local.api import token_of_client, token_of_user  # noqa: PLC0415 - see `up`.

    if (user is None) == (client is None):
        raise Failed("Name either a user or a client.", "For example: kehu token --user rm")
    plan = _suite(data)
    sys.stdout.write((token_of_user(plan, user) if user else token_of_client(plan, client or "")) + "\n")


@clock_commands.command()
def show(data: Data = None) -> None:
    """Print the business time."""
    _print_instant(SuiteClock(_suite(data).clock_file))


@clock_commands.command()
def advance(span: Annotated[str, typer.Argument(help="How far, e.g. 16d, 36h, 1w2d.")], data: Data = None) -> None:
    """Move the clock forward by a span."""
    path = _suite(data).clock_file
    clock.advance(path, clock.parse_duration(span))
    _print_instant(SuiteClock(path))


@clock_commands.command("set")
def set_clock(
    instant: Annotated[str, typer.Argument(help="Until when, e.g. 1999-01-17T09:00+08:00.")], data: Data = None
) -> None:
    """Move the clock forward to a moment."""
    path = _suite(data).clock_file
    clock.set_forward(path, clock.parse_instant(instant))
    _print_instant(SuiteClock(path))


def _print_instant(suite: SuiteClock) -> None:
    sys.stdout.write(suite.now().isoformat(timespec="seconds") + "\n")


@app.command()
def replay(
    service: Annotated[str, typer.Argument(help="The service.")],
    subscription: Annotated[str, typer.Argument(help="The subscription whose projection is rebuilt.")],
    *,
    anyway: Annotated[
        bool, typer.Option("--anyway", help="Also when the topics hold less than the projection does.")
    ] = False,
    data: Data = None,
) -> None:
    """Rebuild a projection from its topics; the suite may run meanwhile."""
    from kehu_local.replay import replay as run  # noqa: PLC0415 - see `up`.

    out.print(f"{run(_suite(data), service, subscription, anyway=anyway)} messages read")


@app.command()
def worker(
    service: Annotated[str, typer.Argument(help="The service, or gateway.")],
    data: Data = None,
) -> None:
    """Run one more worker of a service in this terminal, until Ctrl-C; the workers share the partitions of its topics."""
    from kehu_local.worker import run_worker  # noqa: PLC0415 - see `up`.

    run_worker(_suite(data), service, out)


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def psql(
    context: typer.Context,
    schema: Annotated[
        str | None, typer.Option("--as", help="Be the owner of this schema; the server's administrator if not given.")
    ] = None,
    data: Data = None,
) -> None:
    """Open Kehu's database with PostgreSQL's psql; further arguments, such as -c STATEMENT, are psql's own."""
    from kehu_local.psql import open_psql  # noqa: PLC0415 - see `up`.

    open_psql(_suite(data), schema, context.args)


@topic_commands.command("plan")
def plan_topics(data: Data = None) -> None:
    """Show how the broker differs from the topic file."""
    from kehu_local import topics  # noqa: PLC0415 - see `up`.

    _show_changes(asyncio.run(topics.plan_topics(_suite(data).kafka_bootstrap)), "would be changed")


@topic_commands.command("apply")
def apply_topics(
    data: Data = None, *, yes: Annotated[bool, typer.Option("--yes", help="Apply without asking.")] = False
) -> None:
    """Show how the broker differs from the topic file and, when that is agreed to, make it agree."""
    from kehu_local import topics  # noqa: PLC0415 - see `up`.

    bootstrap = _suite(data).kafka_bootstrap
    planned = asyncio.run(topics.plan_topics(bootstrap))
    _show_changes(planned, "would be changed")
    if any(change.applicable for change in planned):
        if not yes:
            typer.confirm("Change them?", abort=True)
        done = asyncio.run(topics.apply_topics(bootstrap))
        out.print(f"{sum(change.applicable for change in done)} changed")
    if any(not change.applicable for change in planned):
        raise typer.Exit(1)


def _show_changes(changes: Sequence[Change], done: str) -> None:
    for change in changes:
        out.print(f"{change.topic}: {change.what}" + ("" if change.applicable else "  [bold](needs a person)[/bold]"))
    out.print(f"{sum(change.applicable for change in changes)} {done}" if changes else "The broker agrees.")


def _show_table(plan: Plan) -> None:
    table = Table.grid(padding=(0, 3))
    table.add_row("[bold]Address[/bold]", plan.gateway_url)
    users = "rm rm2 handler marketer marketer2 compliance head operator auditor"
    table.add_row("[bold]Log-ins[/bold]", f"{users}\n(the password is the name and -demo, e.g. rm-demo)")
    table.add_row("[bold]Business time[/bold]", SuiteClock(plan.clock_file).now().isoformat(timespec="seconds"))
    table.add_row(
        "[bold]PostgreSQL, Kafka[/bold]", f"{plan.postgres or plan.ports['postgres']}, {plan.kafka_bootstrap}"
    )
    table.add_row("[bold]Logs, data[/bold]", f"{plan.logs}, {plan.data}")
    table.add_row("[bold]Stop[/bold]", "Ctrl-C, or: make down")
    out.print()
    out.print(table)
    out.print()


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command and exit; what fails is told by cause and remedy, and the exit code is 1."""
    main_of(app, arguments)


def main_of(commands: typer.Typer, arguments: Sequence[str] | None = None) -> NoReturn:
    """The same for commands of another program."""
    try:
        commands(arguments)
    except (Failed, ServerFailed) as failure:
        err.print(f"[bold red]kehu:[/bold red] {escape(failure.cause)}\n      {escape(failure.remedy)}")
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        err.print(f"[bold red]kehu:[/bold red] The disk is full: {error}\n      Free some space and try again.")
    sys.exit(1)
