"""One heavy job at a time per workspace, first come first served, without a process that would have to keep the order."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from core.jobs import records

_HEAVY_LOCK = ".heavy.lock"
_HOLDER = ".heavy.holder"
_POLL_S = 0.2

OnWait = Callable[[str], None]
"""Called with the name of the job in front while waiting, and often, so that it can look for a wish to stop."""


@contextmanager
def turn(folder: Path, arrived: float, on_wait: OnWait) -> Iterator[None]:
    """Wait until no job that arrived earlier waits and the heavy lock is free; hold it inside the block.

    `folder` is the job's; `arrived` (unix seconds) is what its status says. The kernel frees the lock of a worker that
    dies, so a dead job never stops the queue. Whatever `on_wait` raises ends the wait.
    """
    runs = folder.parent
    heavy = FileLock(runs / _HEAVY_LOCK)
    while True:
        front = _earlier(folder, arrived)
        if front is None:
            try:
                heavy.acquire(timeout=0)
                break
            except Timeout:
                front = _holder(runs)
        on_wait(front)
        time.sleep(_POLL_S)
    try:
        (runs / _HOLDER).write_text(folder.name, encoding="utf-8")
        yield
    finally:
        heavy.release()


def _earlier(folder: Path, arrived: float) -> str | None:
    """Name of the job directly in front in the queue, or None when `folder` is the first that waits."""
    ahead = []
    for path in folder.parent.glob(f"[!.]*/{records.STATUS}"):
        if path.parent == folder:
            continue
        status = records.read_patiently(path)
        if status is None or status["state"] != "queued":
            continue
        place = (status["arrived"], path.parent.name)
        if place < (arrived, folder.name) and records.is_locked(path.parent / records.LOCK):
            ahead.append(place)
    return max(ahead)[1] if ahead else None


def _holder(runs: Path) -> str:
    try:
        return (runs / _HOLDER).read_text(encoding="utf-8") or "another job"
    except (FileNotFoundError, PermissionError):
        return "another job"
