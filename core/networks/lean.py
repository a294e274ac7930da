"""Keras without what only its plots and wrappers use: a third of the start of each process that trains."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from types import ModuleType

UNUSED = ("sklearn", "matplotlib", "pandas")


class _KerasAlone:
    """Keras takes these in wherever they are installed, and does without where it does not find them.

    All others find them as ever, and Keras too what is loaded already.
    """

    def find_spec(self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None) -> None:
        """Never find anything. Raises ModuleNotFoundError where a module of Keras asks for what it can do without."""
        if fullname not in UNUSED:
            return
        asks = sys._getframe(1)
        while asks.f_back and asks.f_globals.get("__name__", "").startswith("importlib."):
            asks = asks.f_back
        if asks.f_globals.get("__name__", "").startswith("keras."):
            raise ModuleNotFoundError(f"{fullname} is kept from Keras, which starts faster without it", name=fullname)


_ALONE = _KerasAlone()


def keep_keras_lean() -> None:
    """Called by processes that are ours alone, the command line and the jobs, before Keras is loaded; a notebook keeps the whole of it."""
    if _ALONE not in sys.meta_path:
        sys.meta_path.insert(0, _ALONE)
