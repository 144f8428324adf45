"""A suite of containers, built and started once for the tests that carry the marker `compose`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from kehu_local.plan import Plan
from kehu_local.testing import free_ports

from ..world.visitors import Visitors  # noqa: TID252  no installed package holds the world of the tests
from .bank import Bank
from .containers import Containers, engine_answers


@pytest.fixture(scope="session")
def containers() -> Iterator[Containers]:
    """The suite, healthy; everything of it is taken away in the end, its volumes too."""
    missing = engine_answers()
    if missing is not None:
        pytest.fail(f"These tests need a container engine with Compose v2: {missing}", pytrace=False)
    suite = Containers(free_ports(["gateway"])["gateway"])
    suite.compose("down", "--volumes", "--remove-orphans")
    try:
        suite.compose("--profile", "operator", "build")
        try:
            suite.up()
        except AssertionError:
            sys.stderr.write(suite.compose("logs", "--tail", "30"))
            raise
        yield suite
    finally:
        suite.compose("down", "--volumes", "--remove-orphans")


@pytest.fixture(scope="session")
def visitors(containers: Containers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Visitors]:
    """Demo users and systems of the bank, through the one port that is published."""
    plan = Plan(
        root=tmp_path_factory.mktemp("root"),
        data=tmp_path_factory.mktemp("data"),
        ports={"gateway": int(containers.url.rpartition(":")[2])},
    )
    plan.client_secrets.mkdir(parents=True)
    (plan.client_secrets / "mobile-bank").write_text(
        containers.execute("gateway", "cat", "/run/kehu/clients/mobile-bank"), encoding="utf-8"
    )
    found = Visitors(plan)
    yield found
    found.close()


@pytest.fixture(scope="session")
def bank(containers: Containers, tmp_path_factory: pytest.TempPathFactory) -> Bank:
    """The core banking system, which speaks to the suite over its broker."""
    keys: Path = tmp_path_factory.mktemp("keys") / "keys.json"
    keys.write_text(containers.execute("customer-worker", "cat", "/run/kehu/keys.json"), encoding="utf-8")
    return Bank(containers, keys)
