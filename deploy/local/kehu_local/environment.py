"""What each process of the suite finds in its environment."""

from __future__ import annotations

from pathlib import Path
from typing import Final
from urllib.parse import urlsplit, urlunsplit

from kehu_chassis.provision import role_name
from kehu_local.plan import HOST, SERVICES, Plan
from kehu_local.secrets import Secrets

__all__ = ["DATABASE", "admin_dsn", "database_dsn", "key_file_of", "process_environment"]

DATABASE: Final = "kehu"


def admin_dsn(plan: Plan, secrets: Secrets) -> str:
    """The server's database `postgres`, as a role that may create roles and databases."""
    if plan.postgres:
        return plan.postgres
    return f"postgresql://postgres:{secrets.superuser}@{HOST}:{plan.ports['postgres']}/postgres"


def database_dsn(plan: Plan, secrets: Secrets, schema: str | None = None, role: str = "api") -> str:
    """Kehu's database, as a role of a schema; as the administrator when no schema is given."""
    server = urlsplit(admin_dsn(plan, secrets))
    place = server.netloc
    if schema is not None:
        place = f"{role_name(schema, role)}:{secrets.roles[schema][role]}@{server.netloc.rpartition('@')[2]}"
    return urlunsplit((server.scheme, place, f"/{DATABASE}", server.query, ""))


def key_file_of(plan: Plan, service: str) -> Path | None:
    """The keys of personal data that a service needs, and no more; None for one that keeps none."""
    return {"customer": plan.key_file, "complaints": plan.complaints_key_file}.get(service)


def process_environment(plan: Plan, secrets: Secrets, service: str, command: str) -> dict[str, str]:
    """The variables of one process of a service or the gateway: `api`, `worker`, or `migrate`, which needs its address alone."""
    role = {"api": "api", "worker": "worker", "migrate": "owner"}[command]
    prefix = service.upper()
    address = {f"{prefix}_DATABASE_DSN": database_dsn(plan, secrets, service, role)}
    if command == "migrate":
        return address
    variables = address | {
        "KEHU_ENVIRONMENT": "demo",
        "KEHU_KAFKA_BOOTSTRAP": plan.kafka_bootstrap,
        "KEHU_ISSUER": plan.gateway_url,
        "KEHU_JWKS_URL": f"{plan.gateway_url}/oauth2/jwks",
        "KEHU_LEDGER_FOLDER": str(plan.ledger_of(service)),
        "KEHU_CLOCK_FILE": str(plan.clock_file),
        f"{prefix}_HOST": HOST,
        f"{prefix}_PORT": str(plan.ports[service]),
    }
    key_file = key_file_of(plan, service)
    if key_file is not None:
        variables["KEHU_KEY_FILE"] = str(key_file)
    if f"{service}-worker" in plan.ports:
        variables[f"{prefix}_WORKER_PORT"] = str(plan.ports[f"{service}-worker"])
    return variables | _of_service(plan, secrets, service)


def _of_service(plan: Plan, secrets: Secrets, service: str) -> dict[str, str]:
    urls = {name: f"http://{HOST}:{plan.ports[name]}" for name in SERVICES}
    if service == "campaigns":
        return {
            "CAMPAIGNS_CUSTOMER_URL": urls["customer"],
            "CAMPAIGNS_TOKEN_URL": f"{plan.gateway_url}/oauth2/token",
            "CAMPAIGNS_CLIENT_SECRET_FILE": str(plan.client_secrets / "campaigns-service"),
        }
    if service == "gateway":
        return {
            "GATEWAY_PUBLIC_URL": plan.gateway_url,
            "GATEWAY_CONSOLE": str(plan.console),
            "GATEWAY_ISSUER_KEY_FILE": str(plan.issuer_key_file),
            "GATEWAY_CLIENT_SECRETS": str(plan.client_secrets),
            "GATEWAY_SESSION_KEY": secrets.session_key,
            "GATEWAY_WEBHOOK_KEY_FILE": str(plan.webhook_key_file),
        } | {f"GATEWAY_{name.upper()}_URL": url for name, url in urls.items()}
    return {}
