"""The dashboard served for tests, pictures and benchmarks, and what in its pages tells how they load."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
PATIENCE_S = 900
"""A machine that does other work is slow, not broken."""
SHIFTS = """window.glShifted = 0; new PerformanceObserver(list => {
  for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.glShifted += entry.value;
}).observe({type: 'layout-shift', buffered: true});"""
"""A script that adds up, as `window.glShifted`, what moved on a page without anybody's hand."""


def free_port() -> int:
    """A port of this machine that nobody listens to."""
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def dashboard(folder: Path, *words: str, port: int | None = None, **environment: str) -> Iterator[str]:
    """Serve `app.py` on `port` or a free one of this machine, with its workspace and `server.log` in a folder; yields its address.

    `words` go to Streamlit, `environment` is added to that of this process.
    """
    port = port or free_port()
    command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.address=localhost", f"--server.port={port}", *words]
    variables = {**os.environ, "GROUNDLINE_WORKSPACE": str(folder / "workspace"), **environment}
    log, address = folder / "server.log", f"http://localhost:{port}"
    with log.open("wb") as out:
        served = subprocess.Popen(command, cwd=PROJECT, stdout=out, stderr=subprocess.STDOUT, env=variables)
        try:
            _wait_for(f"{address}/_stcore/health", served, log)
            yield address
        finally:
            served.terminate()
            served.wait(timeout=30)


def _wait_for(url: str, served: subprocess.Popen, log: Path) -> None:
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        if served.poll() is not None:
            raise RuntimeError(f"the server ended: {log.read_text()[-2000:]}")
        try:
            urllib.request.urlopen(url, timeout=5).close()
            return
        except urllib.error.HTTPError:  # it asks who comes in, so it answers
            return
        except OSError:
            time.sleep(0.25)
    raise RuntimeError(f"the server did not answer within {PATIENCE_S} s: {log.read_text()[-2000:]}")
