"""Packages without what only parts of them use: a third of the start of a process that trains, a sixth of one that predicts."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from types import ModuleType

UNUSED: Mapping[str, tuple[str, ...]] = {
    "keras": ("sklearn", "matplotlib", "pandas"),  # its plots and wrappers
    "numba": ("scipy", "scipy.linalg"),  # products of matrices, which no kernel of ours takes
}
"""What each package takes in wherever it is installed, and does without where it does not find it."""


class _Alone:
    """Keeps it from them. All others find it as ever, and they too what is loaded already."""

    def find_spec(self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None) -> None:
        """Never find anything. Raises ModuleNotFoundError where a module of a package asks for what that can do without."""
        packages = [package for package, unused in UNUSED.items() if fullname in unused]
        if not packages:
            return
        asks = sys._getframe(1)
        while asks.f_back and asks.f_globals.get("__name__", "").startswith("importlib."):
            asks = asks.f_back
        package = asks.f_globals.get("__name__", "").partition(".")[0]
        if package in packages:
            raise ModuleNotFoundError(f"{fullname} is kept from {package}, which starts faster without it", name=fullname)


_ALONE = _Alone()


def keep_lean() -> None:
    """Called by processes that are ours alone, the command line and the jobs, before they load anything; a notebook keeps it all."""
    if _ALONE not in sys.meta_path:
        sys.meta_path.insert(0, _ALONE)
