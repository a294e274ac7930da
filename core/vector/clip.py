"""The part of a layer inside a region, and the sums of each class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from core.errors import SettingsError
from core.projecting import LONLAT, moved
from core.vector.layer import PolygonLayer
from core.vector.tracing.attributes import remeasured

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

SPACES = ("map", "pixels", "layer")
_SIDE_PARTS = 64


def clip(layer: PolygonLayer, region: Mapping[str, Any] | Sequence[float] | BaseGeometry, *, space: str = "map") -> PolygonLayer:
    """Cut a layer to a region, with the measures of what is left.

    region: GeoJSON (a geometry, a feature or a collection of polygons), a Shapely polygon, or (west, south, east, north). space: "map",
    longitude and latitude for a layer on the earth and its own x and y for any other; "pixels", (column, row) of the scene, rows going
    down; "layer", the layer's own coordinates. A polygon that falls into parts keeps its id for the largest, and the others follow the
    last id. Confidence stays that of the whole polygon; on_edge also marks what the region has cut. Raises SettingsError for anything
    that is no area.
    """
    area = region_in_layer(layer, region, space=space)
    frame = layer.frame
    shapes = frame.geometry.to_numpy()
    shapely.prepare(area)
    touched = np.flatnonzero(shapely.intersects(area, shapes))
    whole = shapely.contains_properly(area, shapes[touched])
    pieces = shapes[touched].copy()
    pieces[~whole] = shapely.intersection(shapes[touched[~whole]], area)
    parts, owner = shapely.get_parts(pieces, return_index=True)
    parts, inner = shapely.get_parts(parts, return_index=True)  # polygons of collections that also hold touching points and sides
    owner = owner[inner]
    solid = (shapely.get_type_id(parts) == shapely.GeometryType.POLYGON) & (shapely.area(parts) > 0)
    parts, owner = parts[solid], owner[solid]
    order = np.lexsort((-shapely.area(parts), owner))
    parts, owner = parts[order], owner[order]
    first = np.r_[True, owner[1:] != owner[:-1]][: owner.size]
    cut = frame.iloc[touched[owner]].reset_index(drop=True).set_geometry(gpd.GeoSeries(parts, crs=layer.frame.crs))
    ids = cut["id"].to_numpy().copy()
    ids[~first] = np.arange(int((~first).sum())) + (int(frame["id"].max()) + 1 if len(frame) else 1)
    cut["id"] = ids
    cut["on_edge"] = cut["on_edge"].to_numpy(bool) | ~whole[owner]
    return remeasured(replace(layer, frame=cut, made={**layer.made, "clipped_to": shapely.to_wkt(area, rounding_precision=6)}))


def region_in_layer(layer: PolygonLayer, region: Any, *, space: str = "map") -> BaseGeometry:
    """A region as `clip` takes it, as a valid Shapely area in the layer's coordinates. Raises SettingsError for anything else."""
    if space not in SPACES:
        raise SettingsError(f"space {space!r}", expected=f"one of {', '.join(SPACES)}", do="Name the coordinates of the region")
    area = _shape(region)
    if space == "pixels":
        return shapely.transform(area, lambda xy: np.column_stack(layer.geo.transform * (xy[:, 0], xy[:, 1])))
    if space == "map" and layer.geo.georeferenced:
        # Sides of a region that was drawn on the map stay straight on the map, so they get points before they are moved.
        size = max(area.bounds[2] - area.bounds[0], area.bounds[3] - area.bounds[1])
        area = moved(np.array([shapely.segmentize(area, size / _SIDE_PARTS)], object), LONLAT, layer.geo.crs)[0]
        if not np.isfinite(area.bounds).all():
            found = "a region outside of the layer's CRS"
            raise SettingsError(found, expected=f"a place where {layer.geo.crs.name} holds", do="Draw it again")
    return area


def _shape(region: Any) -> BaseGeometry:
    """Shapely area of GeoJSON, a box, or an area; made valid where a drawn outline crosses itself."""
    wrong = SettingsError("a region that is no area", expected="a polygon, or west, south, east, north", do="Draw the region again")
    if isinstance(region, Mapping):
        if region.get("type") == "FeatureCollection":
            region = shapely.union_all([_shape(feature) for feature in region.get("features", ())])
        elif region.get("type") == "Feature":
            return _shape(region.get("geometry") or {})
        else:
            try:
                region = shapely.geometry.shape(region)
            except (KeyError, TypeError, ValueError, AttributeError, IndexError, shapely.errors.ShapelyError) as error:
                raise wrong from error
    elif not hasattr(region, "geom_type"):
        try:
            west, south, east, north = (float(number) for number in region)
        except (TypeError, ValueError) as error:
            raise wrong from error
        region = shapely.box(west, south, east, north)
    if "Polygon" in region.geom_type:
        region = shapely.make_valid(region, method="structure", keep_collapsed=False)
    if region.is_empty or "Polygon" not in region.geom_type or not np.isfinite(region.bounds).all() or region.area == 0:
        raise wrong
    return region


def mean_confidence(layer: PolygonLayer) -> float:
    """Mean confidence of a layer, 0 to 1: of its area, not of its polygons, as `class_sums` has it of each class; NaN when not known."""
    area, sure = (layer.frame[name].to_numpy(float) for name in (layer.area_column, "mean_confidence"))
    known = np.isfinite(area) & np.isfinite(sure)
    return float(np.average(sure[known], weights=area[known])) if area[known].sum() > 0 else float("nan")


def class_sums(layer: PolygonLayer) -> pd.DataFrame:
    """One row for each class that is present, largest first: class_id, class_name, colour, polygons, area (m2 or px), share (0 to 1) of all
    polygons, mean_confidence (weighted by area, NaN when not known)."""
    frame, area = layer.frame, layer.frame[layer.area_column].to_numpy(float)
    table = pd.DataFrame({"class_id": frame["class_id"].to_numpy(), "area": area, "sure": area * frame["mean_confidence"].to_numpy(float)})
    known = table["area"].where(table["sure"].notna())
    sums = (
        table.assign(known=known)
        .groupby("class_id")
        .agg(polygons=("area", "size"), area=("area", "sum"), sure=("sure", "sum"), known=("known", "sum"))
        .reset_index()
    )
    sums.insert(1, "class_name", [layer.scheme.names[k] for k in sums["class_id"]])
    sums.insert(2, "colour", [layer.scheme.hex(k) for k in sums["class_id"]])
    sums["share"] = sums["area"] / max(float(area.sum()), 1e-300)
    sums["mean_confidence"] = sums["sure"] / sums["known"].where(sums["known"] > 0)
    return sums.drop(columns=["sure", "known"]).sort_values("area", ascending=False, ignore_index=True)
