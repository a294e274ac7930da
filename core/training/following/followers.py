"""The threads in which other programs hear of a run, so that training never waits for a server.

What could not be sent is sent with the next epoch, and what cannot be sent at all is told in a sentence.
"""

from __future__ import annotations

import os
import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from core.errors import Cancelled
from core.files import read_json, write_json
from core.training.event_files import numbers
from core.training.following.programs import DATABASE_VARIABLE, FAILED, FINISHED, LONGEST, OPENED, STOPPED, Begun, Logger, Wanted
from core.words import counted

LOGGERS_FILE = "loggers.json"
"""Which run of each program a folder's run is: one that is resumed goes on there."""
_LAST_WAIT_S = 30.0
"""How long the end of a run waits for what is still to be sent."""


class Followers:
    """The programs that follow one run. state: how it ended, told by who runs it."""

    def __init__(self, wanted: Sequence[Wanted], folder: Path, name: str, settings: Mapping[str, Any], *, resume: bool):
        self.state = FINISHED
        self._lock, self._told = threading.Lock(), [0]
        self._warnings: list[str] = []
        self._runs = _known_runs(folder) if resume else {}
        self._file = folder / LOGGERS_FILE
        plain = dict(_flat(settings))
        self._followers = [
            _Follower(one, Begun(name, folder, plain, self._runs.get(one.kind)), self._warn, self._remember) for one in wanted
        ]

    @property
    def warnings(self) -> list[str]:
        """All that could not be sent, in sentences."""
        with self._lock:
            return list(self._warnings)

    def fresh(self) -> list[str]:
        """The warnings since this was last asked."""
        found = self.warnings[self._told[0] :]
        self._told[0] += len(found)
        return found

    def add(self, line: Mapping[str, Any]) -> None:
        """One line of the history; returns at once."""
        for follower in self._followers:
            follower.put(line)

    def close(self) -> None:
        """Tell the end, and wait for what is still to be sent, though not for ever."""
        end = time.monotonic() + _LAST_WAIT_S
        for follower in self._followers:
            follower.end(self.state)
        for follower in self._followers:
            follower.wait(max(0.0, end - time.monotonic()))

    def _warn(self, sentence: str) -> None:
        with self._lock:
            self._warnings.append(sentence)

    def _remember(self, kind: str, run: str) -> None:
        with self._lock:
            self._runs[kind] = run
            write_json(self._file, self._runs)


@contextmanager
def following(wanted: Sequence[Wanted], folder: Path, name: str, settings: Mapping[str, Any], *, resume: bool) -> Iterator[Followers]:
    """Programs that follow the run in the block; what ends the block ends their runs."""
    followers = Followers(wanted, folder, name, settings, resume=resume)
    try:
        yield followers
    except BaseException as error:
        followers.state = STOPPED if isinstance(error, (Cancelled, KeyboardInterrupt)) else FAILED
        raise
    finally:
        followers.close()


class _Follower:
    """One program and its thread."""

    def __init__(self, wanted: Wanted, about: Begun, warn: Callable[[str], None], remember: Callable[[str, str], None]):
        self._wanted, self._about, self._warn, self._remember = wanted, about, warn, remember
        self._queue: queue.SimpleQueue[Mapping[str, Any] | str] = queue.SimpleQueue()
        self._waiting: list[Mapping[str, Any]] = []
        self._logger: Logger | None = None
        self._failing = False
        self._thread = threading.Thread(target=self._work, name=f"groundline-{wanted.kind}", daemon=True)

    def put(self, line: Mapping[str, Any]) -> None:
        # The first line comes when the run's folder is there and TensorFlow is loaded, which has to be before pandas is.
        if not self._thread.is_alive():
            self._thread.start()
        self._queue.put(line)

    def end(self, state: str) -> None:
        self._queue.put(state)

    def wait(self, seconds: float) -> None:
        if self._thread.ident is None:
            return
        self._thread.join(seconds)
        if self._thread.is_alive() and not self._failing:
            self._warn(f"{self._wanted.kind} did not answer in time: it may lack the last epochs.")

    def _work(self) -> None:
        while True:
            item = self._queue.get()
            if not isinstance(item, str):
                self._waiting.append(item)
            sent = self._send()
            if isinstance(item, str):
                if sent and self._logger is not None:
                    self._try(partial(self._logger.close, item))
                elif self._waiting:
                    self._warn(f"{self._wanted.kind} never got the scores of {counted(len(self._waiting), 'epoch')}.")
                return

    def _send(self) -> bool:
        """Send what waits, oldest first; whether nothing waits any more."""

        def send() -> None:
            if self._logger is None:
                self._logger = OPENED[self._wanted.kind](self._wanted.where, self._about)
                self._remember(self._wanted.kind, self._logger.run)
            while self._waiting:
                line = self._waiting[0]
                before = f"{line['class']}/" if line.get("class") else ""
                scores = {before + tag: number for name, value in line.items() for tag, number in numbers(name, value)}
                self._logger.add(scores, line["epoch"])
                self._waiting.pop(0)

        return self._try(send)

    def _try(self, work: Callable[[], None]) -> bool:
        try:
            work()
        except Exception as error:  # whatever another program raises, training goes on
            if not self._failing:
                self._warn(f"{self._wanted.kind} could not be told ({type(error).__name__}: {_plain(error)}). Training goes on without it.")
            self._failing = True
            return False
        if self._failing:
            self._warn(f"{self._wanted.kind} hears again, and was told what it had missed.")
        self._failing = False
        return True


def _known_runs(folder: Path) -> dict[str, str]:
    try:
        found = read_json(folder / LOGGERS_FILE)
    except (OSError, ValueError):  # nothing followed it so far
        return {}
    return {str(kind): str(run) for kind, run in found.items()} if isinstance(found, dict) else {}


def _flat(settings: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in settings.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{before}{name}.")
        else:
            yield before + name, value


def _plain(error: Exception) -> str:
    """What another program says, in one line, without the password that its address may hold."""
    secret = urlsplit(os.environ.get(DATABASE_VARIABLE, "")).password
    told = " ".join(str(error).split())
    return (told.replace(secret, "***") if secret else told)[:LONGEST].rstrip(". ")
