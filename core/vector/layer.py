"""Polygons of a scene and how they were made: the types, without the machinery that traces them, and a layer read from its file."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from core.classes import ClassScheme
from core.errors import ExportError
from core.geo import GeoRef

if TYPE_CHECKING:
    import geopandas as gpd

LEGEND = "legend"
"""What a layer's `made` calls the order of its legend: names of classes, the first one on top."""


@dataclass(frozen=True)
class PolygonLayer:
    """Polygons of one scene and how they were made.

    frame: columns id, class_id, class_name, area_m2, perimeter_m, length_m, width_m, compactness, centroid_x, centroid_y, mean_confidence,
    confidence_p10, mean_margin (0 to 1, NaN when not known), second_class ("" when not known), on_edge, geometry, and distance_m where it
    was asked for. Where metres are not known the names end in _px. units: "m" or "px". made: the settings and methods, for the metadata
    of exports.
    """

    frame: gpd.GeoDataFrame
    scheme: ClassScheme
    geo: GeoRef
    units: str
    made: dict[str, Any]

    @property
    def area_column(self) -> str:
        """The name of the area column: area_m2, or area_px where metres are not known."""
        return "area_m2" if self.units == "m" else "area_px"


@dataclass(frozen=True)
class LineLayer:
    """Centre lines of some classes of a scene.

    frame: columns id, class_id, class_name, length_m, width_m (mean), from_node, to_node, geometry; lines that meet have a node in common.
    Where metres are not known the names end in _px. made: the method, for the metadata of exports.
    """

    frame: gpd.GeoDataFrame
    scheme: ClassScheme
    geo: GeoRef
    units: str
    made: dict[str, Any]

    def lengths(self) -> dict[str, float]:
        """Length of each class's network, in metres, or pixels where metres are not known."""
        return {name: float(length) for name, length in self.frame.groupby("class_name", sort=False)[f"length_{self.units}"].sum().items()}


@dataclass(frozen=True)
class VectorResult:
    """A layer, the seconds it took, what was measured on it, and centre lines where they were asked for.

    invalid: polygons that are not valid. gap_area, overlap_area: in m2, or px.
    """

    layer: PolygonLayer
    seconds: float
    invalid: int
    gap_area: float
    overlap_area: float
    lines: LineLayer | None = None

    def summary(self) -> dict[str, Any]:
        """The keys that the command line prints for `vectorize`."""
        layer = self.layer
        groups = layer.frame.groupby("class_id")[layer.area_column]
        counts, areas = groups.size(), groups.agg(lambda column: column.sum(skipna=False))  # an unknown area makes an unknown sum
        classes = {}
        for class_id, count, area in zip(counts.index, counts, areas, strict=True):
            area = float(area) if area == area else None
            entry = {"polygons": int(count), "area_m2": area if layer.units == "m" else None}
            classes[layer.scheme.names[class_id]] = entry if layer.units == "m" else entry | {"area_px": area}
        network = {} if self.lines is None else {"centre_lines": len(self.lines.frame), f"network_{layer.units}": self.lines.lengths()}
        return {
            "polygons": len(layer.frame),
            "classes": classes,
            "invalid": self.invalid,
            "gap_area": self.gap_area,
            "overlap_area": self.overlap_area,
            "seconds": round(self.seconds, 3),
            "crs": None if layer.geo.crs is None else crs_name(layer.geo),
            "coordinates": layer.geo.coordinates,
            "units": layer.units,
            **network,
        }


def crs_name(geo: GeoRef) -> str | None:
    """ "EPSG:32640", or the name of a CRS without such a code, or what else is known of the coordinates, None for pixels."""
    if geo.crs is None:
        return geo.coordinates if geo.unnamed else None
    return f"EPSG:{geo.epsg}" if geo.epsg else geo.crs.name


def read_layer(path: str | os.PathLike, *, scheme: ClassScheme, geo: GeoRef) -> PolygonLayer:
    """Read a GeoPackage that `export` wrote, as the layer it was written from.

    scheme and geo: those of the raster that was traced. Raises ExportError when the file is not such a layer, or lies in another CRS.
    """
    # Here and not above: the other types of this module are wanted before anything is read.
    import json

    import pyogrio

    try:
        name = pyogrio.list_layers(path)[0][0]  # the second one holds the style
        made = json.loads(pyogrio.read_info(path, layer=name)["layer_metadata"]["made"])
        frame = pyogrio.read_dataframe(path, layer=name, use_arrow=True)
    except (pyogrio.errors.DataSourceError, pyogrio.errors.DataLayerError, IndexError, KeyError, TypeError, ValueError) as error:
        raise ExportError(
            f"{os.path.basename(path)} holds no layer of Groundline", expected="a GeoPackage that Groundline wrote", do="Trace it again"
        ) from error
    same = frame.crs is None if geo.crs is None else frame.crs is not None and frame.crs.equals(geo.crs, ignore_axis_order=True)
    if not same:
        raise ExportError(f"{os.path.basename(path)} lies in {frame.crs}", expected=f"{geo.crs}, as its raster", do="Trace it again")
    return PolygonLayer(frame, scheme, geo, "m" if "area_m2" in frame else "px", made)
