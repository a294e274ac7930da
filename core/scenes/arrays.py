"""Arrays in memory as scenes, and what every reader does with pixels that it has read."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import rasterio
from rasterio.enums import Resampling
from rasterio.errors import NotGeoreferencedWarning

from core.scenes.scene import Window


@dataclass(frozen=True, eq=False)
class ArraySource:
    """Pixels of an array (h, w, bands) in memory."""

    array: np.ndarray
    nodata: float | None = None

    def read(self, window: Window, bands: Sequence[int], out_shape: tuple[int, int] | None, categorical: bool) -> np.ndarray:
        """Pixels (h, w, bands); see Scene.read."""
        pixels = self.array[window.slices][..., [band - 1 for band in bands]]
        return pixels.copy() if out_shape is None else resize_pixels(pixels, out_shape, categorical=categorical)

    def valid(self, window: Window, out_shape: tuple[int, int] | None) -> np.ndarray:
        """bool (h, w); see Scene.valid."""
        valid = valid_pixels(self.array[window.slices], self.nodata)
        if out_shape is None:
            return valid
        # Most images have no gaps, and GDAL would take as long for the answer as for the picture itself.
        return np.ones(out_shape, bool) if valid.all() else resize_pixels(valid[..., None], out_shape, categorical=True)[..., 0]

    def fingerprint(self) -> str:
        """Digest of the whole array."""
        return hashlib.sha256(np.ascontiguousarray(self.array).data).hexdigest()[:16]


def axes_of(shape: tuple[int, ...]) -> tuple[int, int, int, bool]:
    """Height, width and bands of an array (h, w), (h, w, bands) or (bands, h, w), and whether its bands come first: the shorter axis."""
    channels_first = len(shape) == 3 and shape[0] < shape[2] and shape[0] < shape[1]
    height, width, bands = (*shape, 1) if len(shape) == 2 else (*shape[1:], shape[0]) if channels_first else shape
    return height, width, bands, channels_first


def resize_pixels(pixels: np.ndarray, shape: tuple[int, int], *, categorical: bool) -> np.ndarray:
    """Resize (h, w, bands) to `shape` (h, w) through GDAL: area average, or nearest pixels when `categorical`."""
    if pixels.shape[:2] == tuple(shape):
        return pixels.copy()
    boolean = pixels.dtype == bool
    source = np.ascontiguousarray((pixels.astype(np.uint8) if boolean else pixels).transpose(2, 0, 1))
    with rasterio.MemoryFile() as memory:
        profile = dict(driver="GTiff", count=source.shape[0], height=source.shape[1], width=source.shape[2], dtype=source.dtype)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            with memory.open(**profile) as out:
                out.write(source)
            with memory.open() as dataset:
                resampling = Resampling.nearest if categorical else Resampling.average
                result = dataset.read(out_shape=(source.shape[0], *shape), resampling=resampling)
    result = result.transpose(1, 2, 0)
    return result.astype(bool) if boolean else np.ascontiguousarray(result)


def valid_pixels(pixels: np.ndarray, nodata: float | None) -> np.ndarray:
    """bool (h, w) of pixels (h, w, bands): False where every band is nodata or NaN."""
    valid = np.ones(pixels.shape[:2], bool)
    if np.issubdtype(pixels.dtype, np.floating):
        valid &= np.isfinite(pixels).any(axis=2)
    if nodata is not None and not np.isnan(nodata):
        valid &= (pixels != nodata).any(axis=2)
    return valid
