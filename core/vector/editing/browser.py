"""What a map in a browser draws of a layer, as GeoJSON in the map's coordinates, and how that differs from what it drew before."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import shapely

from core.vector.editing.displayed import on_map
from core.vector.filtering import MEASURE_DIGITS

if TYPE_CHECKING:  # geopandas takes seconds to load: only when it is needed
    import geopandas as gpd

    from core.vector.layer import LineLayer, PolygonLayer

MAX_POLYGONS = 15_000
"""Polygons beyond this many, the smallest, are drawn as tiles of the class raster: canvas maps stay smooth up to here."""


def browser_geojson(layer: PolygonLayer, *, id_offset: int = 0) -> dict[str, Any]:
    """The largest polygons as GeoJSON for the map: WGS84 with 7 decimals (1 cm), or pixels where there is no CRS.

    `id_offset` is added to their class ids.
    """
    return {"type": "FeatureCollection", "features": _features(_largest(layer), layer, id_offset)}


def browser_changes(before: PolygonLayer, after: PolygonLayer) -> dict[str, Any]:
    """How `browser_geojson` of a layer differs from that of the one before: the ids that are `gone`, and `features` that are new or not
    as they were."""
    old, new = _largest(before), _largest(after)
    if old.empty:
        return {"gone": [], "features": _features(new, after)}
    row = old.set_index("id").index.get_indexer(new["id"])
    there = old.iloc[row]  # -1 is some row, and never counts as the same
    same = (row >= 0) & shapely.equals_exact(there.geometry.to_numpy(), new.geometry.to_numpy())
    for column in _columns(after).keys() & new.columns:
        one, other = there[column].to_numpy(), new[column].to_numpy()
        same &= (one == other) | ((one != one) & (other != other))
    gone = old["id"][~old["id"].isin(new["id"])]
    return {"gone": gone.tolist(), "features": _features(new[~same], after)}


def browser_lines(lines: LineLayer) -> dict[str, Any]:
    """Centre lines as GeoJSON for the map, as `browser_geojson` has it."""
    shapes = shapely.to_geojson(on_map(lines.frame.geometry.to_numpy(), lines.geo))
    return {"type": "FeatureCollection", "features": [{"type": "Feature", "properties": {}, "geometry": json.loads(s)} for s in shapes]}


def _largest(layer: PolygonLayer) -> gpd.GeoDataFrame:
    return layer.frame.sort_values(layer.area_column, ascending=False, kind="stable").head(MAX_POLYGONS)


def _columns(layer: PolygonLayer) -> dict[str, str]:
    """The columns that the map knows, and what it calls them."""
    unit = layer.units
    return {
        "id": "id",
        "class_id": "class_id",
        layer.area_column: "area",
        f"length_{unit}": "length",
        f"width_{unit}": "width",
        f"perimeter_{unit}": "perimeter",
        "compactness": "compactness",
        "mean_confidence": "confidence",
        "on_edge": "on_edge",
    }


def _features(frame: gpd.GeoDataFrame, layer: PolygonLayer, id_offset: int = 0) -> list[dict[str, Any]]:
    shapes = shapely.to_geojson(on_map(frame.geometry.to_numpy(), layer.geo))
    kept = {new: frame[old].tolist() for old, new in _columns(layer).items() if old in frame.columns}
    kept["class_id"] = [class_id + id_offset for class_id in kept["class_id"]]
    features = []
    for index, shape in enumerate(shapes):
        properties = {name: _plain(values[index]) for name, values in kept.items()}
        features.append({"type": "Feature", "properties": properties, "geometry": json.loads(shape)})
    return features


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return None if value != value else round(value, MEASURE_DIGITS)
    return value
