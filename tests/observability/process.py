"""One process of a service as it is deployed, on topics of the test's own: `process.py complaints worker PREFIX`."""

from __future__ import annotations

import asyncio
import sys
from importlib import import_module
from typing import cast

from kehu_chassis.app import open_runtime, run_api
from kehu_chassis.definition import ServiceDefinition
from kehu_chassis.kafka import Kafka
from kehu_chassis.telemetry import configure_logging, configure_tracing
from kehu_chassis.worker import Worker


async def work(definition: ServiceDefinition, prefix: str) -> None:
    """What `run_worker` does, but for the prefix."""
    async with open_runtime(definition, definition.settings(), "worker") as runtime:
        kafka = Kafka(runtime.settings.kafka_bootstrap, client_id=f"kehu-{definition.name}", prefix=prefix)
        await Worker(definition, runtime, kafka=kafka).run()


def main(service: str, process: str, prefix: str) -> None:
    """Run until SIGTERM."""
    definition = cast("ServiceDefinition", import_module(f"kehu_{service}.main").DEFINITION)
    if process == "api":
        run_api(definition, definition.settings())
        return
    configure_logging(f"{service}-worker")
    spans = configure_tracing(f"kehu-{service}-worker")
    asyncio.run(work(definition, prefix))
    spans.shutdown()


if __name__ == "__main__":
    main(*sys.argv[1:])
