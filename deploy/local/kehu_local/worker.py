"""`kehu worker`: one more worker of a service, beside those that the runner keeps."""

from __future__ import annotations

import os
import runpy
import sys

from rich.console import Console

from kehu_chassis.testing.servers import free_port
from kehu_local import lock
from kehu_local.definitions import definition_of
from kehu_local.environment import process_environment
from kehu_local.failures import Failed
from kehu_local.plan import HOST, Plan
from kehu_local.secrets import Secrets

__all__ = ["run_worker"]


def run_worker(plan: Plan, service: str, console: Console) -> None:
    """Be a worker of a service until SIGINT or SIGTERM. Raises `Failed` when the suite does not run."""
    definition_of(service)
    if lock.holder(plan.run) is None:
        raise Failed("Nothing runs with this data folder.", "Start the suite: make up")
    port = free_port()
    environment = process_environment(plan, Secrets.load_or_make(plan), service, "worker")
    os.environ.update(environment | {f"{service.upper()}_WORKER_PORT": str(port)})
    console.print(f"One more worker of {service}; its health answers on {HOST}:{port}. Ctrl-C ends it.")
    package = f"kehu_{service}"
    sys.argv = [package, "worker"]
    runpy.run_module(package, run_name="__main__")
