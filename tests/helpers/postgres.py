"""A PostgreSQL server with PostGIS of the tests' own: a private cluster in a temporary folder, one for the whole session."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

USER, PASSWORD = "analyst", "s3cret:p@ss/word"


@dataclass(frozen=True)
class Server:
    """A server on a free port of this machine that asks each user for a password; `gis` is its database with PostGIS."""

    port: int
    log: Path

    def address(self, table: str, *, user: str = USER, password: str = "", database: str = "gis") -> str:
        """The address of a table; the password, where one is given, as it has to be typed."""
        secret = ":" + password.replace(":", "%3A").replace("@", "%40").replace("/", "%2F") if password else ""
        return f"postgresql://{user}{secret}@127.0.0.1:{self.port}/{database}?table={table}"

    def ask(self, statement: str, *values: object, database: str = "gis") -> list[tuple]:
        """Rows of what the owner of everything asks; none where it is an order."""
        with psycopg.connect(f"host=127.0.0.1 port={self.port} dbname={database} user=postgres password={PASSWORD}") as connection:
            cursor = connection.execute(statement, values or None)
            return cursor.fetchall() if cursor.description else []


def _programs() -> Path | None:
    """The folder of the newest installed server; Debian keeps them off the path."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda folder: -float(folder.parent.name))
    found = shutil.which("initdb")
    return next((folder for folder in folders if (folder / "initdb").exists()), None) or (Path(found).parent if found else None)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """The server; the test is skipped where PostgreSQL or PostGIS is not installed."""
    programs = _programs()
    if programs is None:
        pytest.skip("PostgreSQL is not installed (Debian: postgresql)")
    extensions = subprocess.run([programs / "pg_config", "--sharedir"], capture_output=True, text=True, check=True).stdout.strip()
    if not (Path(extensions) / "extension" / "postgis.control").is_file():
        pytest.skip("PostGIS is not installed (Debian: postgresql-NN-postgis-3)")
    # initdb refuses root, and who it runs as must reach the folder: pytest's own are closed to others.
    folder = Path(tempfile.mkdtemp(prefix="groundline-postgres-"))
    other = _other_user()
    if other:
        shutil.chown(folder, other)
    as_user = ["runuser", "-u", other, "--"] if other else []
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    secret, cluster, log = folder / "secret", folder / "cluster", folder / "log"
    secret.write_text(PASSWORD + "\n")
    secret.chmod(0o644)

    def run(*command: object) -> None:
        done = subprocess.run([*as_user, *map(str, command)], capture_output=True, text=True, cwd=folder)
        assert done.returncode == 0, f"{command[0]}: {done.stdout}{done.stderr}{log.read_text() if log.exists() else ''}"

    run(
        *(programs / "initdb", "-D", cluster, "-U", "postgres", f"--pwfile={secret}", "-A", "scram-sha-256"),
        *("-E", "UTF8", "--locale=C", "--no-sync", "--no-instructions"),
    )
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder} -c fsync=off -c shared_buffers=32MB"
    run(programs / "pg_ctl", "-D", cluster, "-l", log, "-w", "-o", options, "start")
    server = Server(port, log)
    try:
        with psycopg.connect(f"host=127.0.0.1 port={port} dbname=postgres user=postgres password={PASSWORD}", autocommit=True) as first:
            first.execute("CREATE DATABASE gis")
            first.execute(f"CREATE ROLE {USER} LOGIN PASSWORD '{PASSWORD}'")
        server.ask("CREATE EXTENSION postgis")
        server.ask(f"GRANT CREATE ON SCHEMA public TO {USER}")
        yield server
    finally:
        run(programs / "pg_ctl", "-D", cluster, "-m", "immediate", "-w", "stop")
        shutil.rmtree(folder)


def _other_user() -> str | None:
    """Whom root lets the server run as; None for who is not root."""
    if os.getuid() != 0:
        return None
    known = {entry.pw_name for entry in pwd.getpwall()}
    return next(name for name in ("postgres", "nobody") if name in known)
