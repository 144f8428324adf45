"""What docker-compose.yml and the Dockerfiles must hold: each rule says what breaks it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import yaml

__all__ = [
    "BY_HAND",
    "COMPOSE_RULES",
    "DEPLOYABLES",
    "DOCKERFILES",
    "DOCKERFILE_RULES",
    "JOBS",
    "OUTWARD",
    "ROOT",
    "read_compose",
]

ROOT: Final = Path(__file__).parents[2]
DEPLOYABLES: Final = ("customer", "segmentation", "complaints", "campaigns", "gateway")
DOCKERFILES: Final = (
    *(f"services/{name}/Dockerfile" for name in DEPLOYABLES if name != "gateway"),
    "gateway/Dockerfile",
    "deploy/docker/init/Dockerfile",
    "deploy/docker/operator/Dockerfile",
)
OUTWARD: Final = frozenset({"gateway", "gateway-worker"})
"""Those with a way out: where browsers come in, and from where webhooks go out."""
JOBS: Final = frozenset({"secrets", "stores", *(f"{name}-migrate" for name in DEPLOYABLES)})
BY_HAND: Final = frozenset({"operator", "restore"})
"""What an operator runs; it is not started with the suite, and it sees the suite's secrets."""
WRITES_ALL: Final = frozenset({"secrets", "restore"})
"""Those that write what the others are given, and begin the ledgers."""

Services = dict[str, dict[str, Any]]


def read_compose() -> dict[str, Any]:
    """The compose file, with its anchors followed."""
    told: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
    return told


def no_privileges(services: Services) -> Iterator[str]:
    """Nobody keeps or gains a capability."""
    for name, service in services.items():
        if service.get("cap_drop") != ["ALL"] or "cap_add" in service or service.get("privileged"):
            yield f"{name} keeps capabilities"
        if "no-new-privileges:true" not in service.get("security_opt", ()):
            yield f"{name} may gain privileges"


def nothing_to_write_to(services: Services) -> Iterator[str]:
    """The root file system is read-only; what is written goes to memory of a stated size, or to a named volume."""
    for name, service in services.items():
        if service.get("read_only") is not True:
            yield f"{name} may write to its root file system"
        for place in service.get("tmpfs", ()):
            if "size=" not in place:
                yield f"{name} may fill the memory through {place}"
        for volume in service.get("volumes", ()):
            if volume.startswith(("/", ".")) and not volume.endswith(":ro"):
                yield f"{name} may write to the host through {volume}"


def limits(services: Services) -> Iterator[str]:
    """Memory, processor time, processes and log files have limits."""
    for name, service in services.items():
        held = service.get("deploy", {}).get("resources", {}).get("limits", {})
        for what in ("cpus", "memory", "pids"):
            if what not in held:
                yield f"{name} has no limit of {what}"
        if "max-size" not in service.get("logging", {}).get("options", {}):
            yield f"{name} may fill the disk with its log"


def one_way_in(services: Services) -> Iterator[str]:
    """The gateway's port alone is published, and the gateway and its worker alone stand on a network with a way out."""
    for name, service in services.items():
        if ("ports" in service) != (name == "gateway"):
            yield f"{name}: the gateway's port, and no other, is published"
        if "edge" in service.get("networks", ()) and name not in OUTWARD:
            yield f"{name} reaches the outside"
        if service.get("network_mode", "none") != "none":
            yield f"{name} is on the host's network"


def secrets_in_files(services: Services) -> Iterator[str]:
    """No secret stands in the file, and a container is given its own volume of secrets alone."""
    for name, service in services.items():
        for variable in service.get("environment", {}):
            if re.search(r"PASSWORD|SECRET|TOKEN|KEY|DSN", variable) and not variable.endswith("_FILE"):
                yield f"{name} is given {variable} in its environment"
        own = "suite" if name == "stores" else name
        for volume in service.get("volumes", ()):
            source = volume.partition(":")[0]
            if name not in WRITES_ALL | BY_HAND and source.endswith("-secret") and source != f"{own}-secret":
                yield f"{name} sees {source}"


def keys_for_the_operator(services: Services) -> Iterator[str]:
    """An operator reaches the copies of keys that a rotation replaces, and no other container's secrets."""
    held = [f"{name}{suffix}-secret" for name in ("customer", "complaints", "gateway") for suffix in ("", "-worker")]
    volumes = (volume.partition(":")[0] for volume in services["operator"]["volumes"])
    seen = {source for source in volumes if source.endswith("-secret")}
    if seen != {"suite-secret", *held}:
        yield f"operator sees {sorted(seen)}"


