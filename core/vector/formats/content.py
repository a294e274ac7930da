"""What a file of a layer should hold: fields, geometry, CRS and the words about them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
import shapely
from pyproj import CRS

from core.classes import ClassScheme
from core.errors import ExportError
from core.geo import PIXELS, UNNAMED
from core.projecting import LONLAT, moved, within_180
from core.vector.layer import LineLayer, PolygonLayer

LONLAT_DECIMALS = 9
"""Decimals of a degree in GeoJSON and KML: a tenth of a millimetre."""

DESCRIPTIONS = {
    "id": "number of the polygon in this layer, from 1",
    "class_id": "number of the class",
    "class_name": "name of the class",
    "area_m2": "area in square metres",
    "area_px": "area in pixels",
    "perimeter_m": "length of all borders in metres, holes included",
    "perimeter_px": "length of all borders in pixels, holes included",
    "length_m": "long side in metres",
    "length_px": "long side in pixels",
    "width_m": "short side in metres",
    "width_px": "short side in pixels",
    "compactness": "4 pi area / perimeter squared: 1 for a disc, near 0 for a thread",
    "centroid_x": "x of the centre of mass, in the coordinates of this file",
    "centroid_y": "y of the centre of mass, in the coordinates of this file",
    "mean_confidence": "mean confidence of the model over the polygon's pixels, 0 to 1",
    "confidence_p10": "10th percentile of the confidence over the polygon's pixels, 0 to 1",
    "mean_margin": "mean of the largest probability minus the second one over the polygon's pixels, 0 to 1",
    "second_class": "name of the class with the second largest mean probability",
    "distance_m": "distance in metres to the nearest polygon of the class that was asked for",
    "distance_px": "distance in pixels to the nearest polygon of the class that was asked for",
    "corrected": "whether the polygon was corrected by hand",
    "from_class": "class in the first result",
    "to_class": "class in the second result",
    "on_edge": "whether the polygon touches the rim of the scene",
}

LINE_DESCRIPTIONS = {
    "id": "number of the line in this layer, from 1",
    "length_m": "length of the line in metres",
    "length_px": "length of the line in pixels",
    "width_m": "mean width in metres of the area around the line",
    "width_px": "mean width in pixels of the area around the line",
    "from_node": "number of the node where the line begins; lines that meet share it",
    "to_node": "number of the node where the line ends",
}

MAY_BE_UNKNOWN = (
    "mean_confidence",
    "confidence_p10",
    "mean_margin",
    "distance_m",
    "distance_px",
    "area_m2",
    "perimeter_m",
    "length_m",
    "width_m",
    "compactness",
)
"""Fields of numbers that can be missing."""

SHORT_NAMES = {
    "perimeter_m": "perim_m",
    "perimeter_px": "perim_px",
    "compactness": "compact",
    "mean_confidence": "mean_conf",
    "confidence_p10": "conf_p10",
    "mean_margin": "margin",
    "second_class": "second",
    "distance_px": "dist_px",
}
"""Names of fields that are longer than the ten letters of a Shapefile."""

LONG_NAMES = {short: name for name, short in SHORT_NAMES.items()}

SIGNIFICANT_DIGITS = 7
"""Digits that sizes keep in files: a tenth of a millionth of them, below what any tracing knows."""
SIZE_DECIMALS, SHARE_DECIMALS, PLACE_DECIMALS = 3, 4, 3
"""Decimals that sizes (metres, square metres, pixels), shares (0 to 1) and places keep in files at most; places in degrees keep
`LONLAT_DECIMALS`."""
_SIZES = ("area_", "perimeter_", "length_", "width_", "distance_")
_SHARES = ("mean_", "confidence_", "compactness")
_PLACES = ("centroid_x", "centroid_y")

_ON_WEB_MAP = ("area_", "length_", "width_", "mean_", "distance_")
"""Fields of a web map beside id and class, by the beginning of their names."""


@dataclass(frozen=True)
class Content:
    """Fields (a DataFrame), shapely geometries (n,), and the CRS or None. precision: the rounding step of coordinates, None for none.

    lines: whether the geometries are lines, not polygons. unnamed: whether coordinates without CRS are those of a transform, not pixels.
    made and scheme are what the layer says of itself; both are empty for content that was read from a file.
    """

    fields: pd.DataFrame
    geometry: np.ndarray
    crs: CRS | None
    precision: float | None = None
    made: dict[str, Any] = field(default_factory=dict)
    scheme: ClassScheme | None = None
    lines: bool = False
    unnamed: bool = False

    def describe(self, name: str) -> str:
        """What a field of the layer holds; empty for one that is not known."""
        return (LINE_DESCRIPTIONS.get(name) if self.lines else None) or DESCRIPTIONS.get(name, "")

    def about(self) -> str:
        """One line on how the layer was made and what its coordinates are."""
        where = self.crs.name if self.crs is not None else UNNAMED if self.unnamed else PIXELS
        model = f" with {self.made['model']}" if self.made.get("model") else ""
        made = f"Made by {self.made.get('software')} from {self.made.get('source')}{model}."
        measured = f"Centre lines: {self.made.get('line_method')}" if self.lines else f"Areas: {self.made.get('area_method')}"
        return f"{made} Coordinates: {where}. {measured}."


def content_of(layer: PolygonLayer | LineLayer, suffix: str, *, crs: CRS | None, lonlat: bool) -> Content:
    """What a file of `layer` with this suffix should hold, in `crs`, or in longitude and latitude when `lonlat` and the layer has a CRS.

    Numbers are `rounded`, and centres of mass are in the file's coordinates. Shapefiles have short names, and 0 and 1 for no and yes;
    texts in longitude and latitude are rounded; polygons that were brought to longitude and latitude are cut at the antimeridian; a web
    map holds what it shows, a DXF what it can.
    """
    fields = pd.DataFrame(layer.frame.drop(columns="geometry"))
    geometry = layer.frame.geometry.to_numpy()
    source = layer.geo.crs
    target = None if source is None else (LONLAT if lonlat else crs)
    if target is not None and source is not None:
        own = target.equals(source, ignore_axis_order=True)
        geometry = moved(geometry, source, target)
        if not np.isfinite(shapely.bounds(geometry)[~shapely.is_empty(geometry)]).all():
            raise ExportError(
                f"polygons beyond the part of the earth where {(source if lonlat else target).name} holds",
                expected=f"all of them to have a place in {target.name}",
                do="Choose GeoPackage in the layer's own CRS, or cut the layer",
            )
        # Layers in the scene's own degrees stay as the scene lies, and so does a web map; whatever else reads degrees wants -180 to 180.
        fields = fields if own else _moved_places(fields, source, target)
        if target.is_geographic and suffix != ".html" and (lonlat or suffix == ".csv" or not own):
            geometry = within_180(geometry)
    fields = rounded(fields, degrees=target is not None and target.is_geographic)
    content = Content(fields, geometry, target, None, layer.made, layer.scheme, isinstance(layer, LineLayer), layer.geo.unnamed)
    if suffix in (".shp", ".shp.zip"):
        short = fields.rename(columns=SHORT_NAMES)
        return replace(content, fields=short.astype({name: np.int32 for name in short if short[name].dtype == bool}))
    if suffix == ".dxf":
        return replace(content, fields=fields[["id", "class_id", "class_name"]])
    if suffix == ".html":
        shown = fields if content.lines else fields[["id", "class_id", "class_name", *(k for k in fields if k.startswith(_ON_WEB_MAP))]]
        return replace(content, fields=shown, **_rounded(geometry, 3 if target is None else 8))
    if lonlat and target is not None:
        return replace(content, **_rounded(geometry, LONLAT_DECIMALS))
    return content


def rounded(fields: pd.DataFrame, *, degrees: bool = False) -> pd.DataFrame:
    """The fields with their numbers as files keep them.

    Sizes keep `SIGNIFICANT_DIGITS` and at most `SIZE_DECIMALS`, so large ones are whole numbers; shares such as a confidence, and places,
    keep fixed decimals. degrees: whether places are longitude and latitude.
    """
    told: dict[str, np.ndarray] = {}
    for name in fields:
        if name.startswith(_SIZES):
            told[name] = _by_size(fields[name].to_numpy(float))
        elif name.startswith(_SHARES):
            told[name] = fields[name].to_numpy(float).round(SHARE_DECIMALS)
        elif name in _PLACES:
            told[name] = fields[name].to_numpy(float).round(LONLAT_DECIMALS if degrees else PLACE_DECIMALS)
    return fields.assign(**told)


def _by_size(values: np.ndarray) -> np.ndarray:
    known = np.isfinite(values) & (values != 0)
    digits = np.floor(np.log10(np.abs(values), where=known, out=np.zeros_like(values)))
    decimals = np.clip(SIGNIFICANT_DIGITS - 1 - digits, 0, SIZE_DECIMALS).astype(int)
    out = values.copy()
    for kept in range(SIZE_DECIMALS + 1):
        of = decimals == kept
        out[of] = values[of].round(kept)
    return out


def _moved_places(fields: pd.DataFrame, source: CRS, target: CRS) -> pd.DataFrame:
    """The fields with their centres of mass in another CRS; those that have no place there are not known."""
    if not set(_PLACES) <= set(fields):
        return fields
    places = fields[list(_PLACES)].to_numpy(float)
    known = np.isfinite(places).all(axis=1)
    there = np.full_like(places, np.nan)
    there[known] = shapely.get_coordinates(moved(shapely.points(places[known]), source, target))
    there[~np.isfinite(there)] = np.nan
    return fields.assign(**dict(zip(_PLACES, there.T, strict=True)))


def _rounded(geometry: np.ndarray, decimals: int) -> dict[str, Any]:
    return {"geometry": shapely.transform(geometry, lambda xy: np.round(xy, decimals)), "precision": 10.0**-decimals}
