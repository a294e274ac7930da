"""Results that are dear to make and shared by all sessions, by the digest of what they were made from.

`st.cache_resource` would do, but a cached function cannot show progress while it works.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import streamlit as st

T = TypeVar("T")


def keep(kind: str, digest: str, make: Callable[[Callable[[int, int, str], None]], T], *, words: str, most: int = 8) -> T:
    """The result of `make(on_progress)`, made once for each digest; `words` begin the progress bar shown meanwhile."""
    store = _store(kind)
    if digest not in store:
        bar = st.progress(0.0, text=words)
        store[digest] = make(lambda done, total, text: bar.progress(min(1.0, done / max(1, total)), text=text or words))
        while len(store) > most:
            store.pop(next(iter(store)), None)
        bar.empty()
    return store[digest]


def has(kind: str, digest: str) -> bool:
    """Whether a result is at hand."""
    return digest in _store(kind)


@st.cache_resource(show_spinner=False)
def _store(kind: str) -> dict:
    return {}
