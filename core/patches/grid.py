"""Where patches lie in a scene, and slabs of rows to read them from with bounded memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import rasterio

from core.classes import IGNORED_ID, ClassScheme
from core.datasets.pairs import Pair
from core.scenes.resampling import Taps, resize_image, resize_labels, resize_valid, scaled_length, taps
from core.scenes.scene import Window

SLAB_BYTES = 48 * 2**20
"""Upper bound for the pixels of one slab of rows at full size, as long as one row of patches fits in it."""
GDAL_CACHE_BYTES = 64 * 2**20


@contextmanager
def small_gdal_cache() -> Iterator[None]:
    """Hold GDAL's cache of decoded blocks small: by itself it grows to a twentieth of the machine's memory.

    The number is in bytes: through rasterio, 64 would not mean MiB but a cache that holds nothing."""
    with rasterio.Env(GDAL_CACHEMAX=GDAL_CACHE_BYTES):
        yield


def positions(length: int, patch_size: int, stride: int, rim: str = "fill") -> list[int]:
    """First pixels of the patches along a side.

    Every `stride` pixels; where that leaves pixels over, one more patch that ends at the last pixel. A side shorter
    than a patch has one patch at 0, which is filled up by reflection. With a `rim` of "crop" there are neither of these:
    what is left over is cut off, as patchify does.
    """
    if length <= patch_size and rim != "crop":
        return [0]
    starts = list(range(0, length - patch_size + 1, stride))
    if rim != "crop" and starts[-1] + patch_size < length:
        starts.append(length - patch_size)
    return starts


def count_positions(shapes: Iterable[tuple[int, int]], patch_size: int, stride: int, rim: str = "fill") -> int:
    """Patches of a grid over scenes of these (height, width), kept or not."""
    return sum(len(positions(height, patch_size, stride, rim)) * len(positions(width, patch_size, stride, rim)) for height, width in shapes)


def scaled_shape(pair: Pair, scale: float) -> tuple[int, int]:
    """(height, width) of a pair's scene after resizing by `scale`."""
    height, width = pair.shape
    return scaled_length(height, scale), scaled_length(width, scale)


@dataclass(frozen=True)
class ScaledPair:
    """A pair as if it had been resized by `scale`, read in bands of full rows."""

    pair: Pair
    scheme: ClassScheme
    scale: float = 1.0
    bands: tuple[int, ...] | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width) after resizing."""
        return scaled_shape(self.pair, self.scale)

    def labels(self, start: int, stop: int) -> np.ndarray:
        """Class ids uint8 (stop - start, width) of the resized rows; 255 where nothing is labelled or the image has nodata."""
        window, weights = self._source(start, stop)
        ids = self.pair.labels(self.scheme, window)
        valid = self.pair.image.valid(window)
        if not valid.all():
            ids = np.where(valid, ids, np.uint8(IGNORED_ID))
        return ids if weights is None else resize_labels(ids, *weights)

    def image(self, start: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
        """Pixels (stop - start, width, bands) of the native dtype, and bool (stop - start, width): False on nodata.

        Pixels that are no number become 0.
        """
        window, weights = self._source(start, stop)
        pixels = self.pair.image.read(window, self.bands)
        valid = self.pair.image.valid(window)
        if np.issubdtype(pixels.dtype, np.floating):
            valid = valid & np.isfinite(pixels).all(axis=2)
            if not valid.all():
                pixels = np.nan_to_num(pixels, nan=0.0, posinf=0.0, neginf=0.0)
        if weights is None:
            return pixels, valid
        return resize_image(pixels, *weights, valid=valid), resize_valid(valid, *weights)

    def _source(self, start: int, stop: int) -> tuple[Window, tuple[Taps, Taps] | None]:
        height, width = self.pair.shape
        out_height, out_width = self.shape
        if (height, width) == (out_height, out_width):
            return Window(start, 0, stop - start, width), None
        rows = taps(height, out_height)
        first, last = rows.needed(start, stop)
        return Window(first, 0, last - first, width), (rows.part(start, stop), taps(width, out_width))


@dataclass(frozen=True)
class Slab:
    """Rows start..stop of a scene, and the rows at which patches inside it begin."""

    start: int
    stop: int
    patch_rows: tuple[int, ...]


def slabs(shape: tuple[int, int], patch_size: int, stride: int, *, bytes_per_pixel: int, rim: str = "fill") -> Iterator[Slab]:
    """Cut a scene into slabs of rows that hold whole rows of patches and at most SLAB_BYTES where that is possible."""
    height, width = shape
    if not positions(width, patch_size, stride, rim):
        return
    most_rows = max(patch_size, SLAB_BYTES // max(1, width * bytes_per_pixel))
    rows: list[int] = []
    for row in positions(height, patch_size, stride, rim):
        if rows and row + patch_size - rows[0] > most_rows:
            yield Slab(rows[0], min(height, rows[-1] + patch_size), tuple(rows))
            rows = []
        rows.append(row)
    if rows:
        yield Slab(rows[0], min(height, rows[-1] + patch_size), tuple(rows))


def pad_image(pixels: np.ndarray, size: int) -> np.ndarray:
    """Pixels (h, w, bands) filled up below and to the right to `size` by reflection, as often as it takes."""
    return _pad(pixels, size, mode="symmetric")


def pad_labels(ids: np.ndarray, size: int) -> np.ndarray:
    """Class ids (h, w) filled up below and to the right to `size` with 255: what was made up is not labelled."""
    return _pad(ids, size, constant_values=IGNORED_ID)


def _pad(pixels: np.ndarray, size: int, **how: Any) -> np.ndarray:
    rows, cols = max(0, size - pixels.shape[0]), max(0, size - pixels.shape[1])
    if rows == 0 and cols == 0:
        return pixels
    widths = ((0, rows), (0, cols)) + ((0, 0),) * (pixels.ndim - 2)
    return np.pad(pixels, widths, **how)


def class_counts(ids: np.ndarray, classes: int) -> np.ndarray:
    """Pixels of each class, int64 (classes + 1,); the last counts what is not labelled."""
    counts = np.bincount(ids.ravel(), minlength=256)
    return np.append(counts[:classes], ids.size - counts[:classes].sum()).astype(np.int64)
