"""A suite as `kehu up` starts it, and the `kehu` command beside it."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch
from uuid import uuid4

import httpx
import pytest

from kehu_local.api import token_of_client, token_of_user
from kehu_local.plan import Plan, choose_ports
from kehu_local.secrets import Secrets
from kehu_local.testing import SuiteProcess, free_ports

from .databases import a_database, migrate, name_of

ROOT = Path(__file__).parents[2]


@dataclass
class Operated:
    """A suite with its data folder, ports of its own, and clients. `kehu` runs a command on it."""

    data: Path
    ports: dict[str, int] = field(default_factory=lambda: free_ports(choose_ports([], 0)))
    process: SuiteProcess | None = None

    @property
    def plan(self) -> Plan:
        """The plan of the suite that was last started or restored."""
        return Plan.load(ROOT, self.data)

    def port_options(self) -> list[str]:
        """The suite's ports, for `up` and `restore`."""
        return [part for name, number in self.ports.items() for part in ("--port", f"{name}={number}")]

    def start(self) -> None:
        """Start everything and wait until it answers."""
        command = [sys.executable, "-m", "kehu_local", "up", "--data", str(self.data), "--no-demo", "--quiet"]
        self.process = SuiteProcess([*command, *self.port_options()], self.data, self.ports)
        self.process.start()
        self.process.wait_for_line("are ready")

    def stop(self) -> None:
        """Stop it as an operator does."""
        assert self.process is not None
        assert self.process.interrupt() == 0, self.process.text
        self.process.clean_up()

    def kehu(self, *arguments: str, fails: bool = False) -> str:
        """Run a command of `kehu` on this suite; its output."""
        command = [sys.executable, "-m", "kehu_local", *arguments, "--data", str(self.data)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
        assert (done.returncode != 0) == fails, f"kehu {' '.join(arguments)}: {done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    def system(self) -> httpx.Client:
        """A client through the gateway as the mobile bank."""
        return self._client(token_of_client(self.plan, "mobile-bank"))

    def user(self, name: str) -> httpx.Client:
        """The same as a demo user."""
        return self._client(token_of_user(self.plan, name))

    def _client(self, token: str) -> httpx.Client:
        headers = {"Authorization": f"Bearer {token}"}
        return httpx.Client(base_url=self.plan.gateway_url, headers=headers, timeout=30)


def posted(client: httpx.Client, path: str, content: dict[str, Any], status: int = 201) -> Any:
    """A write with a key of its own, which must be answered with the status."""
    answer = client.post(path, json=content, headers={"Idempotency-Key": uuid4().hex})
    assert answer.status_code == status, f"{path}: {answer.text}"
    return answer.json()


@pytest.fixture
def operated() -> Iterator[Operated]:
    """A suite that is not started yet; ended at the end, whatever became of it."""
    with tempfile.TemporaryDirectory(prefix="kehu-operations-") as folder:
        made = Operated(Path(folder) / "data")
        yield made
        if made.process is not None:
            made.process.clean_up()


@pytest.fixture(scope="session")
async def all_schemas(postgres: str) -> AsyncIterator[str]:
    """A database with every schema at head, to be copied."""
    async with a_database(postgres) as dsn:
        await migrate(postgres, dsn)
        yield dsn


@pytest.fixture
async def at_rest(postgres: str, all_schemas: str, tmp_path: Path) -> AsyncIterator[Plan]:
    """A suite of which no process runs: its database, keys and secrets, for the commands beside it."""
    async with a_database(postgres, all_schemas) as dsn:
        plan = Plan(root=ROOT, data=tmp_path / "data", postgres=postgres)
        for folder in (plan.logs, plan.run, plan.ledger):
            folder.mkdir(parents=True)
        plan.save()
        Secrets.load_or_make(plan)
        # Commands put the settings of the services that they open into the environment.
        with patch.dict(os.environ), patch("kehu_local.environment.DATABASE", name_of(dsn)):
            yield plan
