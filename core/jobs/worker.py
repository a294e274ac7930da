"""The process behind a job: `python -m core.jobs.worker FOLDER`.

It takes the job's lock, waits for its turn, does the work and leaves the answer. Nothing at this file's top may import
pandas, because training needs TensorFlow to come first (keras#23083).
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
import traceback
from contextlib import ExitStack
from pathlib import Path

import psutil
from filelock import Timeout

from core.errors import OUT_OF_MEMORY, Cancelled, GroundlineError
from core.files import read_json
from core.jobs import records
from core.jobs.jobs import EXIT_BUSY
from core.jobs.reporter import Reporter
from core.jobs.turns import turn
from core.networks.lean import keep_lean
from core.verbs import registry

_NICENESS = 10
_LOCK_PATIENCE_S = 1.0
"""A watcher's look at the lock holds it for an instant; a worker holds it for good."""


def main(arguments: list[str] | None = None) -> int:
    """Work on the job in the folder given; returns the exit code: 0, 1 after a failure, 75 when the job has a worker."""
    parser = argparse.ArgumentParser(prog="python -m core.jobs.worker", description="Work on the job in a folder.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--token", default="", help="written into the status, by which the starter knows its worker")
    parser.add_argument("--resume", action="store_true", help="continue what an earlier worker began")
    options = parser.parse_args(arguments)
    keep_lean()
    lock = records.worker_lock(options.folder)
    try:
        lock.acquire(timeout=_LOCK_PATIENCE_S, poll_interval=0.02)
    except Timeout:
        return EXIT_BUSY
    with lock:
        return _work(options.folder, options.token, options.resume)


def _work(folder: Path, token: str, resume: bool) -> int:
    be_nice()
    records.mend_events(folder)
    records.write_control(folder, "")
    for old in (records.RESULT, records.STEPS):
        (folder / old).unlink(missing_ok=True)
    reporter = Reporter(folder, token=token, pid=os.getpid())
    signal.signal(signal.SIGTERM, reporter.terminate)
    asked = read_json(folder / records.REQUEST)
    try:
        verb = registry.find(asked["kind"])
        with ExitStack() as stack:
            if verb.heavy:
                reporter.enter("queued")
                stack.enter_context(turn(folder, reporter.arrived, reporter.on_wait))
            reporter.enter("running", started=time.time(), waits_for=None, message="")
            result = registry.run(
                asked["kind"],
                _continued(asked["request"], resume),
                on_progress=reporter.on_progress,
                should_stop=reporter.should_stop,
                on_event=reporter.on_event,
            )
        records.write_patiently(folder / records.RESULT, result)
        # Training that is stopped still hands over its best weights: an answer, although not all that was asked for.
        stopped = bool(result.get("stopped"))
        reporter.enter("stopped" if stopped else "finished", finished=time.time())
        return 0
    except Cancelled:
        reporter.enter("stopped", finished=time.time())
        return 0
    except GroundlineError as error:
        traceback.print_exc()
        reporter.enter("failed", finished=time.time(), error=str(error))
        return 1
    except BaseException as error:
        traceback.print_exc()
        reporter.enter("failed", finished=time.time(), error=_one_line(error))
        return 1


def be_nice() -> None:
    """Step back behind the user's own programs: the dashboard then answers as fast as on an idle machine."""
    process = psutil.Process()
    if sys.platform == "win32":
        process.nice(psutil.BELOW_NORMAL_PRIORITY_CLASS)
    else:
        # Who was started with a still lower priority must not ask for a higher one: that takes special rights.
        process.nice(max(_NICENESS, process.nice()))


def _continued(request: dict, resume: bool) -> dict:
    return {**request, "resume": True} if resume and "resume" in request else request


def _one_line(error: BaseException) -> str:
    if isinstance(error, MemoryError):
        return OUT_OF_MEMORY
    return " ".join(f"{type(error).__name__}: {error}".split())


if __name__ == "__main__":
    sys.exit(main())
