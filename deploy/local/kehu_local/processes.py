"""The processes of the suite: the two servers, and what the runner forks."""

from __future__ import annotations

import gc
import importlib
import runpy
import sys
from functools import partial
from typing import Final

from kehu_chassis.testing.servers import KafkaServer, PostgresServer
from kehu_local.environment import process_environment
from kehu_local.failures import Failed
from kehu_local.plan import SERVICES, Plan
from kehu_local.secrets import Secrets
from kehu_local.supervisor import Program

__all__ = ["Processes", "kafka_server", "postgres_server"]

POSTGRES_SETTINGS: Final = {
    "max_connections": "200",
    "shared_buffers": "128MB",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "15min",
    "huge_pages": "off",
    "log_min_duration_statement": "2000",
    # Statements stand in the log without their values, which may be personal data.
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
}
KAFKA_SETTINGS: Final = {
    "auto.create.topics.enable": "false",
    # A suite that was not started for a month still knows what its consumers have read.
    "offsets.retention.minutes": str(366 * 24 * 60),
}
ALSO_IMPORTED: Final = ("alembic.command", "kehu_chassis.migrations", "kehu_chassis.worker", "kehu_gateway.main")


def postgres_server(plan: Plan, secrets: Secrets) -> PostgresServer:
    """The suite's own PostgreSQL."""
    return PostgresServer(
        plan.data / "postgres",
        plan.ports["postgres"],
        password=secrets.superuser,
        settings=POSTGRES_SETTINGS,
        log=plan.logs / "postgres.log",
    )


def kafka_server(plan: Plan) -> KafkaServer:
    """The suite's own broker."""
    return KafkaServer(
        plan.data / "kafka",
        plan.ports["kafka"],
        plan.jars,
        controller_port=plan.ports["kafka-controller"],
        settings=KAFKA_SETTINGS,
        log=plan.logs / "kafka.log",
    )


class Processes:
    """What the runner forks, and what it imports before."""

    def load(self) -> None:
        """Import what all children need, so that they share it; no thread and no connection is made by that."""
        gc.disable()
        for module in (*ALSO_IMPORTED, *(f"kehu_{service}.main" for service in SERVICES)):
            try:
                importlib.import_module(module)
            except Exception as error:
                cause = f"{module} cannot be imported: {type(error).__name__}: {error}"
                raise Failed(cause, "See that the packages are installed as they are here: make python") from error
        gc.collect()
        # What is there now is never collected: a collection would touch, and so copy, every shared page.
        gc.freeze()

    def migrations(self, plan: Plan, secrets: Secrets) -> list[Program]:
        """One program for each schema, which brings it to head."""
        return [_program(plan, secrets, service, "migrate") for service in (*SERVICES, "gateway")]

    def lasting(self, plan: Plan, secrets: Secrets) -> list[Program]:
        """The processes that live as long as the suite; each answers on the port of its name."""
        programs = [_program(plan, secrets, service, command) for service in SERVICES for command in ("api", "worker")]
        return [*programs, *(_program(plan, secrets, "gateway", command) for command in ("worker", "api"))]


def _program(plan: Plan, secrets: Secrets, service: str, command: str) -> Program:
    environment = process_environment(plan, secrets, service, command)
    return Program(f"{service}-{command}", partial(_run, f"kehu_{service}", command), environment)


def _run(package: str, command: str) -> None:
    sys.argv = [package, command]
    runpy.run_module(package, run_name="__main__")
