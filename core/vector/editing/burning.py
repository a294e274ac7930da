"""The corrected layer as a mask to train on."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import shapely

from core.datasets.masks.writing import mask_type, write_mask
from core.errors import SettingsError
from core.vector.editing.applying import apply
from core.vector.editing.log import Corrections
from core.vector.layer import PolygonLayer


def burn(layer: PolygonLayer, corrections: Corrections, path: str | os.PathLike, *, base: Any = None) -> Path:
    """Write the corrected class ids as a GeoTIFF on the scene's grid, to train on; nodata is the scheme's ignored id.

    base: the labels that the layer was traced from, as `vectorize` takes them: only what was corrected is painted over them, and
    everything else stays to the pixel. Without it all polygons are painted; a pixel belongs to the polygon that holds its centre.
    Raises SettingsError as `apply` does, and for a base of another size.
    """
    from core.vector.tracing.sources import open_labels

    fresh = apply(layer, corrections)
    height, width, ignored = int(layer.made["height"]), int(layer.made["width"]), layer.scheme.ignored_id
    labels = None if base is None else open_labels(base, scheme=layer.scheme)
    if labels is not None and (labels.height, labels.width) != (height, width):
        raise SettingsError(
            f"labels of {labels.height} x {labels.width} pixels", expected=f"{height} x {width}, as the layer", do="Give the layer's own"
        )
    if labels is None:
        shapes, ids = fresh.frame.geometry.to_numpy(), fresh.frame["class_id"].to_numpy()
    else:
        # What was deleted is painted first, so that a hole stays where no polygon has taken it in.
        gone = layer.frame[~layer.frame["id"].isin(fresh.frame["id"])]
        kept = fresh.frame[fresh.frame["corrected"]]
        shapes = np.concatenate([gone.geometry.to_numpy(), kept.geometry.to_numpy()])
        ids = np.concatenate([np.full(len(gone), ignored), kept["class_id"].to_numpy()])
    dtype = mask_type(layer.scheme)

    def rows(row: int, stop: int) -> np.ndarray:
        under = np.full((stop - row, width), ignored, dtype) if labels is None else labels.rows(row, stop).astype(dtype)
        return painted(shapes, ids, layer, row, under)

    return write_mask(path, (height, width), layer.scheme, layer.geo, rows)


def painted(shapes: np.ndarray, ids: np.ndarray, layer: PolygonLayer, row: int, under: np.ndarray) -> np.ndarray:
    """Class ids (h, w) of the scene's rows from `row` on: `under` with the polygons (n,) of classes `ids` (n,) painted over it."""
    from rasterio.features import rasterize

    height, width = under.shape
    transform = layer.geo.window(row, 0).transform
    corners = np.array([transform * point for point in ((0, 0), (width, 0), (width, height), (0, height))])
    hit = np.flatnonzero(shapely.intersects(shapely.polygons(corners), shapes)) if len(shapes) else np.empty(0, int)
    if hit.size == 0:
        return under
    pairs = zip(shapes[hit].tolist(), np.asarray(ids)[hit].tolist(), strict=True)
    return rasterize(pairs, out=under.copy(), transform=transform, dtype=under.dtype)
