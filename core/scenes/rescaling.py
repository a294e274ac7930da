"""Scenes of 16 bits or of real numbers as files of 8 bits, for networks that were taught on such."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from rasterio.errors import NotGeoreferencedWarning

from core.files import replacing
from core.scenes.display import stretch_limits
from core.scenes.scene import Scene, windows_of

_SAMPLE_PX, _WINDOW_PX = 1024, 1024
_PERCENTILES = (1, 99)
_NO_DATA, _LEAST, _MOST = 0, 1, 255


def rescale_to_bytes(scene: Scene, path: Path) -> None:
    """Write a scene as a GeoTIFF of 8 bits: each band from 1 to 255 between two percentiles of its pixels, and 0 where it has none.

    The percentiles are those of a sample of at most 1024 x 1024 pixels; memory does not grow with the scene. Raises SceneError.
    """
    shape = (min(scene.height, _SAMPLE_PX), min(scene.width, _SAMPLE_PX))
    sample = scene.read(out_shape=shape, categorical=True)
    low, high = stretch_limits(sample, scene.valid(out_shape=shape), _PERCENTILES)
    profile: dict[str, Any] = {"height": scene.height, "width": scene.width, "count": scene.bands, "dtype": "uint8", "nodata": _NO_DATA}
    if scene.geo.situated:
        profile |= {"transform": scene.geo.transform, "crs": None if scene.geo.crs is None else scene.geo.crs.to_wkt()}
    with replacing(path) as temporary, warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(temporary, "w", driver="GTiff", tiled=True, compress="deflate", bigtiff="IF_SAFER", **profile) as file:
            file.descriptions = scene.band_names or (None,) * scene.bands
            for window in windows_of(scene.height, scene.width, _WINDOW_PX):
                pixels = scene.read(window).astype(np.float64)
                share = np.clip((pixels - low) / np.maximum(high - low, np.finfo(float).tiny), 0, 1)
                known = scene.valid(window) & np.isfinite(pixels).all(axis=2)
                levels = np.where(known[..., None], np.rint(_LEAST + np.nan_to_num(share) * (_MOST - _LEAST)), _NO_DATA)
                place = ((window.row, window.row_stop), (window.col, window.col_stop))
                file.write(levels.astype(np.uint8).transpose(2, 0, 1), window=place)
