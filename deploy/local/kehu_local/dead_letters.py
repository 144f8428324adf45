"""`kehu dead-letters`: what could not be handled, over the operations API of the services."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from rich.console import Console
from rich.markup import escape

from kehu_local.operations import Data, Reason, Service, User, open_api, operations_path

if TYPE_CHECKING:
    from kehu_local.api import Api

__all__ = ["dead_letters"]

dead_letters = typer.Typer(help="Messages that could not be handled.", no_args_is_help=True)
out = Console(highlight=False, soft_wrap=True)

WISHES: Final = frozenset({"redrive", "skip"})
"""States of a letter that the worker has still to deal with."""
DONE_WITHIN: Final = 15.0
LOOK_EVERY: Final = 0.5

Letter = Annotated[str, typer.Argument(help="Its id, as `list` shows it.")]
Letters = Annotated[list[str], typer.Argument(help="Their ids, as `list` shows them.")]
State = Annotated[str | None, typer.Option(help="open, redrive, skip, redriven or skipped; all unless given.")]


@dead_letters.command("list")
def list_letters(service: Service, state: State = None, user: User = "operator", data: Data = None) -> None:
    """List the dead letters of a service, the newest first; settled ones too unless a state is named."""
    path = operations_path(service, "dead-letters")
    cursor: str | None = None
    count = 0
    with open_api(data, user) as api:
        while True:
            page: dict[str, Any] = api.get(path, cursor=cursor, state=state)
            for item in page["items"]:
                count += 1
                _show_line(item)
            cursor = page["next_cursor"]
            if cursor is None:
                break
    if not count:
        out.print("There are none.")


def _show_line(letter: dict[str, Any]) -> None:
    # Two lines of text and no table: ids can be copied, cut out and piped, however narrow the terminal is.
    out.print("{dead_letter_id}  {state}  {subscription}  {died_at}".format(**letter))
    out.print(escape("    {type} of {key} on {topic}: {reason}".format(**letter)))


@dead_letters.command()
def show(service: Service, letter: Letter, user: User = "operator", data: Data = None) -> None:
    """Show one dead letter, and how many messages wait behind it."""
    path = operations_path(service, "dead-letters", letter)
    with open_api(data, user) as api:
        out.print_json(json.dumps(api.get(path)))


@dead_letters.command()
def redrive(service: Service, letters: Letters, reason: Reason, user: User = "operator", data: Data = None) -> None:
    """Have dead letters handled again, and tell what came of it. Exit 1 when one died again."""
    with open_api(data, user) as api:
        _settle(api, service, letters, "redrives", reason)


@dead_letters.command()
def skip(service: Service, letters: Letters, reason: Reason, user: User = "operator", data: Data = None) -> None:
    """Leave dead letters out for good."""
    with open_api(data, user) as api:
        _settle(api, service, letters, "skips", reason)


def _settle(api: Api, service: str, letters: list[str], action: str, reason: str) -> None:
    path = operations_path(service, "dead-letters")
    for letter in letters:
        api.post(f"{path}/{letter}/{action}", {"reason": reason})
    # The worker does it, a second or two later.
    settled = [_tell(_when_done(api, f"{path}/{letter}")) for letter in letters]
    if not all(settled):
        raise typer.Exit(1)


def _when_done(api: Api, path: str) -> dict[str, Any]:
    deadline = time.monotonic() + DONE_WITHIN
    while True:
        letter: dict[str, Any] = api.get(path)
        if letter["state"] not in WISHES or time.monotonic() > deadline:
            return letter
        time.sleep(LOOK_EVERY)


def _tell(letter: dict[str, Any]) -> bool:
    """Print what became of a letter, and whether it is settled."""
    told = letter["state"]
    if told == "open":
        told = f"died again: {letter['reason']}"
    elif told in WISHES:
        told = "waits for the worker of the service: see that it runs (kehu health)"
    out.print(escape(f"{letter['dead_letter_id']}  {told}"))
    return letter["state"] in {"redriven", "skipped"}
