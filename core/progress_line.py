"""Progress for people at a terminal: one line that is rewritten, or a few lines in a file."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from typing import TextIO

from core.progress import Pace
from core.words import duration_words

_REWRITE_EVERY_S = 0.1
_LINE_EVERY_S = 10.0
_FIRST_LINE_S = 1.0
_BAR_WIDTH = 24


class ProgressLine:
    """An `on_progress` that writes to `stream`; on a terminal it rewrites one line, elsewhere it adds one every 10 s.

    The first line in a file waits a second: what fails or ends at once leaves nothing but its own message.
    """

    def __init__(self, stream: TextIO, *, clock: Callable[[], float] = time.monotonic):
        self._stream = stream
        self._clock = clock
        self._pace = Pace(clock)
        self._rewrites = stream.isatty()
        self._next = clock() + (0.0 if self._rewrites else _FIRST_LINE_S)
        self._drawn = False

    def __call__(self, done: int, total: int, message: str) -> None:
        """Tell how far the work is, unless it was told a moment ago."""
        left_s = self._pace.left_s(done, total)
        now = self._clock()
        if self._next == float("inf") or (now < self._next and not (self._rewrites and done == total)):
            return
        self._next = now + (_REWRITE_EVERY_S if self._rewrites else _LINE_EVERY_S)
        text = describe(done, total, message, left_s)
        if self._rewrites:
            width = shutil.get_terminal_size().columns - 1
            self._say("\r\x1b[2K" + (bar(done, total) + text)[:width])
            self._drawn = True
        else:
            self._say(text + "\n")

    def clear(self) -> None:
        """Take the rewritten line off the terminal."""
        if self._drawn:
            self._say("\r\x1b[2K")
            self._drawn = False

    def _say(self, text: str) -> None:
        """Write a text; where nobody listens any more (a closed pipe), the work goes on in silence."""
        try:
            self._stream.write(text)
            self._stream.flush()
        except OSError:
            self._next = float("inf")


def describe(done: int, total: int, message: str, left_s: float | None) -> str:
    """For example "42 %  Windows  65 s left"; without the parts that are not known."""
    parts = [f"{100 * done // total:3d} %"] if total > 0 else []
    parts += [" ".join(message.split())] if message else []
    parts += [f"{duration_words(left_s)} left"] if left_s is not None and left_s >= 1 else []
    return "  ".join(parts)


def bar(done: int, total: int) -> str:
    """A bar of fixed width, empty when the total is not known."""
    filled = _BAR_WIDTH * min(done, total) // total if total > 0 else 0
    return f"[{'#' * filled}{'.' * (_BAR_WIDTH - filled)}] "
