"""Opening a scene: from a path of any kind, or over an array in memory."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np

from core.errors import SceneError
from core.geo import GeoRef
from core.reading.addresses import is_address
from core.reading.readable import refuse_no_scene, refusing
from core.scenes.image_names import ARRAY_SUFFIXES, HDF5_SUFFIXES
from core.scenes.remote.links import is_link, link_of, read_link
from core.scenes.scene import Scene


def open_scene(path: str | os.PathLike, *, expand_palette: bool = True, hdf5_name: str | None = None, alpha: str = "") -> Scene:
    """Open any raster that GDAL opens, an HDF5 image, or a folder of chips that continue each other or are one file for each band.

    A text that is an address (https://, s3://) opens a picture on another machine, which is fetched first where it cannot be read in parts.

    `expand_palette=False` keeps the indices of a palette image (for masks). `hdf5_name` names the data set to read in
    an HDF5 file; the one that looks like an image otherwise. `alpha` as for `open_raster`. Raises SceneError when it is none of these.
    """
    if isinstance(path, str) and is_address(path):
        path = link_of(path)
        from core.scenes.remote.whole import arrive

        arrive(path)
    with refusing(Path(path).name, SceneError, "a whole file"):
        return _open(path, expand_palette=expand_palette, hdf5_name=hdf5_name, alpha=alpha)


def _open(path: str | os.PathLike, *, expand_palette: bool, hdf5_name: str | None, alpha: str) -> Scene:
    from core.scenes import rasters  # GDAL comes in with the first raster, not with the first page or `--help`

    path = Path(path)
    if is_link(path) and path.exists() and (whole := read_link(path).whole) is not None:
        return replace(_open(whole, expand_palette=expand_palette, hdf5_name=hdf5_name, alpha=alpha), path=path)
    refuse_no_scene(path)
    if path.is_dir():
        from core.scenes.band_files import band_stacks, write_stack
        from core.scenes.mosaic import chip_paths, open_mosaic

        chips = chip_paths(path)
        stacks = list(band_stacks(((), chip.stem, chip) for chip in chips).values())
        if len(stacks) == 1 and len(stacks[0]) >= len(chips) / 2:
            return rasters.open_raster(write_stack(stacks[0]), expand_palette=False)
        return open_mosaic(path)
    if path.suffix.lower() in HDF5_SUFFIXES:
        from core.scenes.hdf5_files import open_hdf5

        return open_hdf5(path, name=hdf5_name)
    if path.suffix.lower() in ARRAY_SUFFIXES:
        from core.scenes.npy_files import open_npy

        return open_npy(path)
    return rasters.open_raster(path, expand_palette=expand_palette, alpha=alpha)


def scene_of_array(array: np.ndarray, *, geo: GeoRef | None = None, nodata: float | None = None, name: str = "array") -> Scene:
    """A scene over an array (h, w) or (h, w, bands) in memory."""
    from core.scenes.arrays import ArraySource

    array = array[..., None] if array.ndim == 2 else array
    return Scene(
        path=Path(name),
        name=name,
        height=array.shape[0],
        width=array.shape[1],
        bands=array.shape[2],
        dtype=str(array.dtype),
        geo=geo or GeoRef.pixels(),
        nodata=nodata,
        source=ArraySource(array, nodata),
    )
