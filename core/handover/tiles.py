"""Polygons as vector tiles in one file (PMTiles): what a web map draws, however many there are."""

from __future__ import annotations

import math
import warnings
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio
import shapely

from core.projecting import LONLAT
from core.vector.formats.content import Content, content_of
from core.vector.layer import PolygonLayer

TILES_LAYER = "polygons"
_ROUND_M, _TILE_UNITS = 40075016.686, 4096
"""Length of the equator, and the steps into which a tile is divided."""
_DEEPEST, _MOST_LEVELS = 20, 6
_MOST_BYTES, _MOST_FEATURES = 50_000_000, 5_000_000
"""What a tile may hold at most: enough for none to lose polygons."""


def write_tiles(layer: PolygonLayer, path: Path) -> int:
    """Write the polygons of a layer on the earth, and return how many of them the finest tiles hold.

    Fields: id, class_id, and area, length, width and confidence rounded as people read them. The coarsest level has the whole layer in
    about one tile, the finest one keeps half a pixel.
    """
    content = content_of(layer, ".geojson", crs=LONLAT, lonlat=True)
    low, high = levels(content, layer)
    fields = content.fields
    unit = layer.units
    columns = {"id": fields["id"], "class_id": fields["class_id"], "area": fields[layer.area_column].round(1)}
    columns |= {name: fields[f"{name}_{unit}"].round(1) for name in ("length", "width")}
    columns["confidence"] = (100 * fields["mean_confidence"].astype(float)).round()
    frame = gpd.GeoDataFrame(pd.DataFrame(columns), geometry=content.geometry, crs=content.crs)
    options = {"MINZOOM": low, "MAXZOOM": high, "MAX_SIZE": _MOST_BYTES, "MAX_FEATURES": _MOST_FEATURES, "EXTENT": _TILE_UNITS}
    how = {name: str(value) for name, value in options.items()}
    with warnings.catch_warnings():
        # At coarse levels small polygons shrink to nothing, and GDAL says so of each.
        warnings.simplefilter("ignore", RuntimeWarning)
        pyogrio.write_dataframe(frame, path, driver="PMTiles", layer=TILES_LAYER, dataset_options={**how, "NAME": path.stem})
    held = pyogrio.read_dataframe(path, layer=TILES_LAYER, columns=["id"], read_geometry=False)["id"]
    return int(held.nunique())


def levels(content: Content, layer: PolygonLayer) -> tuple[int, int]:
    """The coarsest and the finest zoom level of content in degrees; at most `_MOST_LEVELS` of them."""
    west, south, east, north = shapely.total_bounds(content.geometry)
    shrunk = max(math.cos(math.radians((south + north) / 2)), 0.01)
    round_m = _ROUND_M * shrunk
    reach_m = max((east - west) / 360 * round_m, (north - south) / 360 * _ROUND_M, 1e-3)
    pixel = layer.geo.pixel_size(layer.made["height"] / 2, layer.made["width"] / 2)
    side = reach_m / _TILE_UNITS
    if pixel is not None and np.isfinite(pixel).all() and min(pixel) > 0:
        side = min(pixel)
        # What is cut at the antimeridian reaches round the earth in degrees only.
        reach_m = min(reach_m, max(layer.made["height"] * pixel[0], layer.made["width"] * pixel[1]))
    low = math.floor(math.log2(round_m / reach_m))
    high = math.ceil(math.log2(round_m / (_TILE_UNITS * side / 2)))
    low = min(max(low, 0), _DEEPEST)
    return low, min(max(high, low), _DEEPEST, low + _MOST_LEVELS - 1)
