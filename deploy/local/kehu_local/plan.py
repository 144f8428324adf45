"""What a suite is made of: its folders, its ports, the servers it uses. Kept beside its data for the other commands."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Final, Self

from kehu_local.failures import Failed

__all__ = ["HOST", "PORTS", "SERVICES", "Plan", "choose_ports", "find_root", "write_json"]

HOST: Final = "127.0.0.1"
SERVICES: Final = ("customer", "segmentation", "complaints", "campaigns")
PORTS: Final[Mapping[str, int]] = MappingProxyType(
    {
        "gateway": 8080,
        "customer": 8101,
        "segmentation": 8102,
        "complaints": 8103,
        "campaigns": 8104,
        "gateway-worker": 8200,
        "customer-worker": 8201,
        "segmentation-worker": 8202,
        "complaints-worker": 8203,
        "campaigns-worker": 8204,
        "postgres": 15432,
        "kafka": 19092,
        "kafka-controller": 19093,
    }
)
OUR_SERVERS: Final = {"postgres": ("postgres",), "kafka": ("kafka", "kafka-controller")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One suite. `kafka` and `postgres` name servers that already run; None means that the runner starts its own.

    A suite of containers has its gateway elsewhere, too, and a ledger for each service in a folder of its own.
    """

    root: Path
    data: Path
    ports: Mapping[str, int] = field(default_factory=lambda: PORTS)
    kafka: str | None = None
    postgres: str | None = None
    gateway: str | None = None
    ledgers: Path | None = None
    key_copies: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """By a key file's name: where else it stands, for services that do not see the suite's secrets."""

    @property
    def logs(self) -> Path:
        """Where each process writes its log."""
        return self.data / "logs"

    @property
    def secrets(self) -> Path:
        """Passwords and keys, for the owner's eyes only."""
        return self.data / "secrets"

    @property
    def run(self) -> Path:
        """What tells the other commands about the suite that runs."""
        return self.data / "run"

    @property
    def restoring(self) -> Path:
        """A file that is there while a backup is restored into the data folder."""
        return self.run / "restoring"

    @property
    def jars(self) -> Path:
        """The broker's jars: beside the code, since they belong to no data folder."""
        return self.root / ".local" / "jars"

    @property
    def console(self) -> Path:
        """The console's built files."""
        return self.root / "web" / "dist"

    @property
    def clock_file(self) -> Path:
        """The suite's clock."""
        return self.data / "clock.json"

    @property
    def ledger(self) -> Path:
        """What must outlive the database: audit anchors and erasures, a file for each service."""
        return self.ledgers or self.data / "ledger"

    def ledger_of(self, service: str) -> Path:
        """The folder with the ledger of a service."""
        return self.ledger / service if self.ledgers else self.ledger

    @property
    def key_file(self) -> Path:
        """The keys of personal data."""
        return self.secrets / "keys.json"

    @property
    def complaints_key_file(self) -> Path:
        """Those of them that the complaints service needs: it wraps keys, and neither indexes nor opens messages."""
        return self.secrets / "complaints-keys.json"

    @property
    def webhook_key_file(self) -> Path:
        """The keys that the gateway keeps the secrets of webhooks under."""
        return self.secrets / "webhook-keys.json"

    @property
    def issuer_key_file(self) -> Path:
        """The private key that the built-in issuer signs with."""
        return self.secrets / "issuer.pem"

    @property
    def client_secrets(self) -> Path:
        """The secrets by which the built-in issuer knows systems, each in a file of its name."""
        return self.secrets / "clients"

    @property
    def kafka_bootstrap(self) -> str:
        """The broker's address."""
        return self.kafka or f"{HOST}:{self.ports['kafka']}"

    @property
    def gateway_url(self) -> str:
        """The suite's address and, without containers, the name of its built-in issuer."""
        return self.gateway or f"http://{HOST}:{self.ports['gateway']}"

    def used_ports(self) -> dict[str, int]:
        """The ports that this suite listens on: without those of servers that it does not start."""
        foreign = {*(OUR_SERVERS["kafka"] if self.kafka else ()), *(OUR_SERVERS["postgres"] if self.postgres else ())}
        return {name: port for name, port in self.ports.items() if name not in foreign}

    def save(self) -> None:
        """Keep what the other commands need to find the suite; external addresses may hold passwords."""
        content = {
            "ports": dict(self.ports),
            "kafka": self.kafka,
            "postgres": self.postgres,
            "gateway": self.gateway,
            "ledgers": str(self.ledgers) if self.ledgers else None,
            "key_copies": {name: list(places) for name, places in self.key_copies.items()},
        }
        write_json(self.run / "suite.json", content)

    @classmethod
    def load(cls, root: Path, data: Path) -> Self:
        """The plan of the suite that was last started with this data folder. Raises `Failed` when there is none."""
        path = data / "run" / "suite.json"
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise Failed(f"No suite was started with the data folder {data} yet.", "Start it: make up") from None
        except (OSError, ValueError) as error:
            raise Failed(f"{path} cannot be read: {error}", "Stop the suite and start it again: make up") from error
        ledgers = content.get("ledgers")
        return cls(
            root=root,
            data=data,
            ports=content["ports"],
            kafka=content["kafka"],
            postgres=content["postgres"],
            gateway=content.get("gateway"),
            ledgers=Path(ledgers) if ledgers else None,
            key_copies=content.get("key_copies", {}),
        )


def find_root() -> Path:
    """The repository's folder: the console, the jars and, unless told otherwise, the data lie in it."""
    named = os.environ.get("KEHU_ROOT")
    return Path(named) if named else Path(__file__).parents[3]


def choose_ports(chosen: Sequence[str], offset: int) -> dict[str, int]:
    """The default ports moved by an offset, then those that are named: `gateway=9080`. Raises `Failed`."""
    ports = {name: port + offset for name, port in PORTS.items()}
    for choice in chosen:
        name, _, number = choice.partition("=")
        if name not in ports:
            raise Failed(f"There is no port named {name!r}.", f"The names are: {', '.join(ports)}.")
        if not number.isdecimal():
            raise Failed(f"{choice!r} names no port number.", "Write it like gateway=9080.")
        ports[name] = int(number)
    for name, port in ports.items():
        if not 1 <= port <= 65535:
            raise Failed(f"{port} is no port number for {name}.", "Choose one between 1 and 65535.")
    twice = {name for name, port in ports.items() if list(ports.values()).count(port) > 1}
    if twice:
        raise Failed(f"The same port was chosen for {' and '.join(sorted(twice))}.", "Choose different ones.")
    return ports


def write_json(path: Path, content: object) -> None:
    """Replace a file in one step, so that no reader ever sees half of it; only its owner may read it."""
    new = path.with_name(f".{path.name}.new")
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        json.dump(content, file, indent=2)
        file.write("\n")
    new.replace(path)
