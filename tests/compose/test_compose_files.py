"""docker-compose.yml and the Dockerfiles hold the rules of hardening, and every rule can be broken. No engine is needed."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from kehu_chassis.testing.servers import KafkaServer
from kehu_local.plan import PORTS
from kehu_local.processes import KAFKA_SETTINGS, POSTGRES_SETTINGS

from . import rules

COMPOSE = rules.read_compose()
SERVICES: rules.Services = COMPOSE["services"]


@pytest.mark.parametrize("rule", rules.COMPOSE_RULES, ids=lambda rule: rule.__name__)
def test_the_compose_file_holds_the_rule(rule: Callable[[rules.Services], Iterator[str]]) -> None:
    assert list(rule(SERVICES)) == []


BROKEN_COMPOSE: list[tuple[Callable[[rules.Services], Iterator[str]], str, dict[str, Any]]] = [
    (rules.no_privileges, "customer", {"cap_add": ["NET_ADMIN"]}),
    (rules.no_privileges, "kafka", {"cap_drop": []}),
    (rules.no_privileges, "postgres", {"security_opt": []}),
    (rules.nothing_to_write_to, "postgres", {"read_only": False}),
    (rules.nothing_to_write_to, "gateway", {"tmpfs": ["/tmp"]}),
    (rules.nothing_to_write_to, "kafka", {"volumes": ["./deploy/kafka/server.properties:/mnt/shared/config"]}),
    (rules.limits, "campaigns-worker", {"deploy": {"resources": {"limits": {"cpus": "1", "memory": "1G"}}}}),
    (rules.limits, "stores", {"logging": {"driver": "json-file"}}),
    (rules.one_way_in, "customer", {"ports": ["8101:8101"]}),
    (rules.one_way_in, "complaints", {"networks": ["default", "edge"]}),
    (rules.one_way_in, "segmentation", {"network_mode": "host"}),
    (rules.secrets_in_files, "postgres", {"environment": {"POSTGRES_PASSWORD": "postgres"}}),
    (rules.secrets_in_files, "segmentation", {"volumes": ["customer-secret:/run/kehu:ro"]}),
    (rules.secrets_in_files, "customer", {"volumes": ["customer-migrate-secret:/run/kehu:ro"]}),
    (rules.secrets_in_files, "gateway-worker", {"volumes": ["gateway-secret:/run/kehu:ro"]}),
    (rules.keys_for_the_operator, "operator", {"volumes": ["suite-secret:/secrets/suite"]}),
    (rules.own_ledger, "campaigns-worker", {"volumes": ["campaigns-secret:/run/kehu:ro"]}),
    (rules.own_ledger, "customer-worker", {"volumes": ["gateway-ledger:/var/lib/kehu/ledger"]}),
    (rules.own_ledger, "segmentation", {"volumes": ["segmentation-ledger:/var/lib/kehu/ledger"]}),
    (rules.own_ledger, "operator", {"volumes": [f"{name}-ledger:/ledger/{name}" for name in rules.DEPLOYABLES]}),
    (rules.by_hand_only, "operator", {"profiles": []}),
    (rules.by_hand_only, "stores", {"profiles": ["more"]}),
    (rules.migrations_first, "customer-worker", {"depends_on": {"customer-migrate": {"condition": "service_started"}}}),
    (rules.migrations_first, "gateway", {"depends_on": {}}),
    (rules.comes_back, "gateway", {"restart": "no"}),
    (rules.comes_back, "gateway-migrate", {"restart": "always"}),
]


@pytest.mark.parametrize(("rule", "service", "change"), BROKEN_COMPOSE)
def test_a_compose_file_that_breaks_the_rule_is_found(
    rule: Callable[[rules.Services], Iterator[str]], service: str, change: dict[str, Any]
) -> None:
    broken = copy.deepcopy(SERVICES)
    broken[service] |= change
    (fault,) = rule(broken)
    assert service in fault


def test_a_worker_without_a_health_check_is_found() -> None:
    broken = copy.deepcopy(SERVICES)
    del broken["customer-worker"]["healthcheck"]
    assert list(rules.comes_back(broken)) == ["customer-worker does not say whether it is healthy"]


def test_the_network_of_the_services_has_no_way_out() -> None:
    assert COMPOSE["networks"]["default"] == {"internal": True}


@pytest.mark.parametrize("name", rules.DOCKERFILES)
@pytest.mark.parametrize("rule", rules.DOCKERFILE_RULES, ids=lambda rule: rule.__name__)
def test_every_dockerfile_holds_the_rule(rule: Callable[[str], Iterator[str]], name: str) -> None:
    assert list(rule((rules.ROOT / name).read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    ("rule", "instead_of", "written"),
    [
        (rules.built_elsewhere, "USER kehu", "RUN pip install pytest\nUSER kehu"),
        (rules.built_elsewhere, "COPY --from=build /opt/kehu /opt/kehu", "COPY services/customer /opt/kehu"),
        (rules.ordinary_user, "USER kehu", "USER root"),
        (rules.ordinary_user, "--uid 10001", "--uid 0"),
        (rules.slim_and_named, "python:3.13-slim", "python:latest"),
        (rules.no_secret_inside, "USER kehu", "ENV CUSTOMER_DATABASE_DSN=postgresql://\nUSER kehu"),
        (rules.tells_its_health, "HEALTHCHECK", "LABEL check="),
    ],
)
def test_a_dockerfile_that_breaks_the_rule_is_found(
    rule: Callable[[str], Iterator[str]], instead_of: str, written: str
) -> None:
    text = (rules.ROOT / "services/customer/Dockerfile").read_text(encoding="utf-8")
    assert instead_of in text
    assert list(rule(text.replace(instead_of, written)))


def test_a_dockerfile_that_runs_where_it_builds_is_found() -> None:
    text = (rules.ROOT / "services/customer/Dockerfile").read_text(encoding="utf-8")
    one_stage = text[: text.rindex("\nFROM ")]
    assert list(rules.built_elsewhere(one_stage)) == ["it has one stage"]


def test_every_process_that_the_runner_starts_has_a_container() -> None:
    servers = {"postgres", "kafka"}
    processes = set(PORTS) - {"kafka-controller"}
    assert processes | rules.JOBS | rules.BY_HAND | servers == set(SERVICES)


def _settings(path: str) -> dict[str, str]:
    lines = (rules.ROOT / path).read_text(encoding="utf-8").splitlines()
    told = (line.split("=", 1) for line in lines if line.strip() and not line.startswith("#"))
    return {name.strip(): value.strip().strip("'") for name, value in told}


def test_postgresql_is_set_as_the_runner_sets_it() -> None:
    # How much memory there is, is the machine's matter.
    shared = {name: value for name, value in POSTGRES_SETTINGS.items() if name not in {"shared_buffers", "huge_pages"}}
    told = _settings("deploy/postgres/postgresql.conf")
    assert {name: told.get(name) for name in shared} == shared


def test_the_broker_is_set_as_the_runner_sets_it(tmp_path: Any) -> None:
    alone = KafkaServer(tmp_path, 9092, tmp_path, settings=KAFKA_SETTINGS)
    places = {"controller.quorum.voters", "listeners", "log.dirs"}
    # Threads are the machine's matter.
    shared = {
        name: value for name, value in alone._properties().items() if name not in places and not name.startswith("num.")
    }
    told = _settings("deploy/kafka/server.properties")
    assert {name: told.get(name) for name in shared} == shared
