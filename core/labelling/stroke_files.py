"""Strokes as files: GeoJSON or GeoPackage, in the coordinates of their scene or in any others that lead there."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyogrio
import shapely
from pyproj import CRS
from shapely.geometry.base import BaseGeometry

from core.datasets.class_columns import as_classes
from core.datasets.layer_contents import refuse_other_content
from core.datasets.vector_labels import VectorLayer, fitting_grid, names_no_crs, placed_on
from core.errors import InputError
from core.files import dump_json, replacing
from core.geo import GeoRef
from core.labelling.strokes import Stroke, painted_twice
from core.projecting import LONLAT, moved
from core.scenes.scene import Scene
from core.words import counted, listed

CLASS_COLUMNS = ("class", "class_name", "label")
WIDTH_COLUMN, ERASER_COLUMN = "width_px", "eraser"
WIDTH_PX, WIDEST_PX = 3.0, 10_000.0
_EXPECTED = "lines or polygons with a column `class`"
_MOST_NOTES = 4


@dataclass(frozen=True)
class StrokeFile:
    """The strokes of a file that touch its scene, in their order, and sentences on what is to be said of the others and of overlaps."""

    strokes: tuple[Stroke, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class _Row:
    """What a feature says of its stroke."""

    name: str | None
    width_px: float


def read_area(path: str | os.PathLike, scene: Scene) -> BaseGeometry:
    """The area of work in pixels: all polygons of a GeoJSON or GeoPackage together. Raises InputError where none lies on the scene."""
    path = Path(path)
    layers, _, _ = _read(_there(path, "an area"), classless=True)
    grid, _ = _grid(layers, scene, path.name)
    shapes = [shape for layer in layers for shape in placed_on(layer, grid, scene.geo, scene.shape)[0]]
    area = shapely.union_all([shapely.make_valid(shape) for shape in shapes if shapely.get_dimensions(shape) == 2])
    inside = shapely.intersection(area, shapely.box(0, 0, scene.width, scene.height))
    if inside.area == 0:
        raise InputError(
            f"no polygon of {path.name} on {scene.path.name}",
            expected=f"polygons on its {scene.height} x {scene.width} pixels, in {scene.geo.coordinates}",
            do="Check the CRS of both, or leave the area away",
        )
    return inside


def read_strokes(path: str | os.PathLike, scene: Scene) -> StrokeFile:
    """Strokes of a GeoJSON or GeoPackage on a scene, brought to its pixels. Later features were painted later.

    A feature has its class in `class` (or class_name, label) and may have a `width_px`; one whose `eraser` is true takes away. Raises
    InputError for a file that is none, without features or classes, or of which nothing lies on the scene.
    """
    path = Path(path)
    layers, rows, left_out = _read(_there(path, "strokes"))
    grid, words = _grid(layers, scene, path.name)
    notes = [] if words is None else [words]
    strokes: list[Stroke] = []
    for layer, own in zip(layers, rows, strict=True):
        shapes, kept = placed_on(layer, grid, scene.geo, scene.shape)
        strokes += [Stroke(own[k].name, shape, own[k].width_px) for shape, k in zip(shapes, kept, strict=True)]
    total = sum(map(len, rows))
    on_scene = shapely.box(0, 0, scene.width, scene.height)
    inside = [one for one in strokes if np.isfinite(one.geometry.bounds).all() and one.area.intersects(on_scene)]
    if not any(one.class_name is not None for one in inside):
        raise InputError(
            f"none of the {counted(total, 'stroke')} of {path.name} lies on {scene.path.name}",
            expected=f"strokes on its {scene.height} x {scene.width} pixels, in {scene.geo.coordinates}",
            do="Check the CRS of both, or choose the scene that was painted",
        )
    if left_out:
        notes.append(f"{left_out} of {counted(total + left_out, 'feature')} without a class or geometry: left out")
    if len(inside) < total:
        notes.append(f"{total - len(inside)} of {counted(total, 'stroke')} outside the scene: left out")
    broken = sum(not one.geometry.is_valid for one in inside)
    if broken:
        notes.append(f"{counted(broken, 'polygon')} with sides that cross: mended")
    return StrokeFile(tuple(inside), (*notes, *overlap_notes(inside, scene)))


def overlap_notes(strokes: Sequence[Stroke], scene: Scene) -> list[str]:
    """What is to be said of pixels that were painted as one class and then as another; of many pairs the largest."""
    twice = sorted(painted_twice(strokes, scene.window).items(), key=lambda item: -item[1])
    said = [
        f"{counted(count, 'pixel')} {'is' if count == 1 else 'are'} painted twice, as {first} and then as {later}: the later counts"
        for (first, later), count in twice[:_MOST_NOTES]
    ]
    more = sum(count for _, count in twice[_MOST_NOTES:])
    return [*said, f"{counted(more, 'pixel')} likewise of other classes"] if more else said


def write_strokes(path: str | os.PathLike, strokes: Sequence[Stroke], scene: Scene) -> Path:
    """Write strokes in their order, the eraser's too, as GeoJSON or, by the ending, GeoPackage; whole or absent.

    Coordinates are those of the scene: of its CRS, or pixels with y = -row. GeoJSON of a CRS without a code is in longitude and latitude.
    """
    path = Path(path)
    geometry = shapely.transform(
        np.array([one.geometry for one in strokes], object), lambda xy: np.column_stack(scene.geo.points(xy[:, 1], xy[:, 0]))
    )
    with replacing(path) as temporary:
        if path.suffix.lower() == ".gpkg":
            _write_geopackage(temporary, strokes, geometry, scene.geo)
        else:
            temporary.write_text(_geojson(path.stem, strokes, geometry, scene.geo), encoding="utf-8")
    return path


def _geojson(title: str, strokes: Sequence[Stroke], geometry: np.ndarray, geo: GeoRef) -> str:
    head: dict[str, object] = {"type": "FeatureCollection", "name": title}
    if geo.crs is None:
        head["coordinates"] = "unnamed units" if geo.unnamed else "pixels"
    elif geo.epsg is not None:
        # Of GeoJSON before RFC 7946, and read by GDAL and QGIS: strokes stay where they were drawn, to the last digit.
        head["crs"] = {"type": "name", "properties": {"name": f"urn:ogc:def:crs:EPSG::{geo.epsg}"}}
    else:
        geometry = moved(geometry, geo.crs, LONLAT)
    rows = (
        f'{{"type": "Feature", "properties": {dump_json(_properties(one))}, "geometry": {shape}}}'
        for one, shape in zip(strokes, shapely.to_geojson(geometry), strict=True)
    )
    return dump_json(head)[:-1] + ', "features": [\n' + ",\n".join(rows) + "\n]}\n"


def _properties(one: Stroke) -> dict[str, object]:
    return {"class": one.class_name, WIDTH_COLUMN: one.width_px, ERASER_COLUMN: one.class_name is None}


def _write_geopackage(path: Path, strokes: Sequence[Stroke], geometry: np.ndarray, geo: GeoRef) -> None:
    rows = [_properties(one) for one in strokes]
    names, widths, erasers = (
        np.array([row[name] for row in rows], kind) for name, kind in zip(rows[0], (object, float, bool), strict=True)
    )
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="'crs' was not provided")
        pyogrio.raw.write(
            path,
            shapely.to_wkb(geometry),
            [names, widths, erasers],
            list(rows[0]),
            layer="strokes",
            driver="GPKG",
            geometry_type="Unknown",
            crs=None if geo.crs is None else geo.crs.to_wkt(),
        )


def _there(path: Path, what: str) -> Path:
    if not path.is_file():
        raise InputError(f"no file at {path}", expected=f"{what} as GeoJSON or GeoPackage", do="Correct the path")
    return path


def _read(path: Path, *, classless: bool = False) -> tuple[list[VectorLayer], list[list[_Row]], int]:
    """Layers, what their features say of their strokes, and how many features could not be taken; all can be where they are `classless`."""
    layers, rows, left_out, columns = [], [], 0, set()
    try:
        refuse_other_content(path)
        for name, kind in pyogrio.list_layers(path):
            if kind is None:
                continue
            meta, _, geometry, fields = pyogrio.raw.read(path, layer=str(name))
            shapes = shapely.force_2d(shapely.from_wkb(geometry))
            table = {str(field).lower(): values for field, values in zip(meta["fields"], fields, strict=True)}
            crs = CRS.from_user_input(meta["crs"]) if meta["crs"] and not names_no_crs(path) else None
            columns |= set(table)
            said = [_Row("", WIDTH_PX)] * len(shapes) if classless else _said(table, len(shapes))
            kept = {k: row for k, row in enumerate(said) if row is not None and shapes[k] is not None and not shapes[k].is_empty}
            left_out += len(shapes) - len(kept)
            layers.append(VectorLayer(path, shapes[list(kept)], np.empty(0, object), crs))
            rows.append(list(kept.values()))
    except InputError:
        raise
    except Exception as error:  # pyogrio, GEOS and PROJ raise half a dozen kinds for damaged files
        why = str(error).replace(str(path), path.name).partition(";")[0].rstrip(".")
        raise InputError(f"{path.name} cannot be read ({why})", expected="strokes as GeoJSON or GeoPackage", do="Check the file") from error
    if not any(rows):
        if left_out and not columns & set(CLASS_COLUMNS):
            has = f"columns {listed(sorted(columns), 8)}" if columns else "no columns"
            raise InputError(f"{path.name} with {has}", expected=_EXPECTED, do="Name the class of each stroke in it")
        found = (
            f"{counted(left_out, 'feature')} without a class or geometry" if left_out else f"no {'polygons' if classless else 'strokes'}"
        )
        raise InputError(f"{found} in {path.name}", expected=_EXPECTED, do="Paint some")
    return layers, rows, left_out


def _said(table: dict[str, np.ndarray], count: int) -> list[_Row | None]:
    """What each feature says of its stroke; None where it has no class and is no eraser."""
    column = next((table[name] for name in CLASS_COLUMNS if name in table), np.full(count, None, object))
    names, widths = as_classes(column), table.get(WIDTH_COLUMN, np.full(count, WIDTH_PX))
    erases = table.get(ERASER_COLUMN, np.zeros(count, bool))
    return [
        None if name is None and erase != 1 else _Row(None if erase == 1 else name, _width(width))
        for name, width, erase in zip(names, widths.tolist(), erases.tolist(), strict=True)
    ]


def _width(value: object) -> float:
    try:
        width = WIDTH_PX if value is None else float(str(value))
    except ValueError:
        width = -1.0
    if width != width:
        return WIDTH_PX
    if not 0 < width <= WIDEST_PX:
        raise InputError(f"a {WIDTH_COLUMN} of {value}", expected=f"pixels from 1 to {WIDEST_PX:g}", do="Correct the column")
    return width


def _grid(layers: Sequence[VectorLayer], scene: Scene, name: str) -> tuple[tuple[float, ...] | None, str | None]:
    """The transform from coordinates to columns and rows where no CRS says it, and words where it was guessed."""
    if not scene.geo.situated:
        # Of GeoJSON, and of a layer drawn over a picture in QGIS, a program says that pixels are degrees.
        known = next((layer.crs for layer in layers if layer.crs is not None and not layer.crs.is_geographic), None)
        if known is not None:
            raise InputError(
                f"strokes in {known.name} for {scene.path.name}, which has no CRS",
                expected="pixels, x to the right and y downward as negative numbers",
                do="Give the scene its georeference, or draw the strokes on it as it is",
            )
        layers = [replace(layer, crs=None) for layer in layers]
    return fitting_grid([layer for layer in layers if len(layer.geometries)], scene, name)
