"""A suite of containers as an operator handles it: every command goes through `docker compose`.

`KEHU_DOCKER` names the command of another engine.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from pathlib import Path
from typing import Any, Final

__all__ = ["ROOT", "Containers", "engine_answers"]

ROOT: Final = Path(__file__).parents[2]
DOCKER: Final = tuple(shlex.split(os.environ.get("KEHU_DOCKER", "docker")))
PROJECT: Final = "kehu-test"
VERSION: Final = "test"
PATIENCE: Final = 1200.0
"""Seconds for one command; the first build takes minutes."""


def engine_answers() -> str | None:
    """None when a container engine with Compose v2 is there; else what is wrong and what to do."""
    for question in (("info",), ("compose", "version")):
        try:
            done = subprocess.run([*DOCKER, *question], capture_output=True, text=True, check=False, timeout=60)
        except FileNotFoundError:
            return f"there is no command {DOCKER[0]!r}: install Docker, or name another engine's command in KEHU_DOCKER"
        if done.returncode != 0:
            asked = shlex.join([*DOCKER, *question])
            return f"`{asked}` says: {done.stderr.strip()}\nStart the engine, or name another's command in KEHU_DOCKER"
    return None


class Containers:
    """One suite under a project name of its own, so that none of the user's containers or volumes is touched."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._environment = os.environ | {
            "KEHU_PORT": str(port),
            "KEHU_PUBLIC_URL": self.url,
            "KEHU_VERSION": VERSION,
        }

    def docker(self, *arguments: str, fails: bool = False) -> str:
        """What a command prints, on both of its outputs; it must succeed unless it is told to fail."""
        done = subprocess.run(
            [*DOCKER, *arguments], capture_output=True, text=True, check=False, timeout=PATIENCE, cwd=ROOT
        )
        assert (done.returncode != 0) is fails, f"{shlex.join(arguments)}: {done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    def compose(self, *arguments: str, told: str | None = None, fails: bool = False, **variables: str) -> str:
        """What a compose command prints; it must succeed unless it is told to fail, and then its errors are given too."""
        files = ("docker-compose.yml", "tests/compose/always-day.yml")
        command = [*DOCKER, "compose", "--project-name", PROJECT, *(part for file in files for part in ("-f", file))]
        done = subprocess.run(
            [*command, *arguments],
            input=told,
            stdin=subprocess.DEVNULL if told is None else None,
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE,
            cwd=ROOT,
            env=self._environment | variables,
        )
        assert (done.returncode != 0) is fails, f"compose {shlex.join(arguments)}: {done.stdout}{done.stderr}"
        return done.stdout + (done.stderr if fails else "")

    def up(self, *arguments: str) -> None:
        """Start what does not run, and wait until everything is healthy."""
        self.compose("up", "--detach", "--wait", *arguments)

    def ill(self) -> list[str]:
        """The containers that run and do not say that they are healthy."""
        states = {name: one["State"] for name, one in self.inspect().items()}
        return [name for name, state in states.items() if state["Running"] and state["Health"]["Status"] != "healthy"]

    def ids(self, *services: str) -> list[str]:
        """The containers of services, those that have ended too; of all services when none is named."""
        return self.compose("ps", "--all", "--quiet", *services).split()

    def inspect(self, *services: str) -> dict[str, dict[str, Any]]:
        """What the engine says of each container, by the container's name without the project's."""
        found = json.loads(self.docker("inspect", *self.ids(*services)))
        return {one["Name"].removeprefix(f"/{PROJECT}-"): one for one in found}

    def execute(self, service: str, *command: str, told: str | None = None) -> str:
        """What a command prints inside the first container of a service."""
        return self.compose("exec", "--no-TTY", service, *command, told=told)

    def operate(self, *command: str, container: str = "operator", mounted: str | None = None) -> str:
        """What a command of the operator prints; `mounted` is a folder that it sees as /backup, as `-v` names it."""
        mounts = ("--volume", mounted) if mounted else ()
        return self.compose("run", "--rm", "--no-TTY", *mounts, container, *command)

    def image(self, service: str) -> str:
        """The name of the image that these tests build."""
        return f"kehu-{service}:{VERSION}"

    def inside(self, image: str, *command: str) -> str:
        """What a command prints in a container of an image that has no network and is gone afterwards."""
        program, *arguments = command
        return self.docker("run", "--rm", "--network", "none", "--entrypoint", program, image, *arguments)
