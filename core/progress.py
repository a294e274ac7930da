"""How long work tells how far it is, how long it will still take, and how it learns that it should stop."""

from __future__ import annotations

import time
from collections.abc import Callable

from core.errors import Cancelled

OnProgress = Callable[[int, int, str], None]
"""Called with (done, total, message); a total of 0 means that it is not known."""

ShouldStop = Callable[[], bool]
"""Answers whether the user wants the work to end."""


def check(should_stop: ShouldStop | None) -> None:
    """Raise `Cancelled` when the user asked to stop."""
    if should_stop is not None and should_stop():
        raise Cancelled("stopped by the user")


def report(on_progress: OnProgress | None, done: int, total: int, message: str) -> None:
    """Tell the listener, if there is one, how far the work is."""
    if on_progress is not None:
        on_progress(done, total, message)


def part(
    on_progress: OnProgress | None, begin: float, end: float, whole: float, *, message: Callable[[str], str] = str
) -> OnProgress | None:
    """A listener for work that is the part from `begin` to `end` of `whole`: it tells how far the whole is, in 1000 steps for each unit.

    `message` puts the part's words into those of the whole.
    """
    if on_progress is None:
        return None

    def heard(done: int, total: int, words: str) -> None:
        share = done / total if total else 0.0
        on_progress(round(1000 * (begin + (end - begin) * share)), round(1000 * whole), message(words))

    return heard


class Pace:
    """Seconds left, from the share done since the present stretch of work began.

    A stretch ends when the total changes or the count goes back, because its speed then says nothing about what comes.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic):
        self._clock = clock
        self._total = 0
        self._first = self._last = 0
        self._began = clock()

    def left_s(self, done: int, total: int) -> float | None:
        """Seconds left after `done` of `total`; None while that cannot be known."""
        if total != self._total or done < self._last:
            self._total, self._first, self._began = total, done, self._clock()
        self._last = done
        if total <= 0 or done <= self._first:
            return None
        return (self._clock() - self._began) * (total - done) / (done - self._first)

    def skip(self, seconds: float) -> None:
        """Leave `seconds` of waiting out of the account."""
        self._began += seconds


class Countdown:
    """Seconds left as people are told them: they run with the clock, go towards shorter estimates, and rise only where it is much later.

    Estimates by the speed so far waver with each step, and a time that goes up and down is believed by nobody.
    """

    _LATER_SHARE, _LATER_S = 0.4, 5.0
    """How much longer than what was told it takes, in shares of that and in seconds, before it is told anew."""
    _CLOSER = 0.25

    def __init__(self, clock: Callable[[], float] = time.monotonic):
        self._clock = clock
        self._end: float | None = None

    def told_s(self, left_s: float | None) -> float | None:
        """What to tell where an estimate says `left_s`; None while nothing is known."""
        if left_s is None:
            self._end = None
            return None
        now = self._clock()
        estimated = now + left_s
        if self._end is None or estimated > self._end + max(self._LATER_S, self._LATER_SHARE * (self._end - now)):
            self._end = estimated
        elif estimated < self._end:
            self._end += self._CLOSER * (estimated - self._end)
        return self.left_s()

    def left_s(self) -> float | None:
        """What is left now of what was told last; None where nothing was."""
        return None if self._end is None else max(0.0, self._end - self._clock())

    def skip(self, seconds: float) -> None:
        """Leave `seconds` of waiting out of the account."""
        if self._end is not None:
            self._end += seconds


class StepCurve:
    """The loss of an epoch's steps in few points, however many steps there are: each is the mean of as many steps as every other."""

    MOST = 200

    def __init__(self) -> None:
        self.points: list[tuple[int, float]] = []
        self._stride, self._sum = 1, 0.0

    def add(self, step: int, mean: float) -> None:
        """Take in `step` (from 1, one after the other) with the mean loss of all steps up to it, which is what networks tell."""
        if step % self._stride:
            return
        total = step * mean
        self.points.append((step, (total - self._sum) / self._stride))
        self._sum = total
        if len(self.points) == self.MOST:
            pairs = zip(self.points[::2], self.points[1::2], strict=True)
            self.points = [(last, (first_loss + last_loss) / 2) for (_, first_loss), (last, last_loss) in pairs]
            self._stride *= 2
