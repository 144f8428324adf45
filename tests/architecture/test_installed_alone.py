"""Each deployable runs with its own requirements and nothing else: built as a wheel, installed into an empty folder with
only what it and the shared libraries declare, migrated, and started.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
import tomllib
import zipfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import asyncpg
import httpx
import pytest
from anyio import to_thread
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from kehu_chassis.crypto import create_key_file
from kehu_chassis.provision import ensure_database, ensure_schema
from kehu_chassis.testing.servers import free_port

ROOT = Path(__file__).parents[2]
LIBRARIES = {"kehu-contracts": ROOT / "libs/contracts", "kehu-chassis": ROOT / "libs/chassis"}
DEPLOYABLES = {
    "customer": ROOT / "services/customer",
    "segmentation": ROOT / "services/segmentation",
    "complaints": ROOT / "services/complaints",
    "campaigns": ROOT / "services/campaigns",
    "gateway": ROOT / "gateway",
}


def _requirements(folder: Path) -> list[str]:
    project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return list(project["dependencies"])


def _closure(texts: list[str]) -> Iterator[metadata.Distribution]:
    """The installed distributions that the requirements need, their own requirements with them."""
    pending = [(Requirement(text), frozenset[str]()) for text in texts]
    seen: set[tuple[str, frozenset[str]]] = set()
    given: set[str] = set()
    while pending:
        requirement, extras = pending.pop()
        if requirement.marker and not any(requirement.marker.evaluate({"extra": extra}) for extra in extras or {""}):
            continue
        name, wanted = canonicalize_name(requirement.name), frozenset(requirement.extras)
        if name in LIBRARIES or (name, wanted) in seen:
            continue
        seen.add((name, wanted))
        distribution = metadata.distribution(name)
        if name not in given:
            given.add(name)
            yield distribution
        pending += [(Requirement(text), wanted) for text in distribution.requires or ()]


def _link(distribution: metadata.Distribution, site: Path) -> None:
    """Put a distribution's top-level files into the empty environment."""
    for top in {file.parts[0] for file in distribution.files or () if not file.parts[0].startswith("..")}:
        target = site / top
        if top != "__pycache__" and not target.exists():
            target.symlink_to(Path(str(distribution.locate_file(top))))


def _unpack_wheel(folder: Path, wheels: Path, site: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", str(wheels), "."],
        cwd=folder,
        check=True,
        env=os.environ | {"PIP_DISABLE_PIP_VERSION_CHECK": "1"},
    )
    name = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]["name"]
    wheel = next(wheels.glob(f"{name.replace('-', '_')}-*.whl"))
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("wheels")


@pytest.mark.parametrize("name", sorted(DEPLOYABLES))
async def test_a_deployable_starts_with_its_own_requirements_only(
    name: str, postgres: str, wheels: Path, tmp_path: Path
) -> None:
    folder, site = DEPLOYABLES[name], tmp_path / "site"
    site.mkdir()
    for distribution in _closure(
        [*_requirements(folder), *(text for library in LIBRARIES.values() for text in _requirements(library))]
    ):
        _link(distribution, site)
    for package in (*LIBRARIES.values(), folder):
        _unpack_wheel(package, wheels, site)
    database = f"alone_{name}_{os.getpid()}"
    base = postgres.rsplit("/", 1)[0]
    server = await asyncpg.connect(postgres)
    try:
        await ensure_database(server, database)
        connection = await asyncpg.connect(f"{base}/{database}")
        await ensure_schema(connection, name)
        await connection.close()
        dsns = {role: _dsn(base, database, name, role) for role in ("owner", "api")}
        await to_thread.run_sync(_migrate_and_start, name, site, tmp_path, dsns)
    finally:
        await server.execute(f'DROP DATABASE IF EXISTS "{database}" WITH (FORCE)')
        await server.close()


def _dsn(base: str, database: str, schema: str, role: str) -> str:
    host = base.rpartition("@")[2]
    return f"postgresql://kehu_{schema}_{role}@{host}/{database}"


def _migrate_and_start(name: str, site: Path, folder: Path, dsns: dict[str, str]) -> None:
    key_file = folder / "keys.json"
    create_key_file(key_file)
    port, prefix = free_port(), name.upper()
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(site),
        "KEHU_ENVIRONMENT": "demo",
        "KEHU_ISSUER": f"http://127.0.0.1:{port}",
        "KEHU_JWKS_URL": f"http://127.0.0.1:{port}/none",
        "KEHU_KEY_FILE": str(key_file),
        f"{prefix}_PORT": str(port),
        f"{prefix}_WORKER_PORT": str(free_port()),
    }
    if name == "gateway":
        # Another issuer than the built-in one, so that it needs no keys and no demo users.
        environment |= {
            "GATEWAY_PUBLIC_URL": f"http://127.0.0.1:{port}",
            "GATEWAY_CONSOLE": str(folder),
            "GATEWAY_SESSION_KEY": "a-session-key-of-this-test-only-0123456789",
            "GATEWAY_WEBHOOK_KEY_FILE": str(key_file),
            "KEHU_ISSUER": "http://127.0.0.1:9/issuer",
        }
        (folder / "index.html").write_text("<html></html>", encoding="utf-8")
    # -S leaves out this environment's packages: what is not declared is not there.
    command = [sys.executable, "-S", "-m", f"kehu_{name}"]
    # A migration needs to know where the database is, and nothing else of what the service does.
    address = {name: environment[name] for name in ("PATH", "PYTHONPATH")} | {f"{prefix}_DATABASE_DSN": dsns["owner"]}
    subprocess.run([*command, "migrate"], env=address, cwd=folder, check=True)
    process = subprocess.Popen([*command, "api"], env=environment | {f"{prefix}_DATABASE_DSN": dsns["api"]}, cwd=folder)
    try:
        assert _first_answer(f"http://127.0.0.1:{port}/health/ready") == 200
    finally:
        process.terminate()
        assert process.wait(timeout=20) in (0, -15)


def _first_answer(url: str) -> int:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            return httpx.get(url, timeout=10).status_code
        except httpx.ConnectError:
            time.sleep(0.1)
    pytest.fail("the api did not start within a minute")
