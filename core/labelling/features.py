"""Features of a scene's pixels by window: what a pixel looks like with its surroundings, and what a model says of it."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from itertools import product
from pathlib import Path

import numpy as np

from core.digests import digest_of, file_digest
from core.errors import InputError, SceneError
from core.labelling.filters import BLURS, MARGIN_PX, blurred, count_of, described
from core.labelling.look import MOST_BANDS, Look, mirrored
from core.labelling.tile_cache import DiskTiles, MemoryTiles
from core.prediction.folder.origin import window_of
from core.prediction.folder.rasters import PROBABILITIES, Prediction
from core.scenes.scene import Scene, Window

TILE_PX = 256
BUDGET_BYTES = 4 << 30
MEMORY_BYTES = 256 << 20
_COARSE_PX = 512
_VERSION = 2


class SceneFeatures:
    """Features of a scene and, with a `prediction`, of its probabilities. Safe to use from several threads.

    They are made by tiles that see beyond their borders, so that a pixel has the same ones in whichever window it is read; NaN on nodata.
    With `cache`, a folder, tiles are kept there, those used least recently going where the folder would exceed `budget_bytes`; without
    one a few are kept in memory. Raises InputError for a prediction that does not lie on the scene.
    """

    def __init__(
        self,
        scene: Scene,
        *,
        prediction: Prediction | None = None,
        cache: str | os.PathLike | None = None,
        budget_bytes: int = BUDGET_BYTES,
    ):
        self.scene, self.prediction = scene, prediction
        self.place = None if prediction is None else _place_on(scene, prediction)
        self.key = digest_of(_VERSION, scene.digest, None if prediction is None else file_digest(prediction.folder / PROBABILITIES))
        self._tiles = MemoryTiles(min(budget_bytes, MEMORY_BYTES)) if cache is None else DiskTiles(Path(cache), self.key, budget_bytes)

    @property
    def classes(self) -> int:
        """How many classes the prediction has, 0 without one: so many of the last features are its probabilities."""
        return 0 if self.prediction is None else len(self.prediction.scheme)

    @property
    def count(self) -> int:
        """How many features a pixel has."""
        return count_of(min(self.scene.bands, MOST_BANDS)) + (1 + len(BLURS)) * self.classes

    def read(self, window: Window, *, every: int = 1) -> np.ndarray:
        """Features float16 (h, w, F) of a window, or of each `every`-th pixel of its rows and columns.

        Raises SceneError for a window that reaches beyond the scene.
        """
        if window.pixels == 0 or self.scene.window.intersect(window) != window:
            raise SceneError(f"{window} asked of {self.scene.name}", expected="a window inside it", do="Choose a smaller window")
        rows, cols = (range(start, stop, every) for start, stop in ((window.row, window.row_stop), (window.col, window.col_stop)))
        values = np.empty((len(rows), len(cols), self.count), np.float16)

        def fill(place: tuple[int, int]) -> None:
            into, out_of = zip(*(_shared(asked, at * TILE_PX) for asked, at in zip((rows, cols), place, strict=True)), strict=True)
            values[into] = self.tile(*place)[out_of]

        down = range(window.row // TILE_PX, -(-window.row_stop // TILE_PX))
        across = range(window.col // TILE_PX, -(-window.col_stop // TILE_PX))
        with ThreadPoolExecutor(os.cpu_count()) as threads:
            list(threads.map(fill, product(down, across)))
        return values

    def model(self, values: np.ndarray) -> np.ndarray:
        """The prediction's own probabilities float32 (..., K) among features (..., F), to the byte: k / 255, and 0 on nodata."""
        said = values[..., values.shape[-1] - self.classes :].astype(np.float32)
        np.nan_to_num(said, copy=False)
        said *= 255
        return np.rint(said, out=said) / np.float32(255)

    @cached_property
    def coarse(self) -> tuple[np.ndarray, tuple[float, float]]:
        """The prediction's probabilities float32 (h, w, K) of the whole scene, small, and how many rows and columns a pixel of it takes."""
        scale = max(1.0, max(self.scene.shape) / _COARSE_PX)
        shape = max(1, round(self.scene.height / scale)), max(1, round(self.scene.width / scale))
        step = self.scene.height / shape[0], self.scene.width / shape[1]
        said = np.zeros((*shape, self.classes), np.float32)
        if self.place is not None and self.prediction is not None:
            first = round(self.place.row / step[0]), round(self.place.col / step[1])
            last = max(first[0] + 1, round(self.place.row_stop / step[0])), max(first[1] + 1, round(self.place.col_stop / step[1]))
            part = min(last[0], shape[0]) - first[0], min(last[1], shape[1]) - first[1]
            small = self.prediction.probabilities(out_shape=part) / np.float32(255)
            said[first[0] : first[0] + part[0], first[1] : first[1] + part[1]] = small
        return said, step

    def tile(self, row: int, col: int) -> np.ndarray:
        """Features float16 (256, 256, F), less at the scene's ends, of the tile that lies so many tiles down and across."""
        known = self._tiles.get((row, col))
        if known is None:
            known = self._made(Window(row * TILE_PX, col * TILE_PX, TILE_PX, TILE_PX))
            self._tiles.put((row, col), known)
        return known

    def _made(self, tile: Window) -> np.ndarray:
        wide = Window(tile.row - MARGIN_PX, tile.col - MARGIN_PX, TILE_PX + 2 * MARGIN_PX, TILE_PX + 2 * MARGIN_PX)
        inside = tile.intersect(self.scene.window)
        seen = described(self._look.read(self.scene, wide))[: inside.height, : inside.width].astype(np.float16)
        if self.prediction is not None:
            said = mirrored(self.said(wide.intersect(self.scene.window)), wide, self.scene.window)
            around = blurred(said)[: inside.height, : inside.width]
            seen = np.concatenate([seen, around.astype(np.float16), self.said(inside).astype(np.float16)], axis=-1)
        seen[~self.scene.valid(inside)] = np.nan
        return seen

    def said(self, window: Window) -> np.ndarray:
        """The prediction's probabilities float32 (h, w, K) of a window, k / 255; 0 where it says nothing."""
        said = np.zeros((window.height, window.width, self.classes), np.float32)
        if self.place is None or self.prediction is None:
            return said
        common = window.intersect(self.place)
        if common.pixels:
            own = Window(common.row - self.place.row, common.col - self.place.col, common.height, common.width)
            at = Window(common.row - window.row, common.col - window.col, common.height, common.width)
            said[at.slices] = self.prediction.probabilities(own) / np.float32(255)
        return said

    @cached_property
    def _look(self) -> Look:
        return Look.of(self.scene)


def _shared(asked: range, start: int) -> tuple[slice, slice]:
    """Which of the asked rows (or columns) a tile from `start` on holds: as a slice of those asked, and as one of the tile's own."""
    first = max(0, -(-(start - asked.start) // asked.step))
    last = min(len(asked), max(first, -(-(start + TILE_PX - asked.start) // asked.step)))
    at = asked.start + first * asked.step - start
    return slice(first, last), slice(at, at + (last - first - 1) * asked.step + 1 if last > first else at, asked.step)


def _place_on(scene: Scene, prediction: Prediction) -> Window:
    """The part of the scene that a prediction covers."""
    place = window_of(prediction)
    if scene.window.intersect(place) != place or (place.height, place.width) != (prediction.height, prediction.width):
        raise InputError(
            f"a prediction of {place.height} x {place.width} pixels (height x width) from row {place.row}, column {place.col} on",
            expected=f"one of {scene.name}, which has {scene.height} x {scene.width}",
            do="Choose the scene that was predicted, or predict this one",
        )
    return place
