"""The worker's side of a job folder: it writes the status, listens to wishes, and estimates the time left."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from core.errors import Cancelled
from core.jobs import records
from core.progress import Countdown, Pace
from core.verbs.verb import PASSING

_WRITE_EVERY_S = 0.5
_PASSING_EVERY_S = 1.0
_PAUSE_POLL_S = 0.1
_TELLING_SHARE = 0.03
"""Share of the work after which a time left is told."""


class Reporter:
    """Keeps status.json true while the work runs; made by the worker after it has taken the job's lock."""

    def __init__(self, folder: Path, *, token: str, pid: int):
        self._folder = folder
        self._status = records.blank_status("starting")
        old = records.read_patiently(folder / records.STATUS)
        self._status.update(created=old["created"] if old else time.time(), worker=token, pid=pid)
        self._pace, self._countdown = Pace(), Countdown()
        self._written = 0.0
        self._passed = -_PASSING_EVERY_S
        self._terminated = False

    @property
    def stopping(self) -> bool:
        """Whether somebody wants the work to end."""
        return self._terminated or records.read_control(self._folder) == "stop"

    @property
    def arrived(self) -> float:
        """When this worker joined the queue, unix seconds."""
        return self._status["arrived"]

    def terminate(self, *_signal) -> None:
        """Take the operating system's wish to end for a stop; fits `signal.signal`."""
        self._terminated = True

    def enter(self, state: str, **changes: Any) -> None:
        """Note a new state among the events, go into it, and write it at once: who reads that a job has ended finds all of its events."""
        try:
            records.append_event(self._folder, {"type": "state", "state": state})
        finally:
            self._status.update(state=state, **changes)
            self._write()

    def on_progress(self, done: int, total: int, message: str) -> None:
        """Note how far the work is; written at most twice a second."""
        left_s = self._pace.left_s(done, total)
        # The first steps also open files and start engines: what they take says nothing about the others.
        self._countdown.told_s(left_s if total and done >= _TELLING_SHARE * total else None)
        self._status.update(done=done, total=total, message=message)
        self._write_sometimes()

    def on_event(self, event: dict[str, Any]) -> None:
        """Append an event of the work's own; one that passes replaces the one before, at most once a second."""
        if event["type"] == PASSING:
            if time.monotonic() - self._passed >= _PASSING_EVERY_S:
                self._passed = time.monotonic()
                records.write_patiently(self._folder / records.STEPS, {key: value for key, value in event.items() if key != "type"})
            return
        records.append_event(self._folder, event)

    def on_wait(self, front: str) -> None:
        """Note whom the job waits for. Raises `Cancelled` when it is to end before it began."""
        if self.stopping:
            raise Cancelled("stopped while it waited")
        if front != self._status["waits_for"]:
            self._status.update(waits_for=front, message=f"Waiting for {front}")
            self._write()
        self._write_sometimes()

    def should_stop(self) -> bool:
        """Whether to end; while a pause is wished for, this call just does not return."""
        if records.read_control(self._folder) == "pause" and not self._terminated:
            self._pause()
        self._write_sometimes()
        return self.stopping

    def _pause(self) -> None:
        began = time.monotonic()
        self.enter("paused")
        while records.read_control(self._folder) == "pause" and not self._terminated:
            time.sleep(_PAUSE_POLL_S)
            self._write_sometimes()
        waited = time.monotonic() - began
        self._pace.skip(waited)
        self._countdown.skip(waited)
        self.enter("running")

    def _write_sometimes(self) -> None:
        if time.monotonic() - self._written >= _WRITE_EVERY_S:
            self._write()

    def _write(self) -> None:
        self._written = time.monotonic()
        self._status["heartbeat"] = time.time()
        self._status["eta_s"] = self._countdown.left_s() if self._status["state"] == "running" else None
        records.write_patiently(self._folder / records.STATUS, self._status)
