"""Images in HDF5 files: a data set of one, or one of a stack of them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from core.digests import file_digest
from core.errors import SceneError
from core.geo import GeoRef
from core.hdf5 import open_hdf5_file
from core.scenes.arrays import axes_of, resize_pixels, valid_pixels
from core.scenes.scene import Scene, Window

HDF5_IMAGE_NAMES = ("img", "image", "images", "x", "data")
"""What the image in an HDF5 file is called, the likeliest first."""


@dataclass(frozen=True)
class Hdf5Source:
    """Pixels of one data set of an HDF5 file; `index` picks one image of a stack, `channels_first` its axis order."""

    path: Path
    name: str
    index: int | None = None
    channels_first: bool = False

    def read(self, window: Window, bands: Sequence[int], out_shape: tuple[int, int] | None, categorical: bool) -> np.ndarray:
        """Pixels (h, w, bands); see Scene.read."""
        with open_hdf5_file(self.path, SceneError) as file:
            pixels = self._window(file[self.name], window)[..., [band - 1 for band in bands]]
        return pixels if out_shape is None else resize_pixels(pixels, out_shape, categorical=categorical)

    def _window(self, data: h5py.Dataset, window: Window) -> np.ndarray:
        rows, cols = window.slices
        lead = () if self.index is None else (self.index,)
        if data.ndim - len(lead) == 2:
            return data[(*lead, rows, cols)][..., None]
        if self.channels_first:
            return data[(*lead, slice(None), rows, cols)].transpose(1, 2, 0)
        return data[(*lead, rows, cols, slice(None))]

    def valid(self, window: Window, out_shape: tuple[int, int] | None) -> np.ndarray:
        """bool (h, w); see Scene.valid."""
        with open_hdf5_file(self.path, SceneError) as file:
            valid = valid_pixels(self._window(file[self.name], window), None)
        return valid if out_shape is None else resize_pixels(valid[..., None], out_shape, categorical=True)[..., 0]

    def fingerprint(self) -> str:
        """Digest of size, time and sampled bytes of the file, and of the place in it."""
        return hashlib.sha256(f"{file_digest(self.path)}:{self.name}:{self.index}".encode()).hexdigest()[:16]


def open_hdf5(path: Path, *, name: str | None = None, index: int | None = None) -> Scene:
    """A scene over a data set of an HDF5 file: the named one, else one called img or image, else the largest.

    A stack (images, h, w, bands) opens at `index`, 0 by default. The channel axis is the shorter of first and last.
    Raises SceneError when the file holds no image.
    """
    try:
        with open_hdf5_file(path, SceneError) as file:
            name = name or _image_name(file, path)
            if name not in file:
                raise SceneError(f"no data set {name!r} in {path.name}", expected=f"one of {_data_sets(file)}", do="Choose one of them")
            shape, dtype = file[name].shape, str(file[name].dtype)
    except OSError as error:
        raise SceneError(f"{path.name} is no HDF5 file ({error})", expected="an HDF5 file with an image", do="Check the file") from error
    stack = len(shape) == 4
    if stack:
        index, shape = index or 0, shape[1:]
    height, width, bands, channels_first = axes_of(shape)
    return Scene(
        path=path,
        name=path.stem if not stack else f"{path.stem}_{index:05d}",
        height=height,
        width=width,
        bands=bands,
        dtype=dtype,
        geo=GeoRef.pixels(),
        nodata=None,
        source=Hdf5Source(path, name, index if stack else None, channels_first),
    )


def _data_sets(file: h5py.File) -> list[str]:
    names: list[str] = []
    file.visititems(lambda name, item: names.append(name) if isinstance(item, h5py.Dataset) and item.ndim in (2, 3, 4) else None)
    return names


def _image_name(file: h5py.File, path: Path) -> str:
    names = _data_sets(file)
    if not names:
        raise SceneError(f"no data set with rows and columns in {path.name}", expected="an image (h, w, bands)", do="Check the file")
    for wanted in HDF5_IMAGE_NAMES:
        for name in names:
            if name.split("/")[-1].lower() == wanted:
                return name
    return max(names, key=lambda name: file[name].size)
