"""`kehu psql`: Kehu's database by hand, for what an operator does in SQL."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import NoReturn
from urllib.parse import unquote, urlsplit, urlunsplit

from kehu_chassis.testing.servers import postgres_programs
from kehu_local.environment import database_dsn
from kehu_local.failures import Failed
from kehu_local.plan import Plan
from kehu_local.secrets import SCHEMAS, Secrets

__all__ = ["open_psql"]


def open_psql(plan: Plan, schema: str | None, arguments: Sequence[str]) -> NoReturn:
    """Become psql, as the owner of a schema or the administrator. Raises `Failed` when there is no such schema."""
    if schema is not None and schema not in SCHEMAS:
        raise Failed(f"There is no schema {schema!r}.", f"The schemas are: {', '.join(SCHEMAS)}.")
    server = urlsplit(database_dsn(plan, Secrets.load_or_make(plan), schema, "owner"))
    user, _, place = server.netloc.rpartition("@")
    name, _, password = user.partition(":")
    # The password goes by the environment: everybody sees a process's arguments.
    if password:
        os.environ["PGPASSWORD"] = unquote(password)
    address = urlunsplit((server.scheme, f"{name}@{place}", server.path, server.query, ""))
    program = postgres_programs() / "psql"
    sys.stdout.flush()
    os.execv(program, [str(program), address, *arguments])  # noqa: S606 - our own program, and no shell is wanted.
