"""A mask of class ids as a GeoTIFF on its image's grid."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import rasterio

from core.classes import ClassScheme
from core.files import replacing
from core.geo import GeoRef

BAND_PIXELS = 1 << 22


def mask_type(scheme: ClassScheme) -> type[np.number]:
    """The smallest type that holds the ids of a scheme and its ignored one."""
    return np.uint8 if scheme.ignored_id <= 255 else np.uint16 if scheme.ignored_id <= 65535 else np.int32


def write_mask(
    path: str | os.PathLike, shape: tuple[int, int], scheme: ClassScheme, geo: GeoRef, ids_of_rows: Callable[[int, int], np.ndarray]
) -> Path:
    """Write class ids of height x width pixels, whole or absent; the scheme's ignored id is nodata, its colours the palette.

    `ids_of_rows(row, row_stop)` gives ids (h, w) of some rows at a time, so that memory is bounded by them.
    """
    path = Path(path)
    (height, width), dtype = shape, mask_type(scheme)
    placed: dict[str, Any] = {} if geo.crs is None else {"crs": geo.crs.to_wkt()}
    if placed or geo.unnamed:
        placed["transform"] = geo.transform
    profile = {"driver": "GTiff", "height": height, "width": width, "count": 1, "dtype": dtype, "compress": "deflate"}
    step = max(1, BAND_PIXELS // width)
    with (
        replacing(path, suffix=".tif") as temporary,
        rasterio.open(temporary, "w", nodata=scheme.ignored_id, **profile, **placed) as file,
    ):
        if dtype == np.uint8:
            file.write_colormap(1, {k: (*colour, 255) for k, colour in enumerate(scheme.colours)})
        for row in range(0, height, step):
            stop = min(row + step, height)
            file.write(ids_of_rows(row, stop).astype(dtype), 1, window=((row, stop), (0, width)))
    return path
