"""What `docker compose run --rm operator …` runs: the commands of `kehu` that work on a suite of containers.

The others have another form there: up, down, status and logs are compose's, and business time is the machine's.
"""

from __future__ import annotations

import typer

from kehu_local import cli
from kehu_local.audit import audit
from kehu_local.dead_letters import dead_letters
from kehu_local.health import health, resume
from kehu_local.keys import keys
from kehu_local.recovery import commands as recovery
from kehu_local.recovery.commands import Folder, Keys, LostLedger, NoLedger
from kehu_local.volumes import LEDGERS, SECRETS

__all__ = ["app"]

app = typer.Typer(
    name="operator",
    help="Operate a Kehu suite of containers.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for group, name in ((keys, "keys"), (audit, "audit"), (dead_letters, "dead-letters"), (cli.topic_commands, "topics")):
    app.add_typer(group, name=name)
for command in (health, resume, cli.replay, cli.token, recovery.backup, recovery.verify):
    app.command()(command)


@app.command()
def restore(folder: Folder, *, keys: Keys = None, ledger: LostLedger = None, no_ledger: NoLedger = False) -> None:
    """Make a suite of a backup, in a project whose services were never started; it is started afterwards."""
    from kehu_local.recovery.containers import restore_containers  # noqa: PLC0415 - each command loads its own code.

    source = recovery.source_of(folder, keys, ledger, no_ledger=no_ledger)
    restore_containers(SECRETS, LEDGERS, source, recovery.say)


if __name__ == "__main__":
    cli.main_of(app)
