"""The answer of a session as far as it is made: bytes on the disk, and of each cell how new and how fine it is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from core.classes import IGNORED_ID
from core.scenes.scene import Window

CELL_PX = 256


class LiveRaster:
    """Class id and confidence (0-255) of the pixels of a scene, uint8 (H, W, 2), in a file that grows with what is written.

    `generation` and `every` (rows, cols) tell of each cell of 256 px which answer it is of, -1 for none, and of each how manieth pixel.
    """

    def __init__(self, path: Path, height: int, width: int):
        self._bytes = np.memmap(path, np.uint8, "w+", shape=(height, width, 2))
        self.whole = Window(0, 0, height, width)
        cells = -(-height // CELL_PX), -(-width // CELL_PX)
        self.generation = np.full(cells, -1, np.int64)
        self.every = np.ones(cells, np.int64)

    def clear(self, *, but: Window | None = None) -> None:
        """Forget everything, or all cells but those of a window."""
        kept = np.zeros(self.generation.shape, bool)
        if but is not None:
            kept[self._cells(but)] = True
        self.generation[~kept] = -1

    def put(self, window: Window, codes: np.ndarray, *, generation: int, every: int = 1) -> None:
        """Take codes uint8 (h, w, 2) of each `every`-th pixel of a window of whole cells."""
        if every > 1:
            codes = codes.repeat(every, axis=0).repeat(every, axis=1)[: window.height, : window.width]
        self._bytes[window.slices] = codes
        rows, cols = self._cells(window)
        self.generation[rows, cols] = generation
        self.every[rows, cols] = every

    def read(self, window: Window, *, every: int = 1) -> tuple[np.ndarray, np.ndarray]:
        """Codes uint8 (h, w, 2) of each `every`-th pixel of a window, 255 where there are none, and bool (h, w) where there are."""
        rows = np.arange(window.row, window.row_stop, every)
        cols = np.arange(window.col, window.col_stop, every)
        known = (self.generation >= 0)[np.ix_(rows // CELL_PX, cols // CELL_PX)]
        codes = np.full((len(rows), len(cols), 2), IGNORED_ID, np.uint8)
        if known.any():
            codes[known] = self._bytes[window.row : window.row_stop : every, window.col : window.col_stop : every][known]
        return codes, known

    def behind(self, window: Window, *, generation: int, every: int) -> Iterator[Window]:
        """Runs of cells beside each other in a window that are older than an answer, or of it and coarser than each `every`-th pixel."""
        rows, cols = self._cells(window)
        old = (self.generation[rows, cols] < generation) | (self.every[rows, cols] > every)
        for number, row in enumerate(old):
            ends = np.flatnonzero(np.diff(row, prepend=False, append=False)).reshape(-1, 2)
            for first, stop in ends:
                corner = (rows.start + number) * CELL_PX, (cols.start + int(first)) * CELL_PX
                yield Window(*corner, CELL_PX, int(stop - first) * CELL_PX).intersect(self.whole)

    def share(self, window: Window, *, generation: int) -> float:
        """Which share of a window's cells is of an answer."""
        return float((self.generation[self._cells(window)] == generation).mean())

    @staticmethod
    def _cells(window: Window) -> tuple[slice, slice]:
        return (
            slice(window.row // CELL_PX, -(-window.row_stop // CELL_PX)),
            slice(window.col // CELL_PX, -(-window.col_stop // CELL_PX)),
        )
