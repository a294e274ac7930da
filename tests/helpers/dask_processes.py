"""A Dask scheduler and workers as processes of their own, as the command `dask` starts them, and tasks that can be watched."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
from distributed import Client

ROOT = Path(__file__).resolve().parents[2]


class Processes:
    """A scheduler with workers of one thread each; `log` in the folder holds what they said."""

    def __init__(self, folder: Path, workers: int = 2):
        self.folder = folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.address = f"tcp://127.0.0.1:{self.port}"
        self.workers: list[subprocess.Popen] = []
        self.start_scheduler()
        for _ in range(workers):
            self.start_worker()

    def wait(self, workers: int) -> None:
        """Wait until so many workers are there."""
        with Client(self.address, timeout=60, set_as_default=False) as client:
            client.wait_for_workers(workers, timeout=60)

    def start_scheduler(self) -> None:
        self.scheduler = self._start("scheduler", "--host", "127.0.0.1", "--port", str(self.port), "--no-dashboard")

    def start_worker(self) -> None:
        # No nanny: a worker that is killed stays away, and nothing is left when all are.
        places = ["--local-directory", str(self.folder)]
        self.workers.append(self._start("worker", self.address, "--nthreads", "1", "--no-nanny", "--no-dashboard", *places))

    def _start(self, kind: str, *arguments: str) -> subprocess.Popen:
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-m", f"distributed.cli.dask_{kind}", *arguments]
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen(command, cwd=self.folder, env=environment, stdout=log, stderr=log)

    def stop(self) -> None:
        for process in (*self.workers, self.scheduler):
            with_children = [*psutil.Process(process.pid).children(recursive=True)] if process.poll() is None else []
            for child in with_children:
                child.kill()
            process.send_signal(signal.SIGCONT)
            process.kill()
            process.wait()


def slow(folder: str, name: str, seconds: float) -> None:
    """A task: notes who began it, takes its time, and leaves a file, whole or not at all."""
    with (Path(folder) / "begun").open("a") as file:
        file.write(f"{name} {os.getpid()}\n")
    time.sleep(seconds)
    temporary = Path(folder) / f".{name}.{os.getpid()}"
    temporary.write_text(name)
    temporary.rename(Path(folder) / name)


def begun(folder: Path) -> list[tuple[str, int]]:
    """The tasks that were begun, in their order, each with the process."""
    try:
        lines = (folder / "begun").read_text().split("\n")[:-1]
    except OSError:
        return []
    return [(line.split()[0], int(line.split()[1])) for line in lines]
