"""Arrays by tile that are dear to make: kept in memory or on the disk under a budget, those that were used least recently go first."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from contextlib import suppress
from pathlib import Path

import numpy as np

from core.files import replacing

Place = tuple[int, int]
"""Row and column of a tile, counted in tiles."""
_SUFFIX = ".npy"
_FILLED = 0.9
"""Share of the budget that is left when something had to go, so that it does not happen at each tile."""


class MemoryTiles:
    """Tiles of one process, at most `budget_bytes` of them; safe to use from several threads."""

    def __init__(self, budget_bytes: int):
        self._budget, self._lock = budget_bytes, threading.Lock()
        self._tiles: OrderedDict[Place, np.ndarray] = OrderedDict()

    def get(self, place: Place) -> np.ndarray | None:
        """The tile, None where it is not kept (any more)."""
        with self._lock:
            if place in self._tiles:
                self._tiles.move_to_end(place)
            return self._tiles.get(place)

    def put(self, place: Place, tile: np.ndarray) -> None:
        """Keep a tile; others go where the budget asks for it, and the last one stays in any case."""
        with self._lock:
            self._tiles[place] = tile
            while len(self._tiles) > 1 and sum(one.nbytes for one in self._tiles.values()) > self._budget:
                self._tiles.popitem(last=False)


class DiskTiles:
    """Tiles in files of `root`/`key`, read by memory map; the budget is that of `root`, which other keys and processes may share."""

    def __init__(self, root: Path, key: str, budget_bytes: int):
        self._root, self._folder, self._budget, self._lock = root, root / key, budget_bytes, threading.Lock()
        self._used = sum(size for _, size, _ in self._files())

    def get(self, place: Place) -> np.ndarray | None:
        """The tile, None where it is not kept (any more) or cannot be read."""
        path = self._path(place)
        try:
            os.utime(path)
            return np.load(path, mmap_mode="r")
        except (OSError, ValueError):
            return None

    def put(self, place: Place, tile: np.ndarray) -> None:
        """Keep a tile. A disk that takes no more only costs the time to make it again."""
        with suppress(OSError):
            with replacing(self._path(place)) as temporary, temporary.open("wb") as file:
                np.save(file, tile)
            with self._lock:
                self._used += tile.nbytes
                if self._used > self._budget:
                    self._make_room()

    def _make_room(self) -> None:
        files = sorted(self._files())
        self._used = sum(size for _, size, _ in files)
        for _, size, path in files:
            if self._used <= _FILLED * self._budget:
                return
            with suppress(OSError):
                path.unlink()
            self._used -= size

    def _files(self) -> list[tuple[int, int, Path]]:
        """When each tile of the root was used last, its bytes, its path."""
        found = []
        for path in self._root.glob(f"*/*{_SUFFIX}"):
            with suppress(OSError):
                state = path.stat()
                found.append((state.st_mtime_ns, state.st_size, path))
        return found

    def _path(self, place: Place) -> Path:
        return self._folder / f"{place[0]}-{place[1]}{_SUFFIX}"
