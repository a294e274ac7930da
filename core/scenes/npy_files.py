"""Arrays that NumPy saved (.npy): one image, or a stack of them, read through a memory map."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core.digests import file_digest
from core.errors import SceneError
from core.geo import GeoRef
from core.scenes.arrays import axes_of, resize_pixels, valid_pixels
from core.scenes.scene import Scene, Window


@dataclass(frozen=True)
class NpySource:
    """Pixels of an array (h, w), (h, w, bands) or (bands, h, w) in a file; `index` picks one of a stack of them."""

    path: Path
    index: int | None = None
    channels_first: bool = False

    def read(self, window: Window, bands: Sequence[int], out_shape: tuple[int, int] | None, categorical: bool) -> np.ndarray:
        """Pixels (h, w, bands); see Scene.read."""
        pixels = self._window(window)[..., [band - 1 for band in bands]]
        return pixels if out_shape is None else resize_pixels(pixels, out_shape, categorical=categorical)

    def valid(self, window: Window, out_shape: tuple[int, int] | None) -> np.ndarray:
        """bool (h, w); see Scene.valid."""
        valid = valid_pixels(self._window(window), None)
        return valid if out_shape is None else resize_pixels(valid[..., None], out_shape, categorical=True)[..., 0]

    def fingerprint(self) -> str:
        """Digest of size, time and sampled bytes of the file, and of the place in it."""
        return hashlib.sha256(f"{file_digest(self.path)}:{self.index}".encode()).hexdigest()[:16]

    def _window(self, window: Window) -> np.ndarray:
        array = _mapped(self.path)
        array = array if self.index is None else array[self.index]
        if array.ndim == 2:
            pixels = array[window.slices][..., None]
        else:
            pixels = array[(slice(None), *window.slices)].transpose(1, 2, 0) if self.channels_first else array[window.slices]
        return np.array(pixels).astype(pixels.dtype.newbyteorder("="), copy=False)


def npy_shape(path: Path) -> tuple[int, ...]:
    """The shape of the array in a file. Raises SceneError when it holds none that can be an image."""
    return _mapped(path).shape


def open_npy(path: Path, *, index: int | None = None) -> Scene:
    """A scene over an array file; a stack (images, h, w, bands) opens at `index`, 0 by default. With an index, (images, h, w) is one too.

    The channel axis is the shorter of first and last. Raises SceneError when the file holds no image.
    """
    array = _mapped(path)
    shape = array.shape
    if len(shape) == 4 or index is not None:
        index, shape = index or 0, shape[1:]
    height, width, bands, channels_first = axes_of(shape)
    return Scene(
        path=path,
        name=path.stem if index is None else f"{path.stem}_{index:05d}",
        height=height,
        width=width,
        bands=bands,
        dtype="uint8" if array.dtype == bool else str(array.dtype.newbyteorder("=")),
        geo=GeoRef.pixels(),
        nodata=None,
        source=NpySource(path, index, channels_first),
    )


def _mapped(path: Path) -> np.ndarray:
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception as error:  # its heading is read as Python source, which fails in a dozen ways
        raise SceneError(
            f"{path.name} is no array of numbers ({error})", expected="an array that numpy.save wrote", do="Save the array of pixels alone"
        ) from error
    if not isinstance(array, np.ndarray) or array.ndim not in (2, 3, 4) or array.size == 0 or array.dtype.kind not in "buif":
        found = f"of shape {array.shape} and {array.dtype}" if isinstance(array, np.ndarray) else "in an archive"
        raise SceneError(
            f"{path.name} holds an array {found}",
            expected="numbers (h, w), (h, w, bands) or (images, h, w, bands)",
            do="Save the pixels alone",
        )
    return array.view(np.uint8) if array.dtype == bool else array