def own_ledger(services: Services) -> Iterator[str]:
    """A worker writes to the ledger of its own service, no server sees another, and an operator changes none."""
    for name, service in services.items():
        seen = [volume for volume in service.get("volumes", ()) if volume.partition(":")[0].endswith("-ledger")]
        own = f"{name.removesuffix('-worker')}-ledger"
        if name.endswith("-worker"):
            if seen != [f"{own}:/var/lib/kehu/ledger"]:
                yield f"{name} writes to {seen}, not to {own} alone"
        elif name == "operator":
            if len(seen) != len(DEPLOYABLES) or not all(volume.endswith(":ro") for volume in seen):
                yield f"{name} sees {seen}, and must read every ledger and write to none"
        elif seen and name not in WRITES_ALL:
            yield f"{name} sees {seen}"


def by_hand_only(services: Services) -> Iterator[str]:
    """What an operator runs is not started with the suite; everything else is."""
    for name, service in services.items():
        if bool(service.get("profiles")) != (name in BY_HAND):
            yield f"{name} has the profiles {service.get('profiles')}"


def migrations_first(services: Services) -> Iterator[str]:
    """A service starts after its migration, that after the stores were prepared, those after the servers are healthy."""
    done, healthy = "service_completed_successfully", "service_healthy"
    wanted = {
        "stores": {"secrets": done, "postgres": healthy, "kafka": healthy},
        "postgres": {"secrets": done},
        **{f"{name}-migrate": {"stores": done} for name in DEPLOYABLES},
        **{name: {f"{name}-migrate": done} for name in DEPLOYABLES},
        **{f"{name}-worker": {f"{name}-migrate": done} for name in DEPLOYABLES},
    }
    for name, conditions in wanted.items():
        found = {on: how["condition"] for on, how in services[name].get("depends_on", {}).items()}
        if found != conditions:
            yield f"{name} starts after {found}, not after {conditions}"


def comes_back(services: Services) -> Iterator[str]:
    """A server comes back after a crash and says whether it is healthy; a job runs once."""
    for name, service in services.items():
        if service.get("restart") != ("no" if name in JOBS | BY_HAND else "unless-stopped"):
            yield f"{name} restarts {service.get('restart')}"
        # The image of an api has its own check, which is not a worker's or a server's.
        if (name.endswith("-worker") or name in {"postgres", "kafka"}) and "healthcheck" not in service:
            yield f"{name} does not say whether it is healthy"


COMPOSE_RULES: Final[tuple[Callable[[Services], Iterator[str]], ...]] = (
    no_privileges,
    nothing_to_write_to,
    limits,
    one_way_in,
    secrets_in_files,
    keys_for_the_operator,
    own_ledger,
    by_hand_only,
    migrations_first,
    comes_back,
)


def _last_stage(dockerfile: str) -> str:
    return dockerfile[dockerfile.rindex("\nFROM ") :]


def built_elsewhere(dockerfile: str) -> Iterator[str]:
    """The image that runs is not the one that builds: nothing is installed, and no source is copied, into the last stage."""
    if len(re.findall(r"^FROM ", dockerfile, re.MULTILINE)) < 2:
        yield "it has one stage"
        return
    stage = _last_stage(dockerfile)
    if re.search(r"\b(pip|npm|apt-get|uv)\b", stage):
        yield "its last stage installs"
    for line in re.findall(r"^COPY (?!--from=)(.*)$", stage, re.MULTILINE):
        if not line.startswith("deploy/docker/"):
            yield f"its last stage copies {line}"


def ordinary_user(dockerfile: str) -> Iterator[str]:
    """It runs as a user who is not root."""
    users = re.findall(r"^USER (\S+)$", _last_stage(dockerfile), re.MULTILINE)
    if users != ["kehu"] or "useradd --uid 10001" not in _last_stage(dockerfile):
        yield f"it runs as {users or 'root'}"


def slim_and_named(dockerfile: str) -> Iterator[str]:
    """Every base is a slim image of a named version."""
    for base in re.findall(r"^FROM (\S+)", dockerfile, re.MULTILINE):
        if not re.fullmatch(r"[a-z]+:[0-9.]+-slim", base):
            yield f"it is made from {base}"


def no_secret_inside(dockerfile: str) -> Iterator[str]:
    """No secret is given to the build or kept in the image."""
    for name in re.findall(r"^(?:ARG|ENV) .*?(\w*(?:PASSWORD|SECRET|TOKEN|KEY|DSN)\w*)", dockerfile, re.MULTILINE):
        yield f"it holds {name}"


def tells_its_health(dockerfile: str) -> Iterator[str]:
    """A server says whether it is ready; what prepares or operates a suite ends."""
    if "HEALTHCHECK" not in dockerfile and not re.search(r"kehu_local\.(containers|operator)", dockerfile):
        yield "it does not say whether it is healthy"


DOCKERFILE_RULES: Final[tuple[Callable[[str], Iterator[str]], ...]] = (
    built_elsewhere,
    ordinary_user,
    slim_and_named,
    no_secret_inside,
    tells_its_health,
)
