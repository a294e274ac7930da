"""Results that are dear to make and shared by all sessions, by the digest of what they were made from.

`st.cache_resource` would do, but a cached function cannot show progress while it works, and it starts again when the
user turns to another tab meanwhile. Here the work goes on in a thread of its own, and whoever asks next waits for it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

import streamlit as st

from core.plain import in_markdown

T = TypeVar("T")
_POLL_S = 0.05


def keep(kind: str, digest: str, make: Callable[[Callable[[int, int, str], None]], T], *, words: str, most: int = 8) -> T:
    """The result of `make(on_progress)`, made once for each digest; `words` begin the progress bar shown meanwhile.

    `make` runs in a thread and must not draw anything. What it raises is raised here, and it is made again next time.
    """
    store = _store(kind)
    with _lock:
        work = store.get(digest)
        if work is None:
            work = store[digest] = _Work(make)
            for old in [key for key, other in store.items() if other.done.is_set()][: max(0, len(store) - most)]:
                del store[old]
    if not work.done.wait(_POLL_S):
        bar = st.progress(0.0, text=words)
        while not work.done.wait(_POLL_S):
            done, total, text = work.progress
            bar.progress(min(1.0, done / max(1, total)), text=in_markdown(text or words))
            time.sleep(_POLL_S)
        bar.empty()
    if work.error is not None:
        store.pop(digest, None)
        raise work.error
    return work.result


def has(kind: str, digest: str) -> bool:
    """Whether a result is at hand."""
    work = _store(kind).get(digest)
    return work is not None and work.done.is_set() and work.error is None


def at_hand(kind: str) -> list[Any]:
    """All results of a kind that are at hand, oldest first."""
    with _lock:
        return [work.result for work in _store(kind).values() if work.done.is_set() and work.error is None]


class _Work:
    """One thing being made in a thread."""

    def __init__(self, make: Callable[[Callable[[int, int, str], None]], Any]):
        self.done = threading.Event()
        self.progress: tuple[int, int, str] = (0, 0, "")
        self.result: Any = None
        self.error: BaseException | None = None
        threading.Thread(target=self._run, args=(make,), name="groundline-kept", daemon=True).start()

    def _run(self, make: Callable[[Callable[[int, int, str], None]], Any]) -> None:
        try:
            self.result = make(self._tell)
        except BaseException as error:  # handed to whoever waits
            self.error = error
        finally:
            self.done.set()

    def _tell(self, done: int, total: int, text: str) -> None:
        self.progress = done, total, text


_lock = threading.Lock()


@st.cache_resource(show_spinner=False)
def _store(kind: str) -> dict[str, _Work]:
    return {}
