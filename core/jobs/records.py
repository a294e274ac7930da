"""The files of a job folder: the only thing that a worker and its watchers share.

request.json   what was asked; written once, before the worker starts
status.json    where it stands; replaced in one step, by the lock's holder only
events.jsonl   what happened, one JSON object a line; only ever appended
control        "pause" or "stop"; written by watchers, read by the worker at each batch
lock           an OS lock that the worker holds for its whole life, so that a dead worker frees it at once
log.txt        what the worker printed
result.json    the answer, when finished
steps.json     the loss of the running epoch's steps; replaced about once a second
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any, Literal, TypedDict

from filelock import FileLock, Timeout

from core.files import dump_json, read_json, write_json
from core.reading.readable import misfit

REQUEST, STATUS, EVENTS, CONTROL = "request.json", "status.json", "events.jsonl", "control"
LOCK, LOG, RESULT, ABOUT, STEPS = "lock", "log.txt", "result.json", "about.json", "steps.json"

ACTIVE_STATES = ("starting", "queued", "running", "paused", "stopping")
STARTING_GRACE_S = 60.0
"""How long a job may be "starting" without a lock: a slow disk or virus scanner delays a new process that much."""

_READ_TRIES = 5


class Asked(TypedDict):
    """What `request.json` holds; some have a title too."""

    kind: str
    request: dict[str, Any]


class About(TypedDict, total=False):
    """What `about.json` may hold."""

    title: str | None
    note: str | None
    tags: list[str] | None


_Steps = TypedDict("_Steps", {"class": str}, total=False)


class Steps(_Steps):
    """What `steps.json` holds: the number of an epoch, how many steps it has, some of them, and the loss up to each."""

    epoch: int
    steps: int
    at: list[int]
    loss: list[float]


class _Stands(TypedDict):
    """What every `status.json` holds."""

    state: Literal["starting", "queued", "running", "paused", "stopping", "finished", "stopped", "failed", "died"]


class Stands(_Stands, total=False):
    """What a `status.json` may hold besides; times are unix seconds."""

    done: float | None
    total: float | None
    message: str | None
    eta_s: float | None
    created: float
    started: float | None
    finished: float | None
    heartbeat: float
    pid: int | None
    worker: str | None
    error: str | None
    waits_for: str | None
    arrived: float | None


class Event(TypedDict):
    """What every line of `events.jsonl` holds."""

    time: float
    type: str


class Epoch(TypedDict, total=False):
    """What a finished epoch tells, as far as it is counted or compared."""

    epoch: int
    loss: float | None
    val_loss: float | None
    val_mean_iou: float | None
    val_iou: dict[str, float | None] | None
    seconds: float | None
    learning_rate: float | None


_EVENTS: dict[str, Any] = {"epoch": Epoch}


def worker_lock(folder: Path) -> FileLock:
    """The lock that a worker holds for its whole life."""
    return FileLock(folder / LOCK)


def is_locked(path: Path) -> bool:
    """Whether another process, or another lock object of this one, holds the lock file `path`."""
    if not path.exists():
        return False
    probe = FileLock(path)
    try:
        # A second try tells a worker, which keeps the lock, from another watcher's probe, which lasts microseconds.
        probe.acquire(timeout=0.02, poll_interval=0.01)
    except Timeout:
        return True
    probe.release()
    return False


def read_patiently(path: Path) -> Any | None:
    """Read a JSON file that another process may be replacing; None when there is none.

    On Windows a file cannot be opened in the instant in which it is replaced, so a refusal is tried again.
    """
    for _ in range(_READ_TRIES):
        try:
            return read_json(path)
        except FileNotFoundError:
            return None
        except PermissionError:
            time.sleep(0.02)
    return read_json(path)


def write_patiently(path: Path, value: Any) -> None:
    """Replace a JSON file that watchers may be reading, for the same reason."""
    for _ in range(_READ_TRIES):
        try:
            write_json(path, value)
            return
        except PermissionError:
            time.sleep(0.02)
    write_json(path, value)


def append_event(folder: Path, event: dict[str, Any]) -> None:
    """Append one event as one line, with its time."""
    line = dump_json({"time": time.time(), **event}) + "\n"
    with (folder / EVENTS).open("a", encoding="utf-8", newline="\n") as file:
        file.write(line)


def read_events(folder: Path, *, kind: str | None = None) -> list[dict[str, Any]]:
    """Events in order, of one type or all; a last line without its end is still being written and left out.

    So is a line that is no event: `wrong_events` counts them.
    """
    return [event for event in _events(folder) if event is not None and (kind is None or event["type"] == kind)]


def wrong_events(folder: Path) -> int:
    """How many whole lines of a job's events are none."""
    return _events(folder).count(None)


def _events(folder: Path) -> list[dict[str, Any] | None]:
    try:
        complete = (folder / EVENTS).read_bytes().rpartition(b"\n")[0]
    except OSError:  # none yet; or a folder in its place, which is no event either
        return [None] if (folder / EVENTS).is_dir() else []
    return [_event(line) for line in complete.splitlines() if line]


def _event(line: bytes) -> dict[str, Any] | None:
    try:
        event = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if misfit(event, Event) or misfit(event, _EVENTS.get(event["type"], Event)):
        return None
    return event


def mend_events(folder: Path) -> None:
    """Cut off the half-written last line that a killed worker left, so that the next event starts a line of its own."""
    path = folder / EVENTS
    if not path.exists():
        return
    content = path.read_bytes()
    complete = content.rpartition(b"\n")
    whole = len(complete[0]) + len(complete[1])
    if whole != len(content):
        os.truncate(path, whole)


def read_control(folder: Path) -> str:
    """The standing wish, "pause" or "stop", or an empty string."""
    try:
        return (folder / CONTROL).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""


def write_control(folder: Path, wish: str) -> None:
    """Leave a wish for the worker; an empty one takes it back."""
    if wish:
        (folder / CONTROL).write_text(wish, encoding="utf-8")
    else:
        (folder / CONTROL).unlink(missing_ok=True)


def blank_status(state: str) -> dict[str, Any]:
    """A status in which nothing has happened yet; `created` and `heartbeat` are now, in unix seconds."""
    now = time.time()
    return {
        "state": state,
        "done": 0,
        "total": 0,
        "message": "",
        "eta_s": None,
        "created": now,
        "started": None,
        "finished": None,
        "heartbeat": now,
        "pid": None,
        "worker": None,
        "error": None,
        "waits_for": None,
        "arrived": now,
    }
