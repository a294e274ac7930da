"""A server that runs: its port, the note in the workspace by which the dashboard knows it, and its end."""

from __future__ import annotations

import errno
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

import psutil

from core.errors import SettingsError
from core.files import write_json
from core.publishing.names import EVERYWHERE, HERE, listens_here_alone, own_names
from core.reading.readable import read_record
from core.workspace import Workspace

if TYPE_CHECKING:
    from starlette.types import ASGIApp

RECORD = "server.json"
_MOST_AT_ONCE = 64
_LONGEST_HEAD = 32 << 10
_STEP_S = 0.1
_SLACK_S = 1.0


class _Record(TypedDict):
    """Who serves a workspace: its process, when that began (unix seconds), and where it answers."""

    pid: int
    began: float
    address: str


def listening(host: str, port: int) -> socket.socket:
    """A socket that is bound to a port of this machine; port 0 takes any that is free. Raises SettingsError where it cannot be."""
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    except (OSError, UnicodeError) as error:
        raise SettingsError(f"no machine {host!r}", expected=f"an address of this machine, {HERE} say", do="Correct --host") from error
    found = socket.socket(family, kind, protocol)
    try:
        if os.name != "nt":  # there it would let two servers share a port
            found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind(place)
        found.listen(_MOST_AT_ONCE)
    except OSError as error:
        found.close()
        raise _unbound(host, port, error) from error
    return found


def _unbound(host: str, port: int, error: OSError) -> SettingsError:
    if error.errno == errno.EADDRINUSE:
        return SettingsError(f"port {port} is in use", expected="a free port", do="Choose another one by --port, or 0 for any")
    if error.errno == errno.EACCES:
        return SettingsError(f"port {port} is kept for the system", expected="one from 1024 on", do="Choose another one by --port")
    return SettingsError(
        f"{host} is no address of this machine ({error.strerror})", expected=f"one of them, {HERE} say", do="Correct --host"
    )


def address_of(host: str, port: int) -> str:
    """Where a server on a host and port is found: by a name of this machine where it listens on all networks."""
    name = own_names()[0] if host in EVERYWHERE else host
    return f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}"


def open_to_others(host: str) -> bool:
    """Whether other machines can reach a server on this host."""
    return not listens_here_alone(host)


def run(app: ASGIApp, bound: socket.socket, should_stop: Callable[[], bool], *, on_ready: Callable[[], None]) -> None:
    """Answer on a bound socket until `should_stop()`; `on_ready` is called once it answers."""
    import uvicorn

    config = uvicorn.Config(
        app,
        log_level="critical",
        access_log=False,
        lifespan="off",
        ws="none",
        server_header=False,
        limit_concurrency=_MOST_AT_ONCE,
        h11_max_incomplete_event_size=_LONGEST_HEAD,
        http="h11",
        timeout_graceful_shutdown=2,
    )
    server = uvicorn.Server(config)
    # Not in the main thread: there it would take the signals, which are the command line's.
    thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]}, name="server", daemon=True)
    thread.start()
    told = False
    try:
        while thread.is_alive() and not should_stop():
            if server.started and not told:
                told = True
                on_ready()
            time.sleep(_STEP_S)
    finally:
        server.should_exit = True
        thread.join()
        bound.close()


@contextmanager
def noted(workspace: Workspace, address: str) -> Iterator[None]:
    """While this lasts, a note in the workspace says where it is served; a workspace that cannot be written has none."""
    file = _file(workspace)
    own: _Record = {"pid": os.getpid(), "began": psutil.Process().create_time(), "address": address}
    with suppress(OSError):
        write_json(file, dict(own))
    try:
        yield
    finally:
        with suppress(OSError, ValueError):
            if read_record(file, _Record) == own:  # not that of a server which began later
                file.unlink()


def served_at(workspace: Workspace) -> str | None:
    """The address of the server of a workspace; None where none runs, such as after a kill."""
    try:
        told = read_record(_file(workspace), _Record)
        alive = abs(psutil.Process(told["pid"]).create_time() - told["began"]) < _SLACK_S
    except (OSError, ValueError, psutil.Error):
        return None
    return told["address"] if alive and told["address"].startswith("http://") else None


def _file(workspace: Workspace) -> Path:
    return workspace.root / RECORD
