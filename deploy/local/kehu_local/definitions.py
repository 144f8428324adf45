"""The services as the suite's own commands use them: beside the processes that run, with the same settings."""

from __future__ import annotations

import importlib
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from kehu_chassis.app import open_runtime
from kehu_chassis.definition import Runtime, ServiceDefinition
from kehu_local.environment import process_environment
from kehu_local.failures import Failed
from kehu_local.plan import SERVICES, Plan
from kehu_local.secrets import Secrets

if TYPE_CHECKING:
    from kehu_chassis.settings import ServiceSettings

__all__ = ["definition_of", "open_worker", "settings_of"]


def definition_of(service: str) -> ServiceDefinition:
    """What a service, or the gateway, says of itself. Raises `Failed` when there is none of that name."""
    if service not in {*SERVICES, "gateway"}:
        raise Failed(f"There is no service {service!r}.", f"The services are: {', '.join(SERVICES)}.")
    definition: ServiceDefinition = importlib.import_module(f"kehu_{service}.main").DEFINITION
    return definition


def settings_of(plan: Plan, secrets: Secrets, service: str, command: str) -> ServiceSettings:
    """The settings of one process of a service."""
    os.environ.update(process_environment(plan, secrets, service, command))
    return definition_of(service).settings()


@asynccontextmanager
async def open_worker(plan: Plan, secrets: Secrets, service: str, process: str) -> AsyncIterator[Runtime]:
    """What a worker of the service holds; `process` names the connections in PostgreSQL."""
    settings = settings_of(plan, secrets, service, "worker")
    async with open_runtime(definition_of(service), settings, process) as runtime:
        yield runtime
