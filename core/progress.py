"""How long work tells how far it is, and learns that it should stop."""

from __future__ import annotations

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
