"""Superpixels: patches of like pixels that one click fills, with borders where the image has edges."""

from __future__ import annotations

import threading
from collections import OrderedDict

import numpy as np
from rasterio.features import shapes

from core.errors import SettingsError
from core.scenes.display import display_rgb
from core.scenes.scene import Scene, Window

BLOCK_PX = 512
SIZES_PX = (8, 200)
"""Least and greatest side of a superpixel."""
_COMPACTNESS = 0.002
_KEPT = 24
Ring = list[list[float]]


class Superpixels:
    """Superpixels of a scene by blocks of 512 px, made when first asked for; safe to use from several threads.

    They are catchment basins of the gradient, flooded from a grid of markers; a little compactness keeps them of one size
    (Neubert and Protzel 2014: Compact watershed).
    """

    def __init__(self, scene: Scene):
        self.scene = scene
        self._lock, self._blocks = threading.Lock(), OrderedDict[tuple[int, int, int], np.ndarray]()

    def around(self, row: int, col: int, size_px: int) -> list[Ring]:
        """The outline of the superpixel at a pixel: rings of [column, row], the outer one first. Raises SettingsError outside the scene."""
        if not (0 <= row < self.scene.height and 0 <= col < self.scene.width):
            raise SettingsError(f"row {row}, column {col}", expected="a pixel of the scene", do="Point at the image")
        size = int(np.clip(size_px, *SIZES_PX))
        top, left = row // BLOCK_PX * BLOCK_PX, col // BLOCK_PX * BLOCK_PX
        ids = self._block(top, left, size)
        mine = ids == ids[row - top, col - left]
        found = [shape for shape, value in shapes(mine.astype(np.uint8), mask=mine) if value == 1]
        largest = max(found, key=lambda shape: len(shape["coordinates"][0]))
        return [[[float(x) + left, float(y) + top] for x, y in ring] for ring in largest["coordinates"]]

    def _block(self, top: int, left: int, size: int) -> np.ndarray:
        key = (top, left, size)
        with self._lock:
            known = self._blocks.get(key)
            if known is None:
                window = Window(top, left, BLOCK_PX, BLOCK_PX).intersect(self.scene.window)
                known = self._blocks[key] = superpixels(display_rgb(self.scene, window), size)
                while len(self._blocks) > _KEPT:
                    self._blocks.popitem(last=False)
            self._blocks.move_to_end(key)
            return known


def superpixels(rgb: np.ndarray, size_px: int) -> np.ndarray:
    """Superpixels about `size_px` wide of a picture uint8 (h, w, 3): int32 (h, w), each id one connected patch."""
    from skimage.color import rgb2lab
    from skimage.filters import gaussian, sobel
    from skimage.segmentation import watershed

    lab = gaussian(rgb2lab(rgb), sigma=max(0.7, size_px / 12), channel_axis=-1)
    edges = sum(sobel(lab[..., k]) for k in range(3)) / 100
    markers = np.zeros(rgb.shape[:2], np.int32)
    rows, cols = (_middles(length, size_px) for length in rgb.shape[:2])
    grid = np.stack(np.meshgrid(rows, cols, indexing="ij"), axis=-1).reshape(-1, 2)
    places = np.minimum(grid.astype(int), np.array(markers.shape) - 1)
    markers[places[:, 0], places[:, 1]] = np.arange(1, len(places) + 1)
    return watershed(edges, markers, compactness=_COMPACTNESS)


def _middles(length: int, size_px: int) -> np.ndarray:
    return np.linspace(0, length, max(1, round(length / size_px)) + 1)[:-1] + size_px / 2
