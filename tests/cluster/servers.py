"""The servers that nodes share, each started by the test that stops it: PostgreSQL, and Valkey or Redis."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from processes import free_port

START_SECONDS = 60


class Postgres:
    """A PostgreSQL of our own, in a folder of its own. It refuses to run as root, so an account without rights
    runs it then."""

    def __init__(self, folder: Path, programs: Path) -> None:
        self.folder = folder
        self.programs = programs
        self.port = free_port()
        self.process: subprocess.Popen | None = None
        self.account: list[str] = []
        if os.geteuid() == 0:
            shutil.chown(folder, "nobody")
            self.account = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"]
        self.run("initdb", "-D", folder / "data", "-U", "postgres", "-A", "trust", "-E", "UTF8",
                 "--no-sync", "--no-instructions")

    @property
    def url(self) -> str:
        return self.url_at(self.port)

    @staticmethod
    def url_at(port: int) -> str:
        return f"postgres://postgres@127.0.0.1:{port}/postgres"

    def run(self, program: str, *arguments: str | Path) -> None:
        command = [*self.account, self.programs / program, *arguments]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)

    def start(self) -> None:
        """Begins again until it runs: after a kill, what is left of the one before goes a moment later."""
        until = time.monotonic() + START_SECONDS
        while True:
            if self.process is None or self.process.poll() is not None:
                with (self.folder / "log").open("ab") as log:
                    self.process = subprocess.Popen(
                        [*self.account, self.programs / "postgres", "-D", self.folder / "data",
                         "-h", "127.0.0.1", "-p", str(self.port), "-k", self.folder, "-c", "fsync=off"],
                        stdout=log, stderr=log,
                    )
            ready = [self.programs / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port)]
            if subprocess.run(ready).returncode == 0:
                return
            if time.monotonic() > until:
                raise RuntimeError((self.folder / "log").read_text()[-4000:])
            time.sleep(0.1)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        self.process.send_signal(how)
        self.process.wait()


@contextmanager
def postgres() -> Iterator[Postgres]:
    programs = postgres_programs()
    if programs is None:
        pytest.skip("no PostgreSQL on this machine")
    # Not in the folder of the test, which only its own account may enter.
    folder = Path(tempfile.mkdtemp(prefix="kijun-cluster-"))
    server = None
    try:
        server = Postgres(folder, programs)
        server.start()
        yield server
    finally:
        if server and server.process and server.process.poll() is None:
            server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def postgres_programs() -> Path | None:
    """Debian keeps them off the PATH, a folder for each version."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if not found and (initdb := shutil.which("initdb")):
        found = [Path(initdb)]
    return found[-1].parent if found else None


@contextmanager
def valkey(folder: Path) -> Iterator[int]:
    """The port of an empty Valkey, or of a Redis where there is none."""
    program = shutil.which("valkey-server") or shutil.which("redis-server")
    if program is None:
        pytest.skip("neither Valkey nor Redis on this machine")
    port = free_port()
    command = [program, "--bind", "127.0.0.1", "--port", str(port), "--save", "", "--dir", str(folder)]
    with (folder / "valkey.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        yield port
    finally:
        process.terminate()
        process.wait()
