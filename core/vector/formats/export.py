"""A layer into files that a GIS opens; each is re-opened and compared with what was meant before it takes its place.

Formats differ in what they can hold: GeoJSON and KML are in longitude and latitude, Shapefile cuts field names at ten letters, CSV and KML
are text. `Content` is what a format should hold, so the comparison is with that.
"""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import shapely
from pyproj import CRS, Geod
from pyproj.exceptions import CRSError

from core.errors import ExportError, SettingsError
from core.files import folder_beside, refuse_no_file, replacing
from core.geo import degrees_of, metres_per_unit, on_earth, read_crs
from core.projecting import LONLAT
from core.scenes.scene import Scene
from core.vector.formats.content import Content, content_of
from core.vector.formats.products import PRODUCTS, Product, format_of, product_of
from core.vector.formats.styles import qgis_style
from core.vector.layer import LineLayer, PolygonLayer

_DATUM_M = 2000.0
"""How far ties between datums move a place at most."""
OnNote = Callable[[str], None]

if TYPE_CHECKING:
    from core.model_store.cards import ModelCard
    from core.prediction.folder.rasters import Prediction


def export(
    layer: PolygonLayer | LineLayer,
    path: str | os.PathLike,
    *,
    crs: str | CRS | None = None,
    scene: Scene | None = None,
    lines: LineLayer | None = None,
    on_note: OnNote | None = None,
) -> Path:
    """Write a layer to `path`, in the format of its ending, and return the path.

    lines: centre lines that go with the polygons: a second layer of a GeoPackage, part of an HTML map, a file of their own (see
    `lines_path`) beside any other format.

    crs: the target CRS, the layer's own by default; GeoJSON, KML and HTML are always in longitude and latitude (WGS84) when the layer has a
    CRS. Without one, coordinates are pixels or those of a transform, and each file that can say so does. scene: shown below the polygons of
    an HTML map. on_note: told, in a sentence, where the file is in another CRS than was asked, or holds it in another form.
    A QGIS style with the classes' colours is written beside formats that cannot all hold one.
    The file is read again and compared in count, fields, values, geometry and CRS. Raises ExportError when it differs or cannot be written,
    SettingsError for an unknown ending or CRS.
    """
    path = Path(path)
    suffix = format_of(path)
    known = PRODUCTS[suffix]
    refuse_no_place(layer, path)
    target = target_crs(layer, crs)
    note: OnNote = on_note or (lambda sentence: None)
    if known.lonlat and target is not None and not target.equals(LONLAT, ignore_axis_order=True):
        note(f"{path.name} is in longitude and latitude (WGS 84), as every {known.title} is, not in {crs_words(target)}")
    content = content_of(layer, suffix, crs=target, lonlat=known.lonlat)
    extra: dict[str, Any] = {"scene": scene} if "scene" in known.takes else {}
    beside = None
    if lines is not None:
        lines = of_one_origin(lines, layer)
        beside = content_of(lines, suffix, crs=target, lonlat=known.lonlat)
        if known.holds_lines:
            extra["lines"] = beside
        else:
            export(lines, lines_path(path), crs=crs)
    try:
        if known.in_parts:
            _write_in_parts(known, content, path, note)
        else:
            with replacing(path, suffix=suffix) as temporary:
                title = path.name[: -len(suffix)]
                known.write(content, temporary, title=title, **extra)
                compare_noting(content, known.read(temporary), path.name, note)
                if beside is not None and known.read_lines is not None and "lines" in extra:
                    compare_noting(beside, known.read_lines(temporary), path.name, lambda sentence: None)
        if known.styled:
            with replacing(path.with_name(f"{path.name[: -len(suffix)]}.qml"), part_of=path) as temporary:
                temporary.write_text(qgis_style(content), encoding="utf-8")
    except ExportError:
        raise
    except CRSError as error:
        raise ExportError(
            f"{path.name} cannot hold the CRS {crs_words(content.crs)}",
            expected=f"a CRS that {known.title} knows",
            do="Choose GeoParquet or CSV, or another CRS",
        ) from error
    except Exception as error:
        # Whatever a driver raises (a full disk, a field it cannot hold), the user needs to know the file and the reason.
        raise ExportError(
            f"{path.name} could not be written ({type(error).__name__}: {str(error)[:200]})",
            expected=f"a complete {known.title} file",
            do="Check the free space and the folder's rights, or choose another format",
        ) from error
    return path


def write_product(
    layer: PolygonLayer | LineLayer,
    path: str | os.PathLike,
    *,
    title: str | None = None,
    crs: str | CRS | None = None,
    scene: Scene | None = None,
    card: ModelCard | None = None,
    prediction: Prediction | None = None,
    lines: LineLayer | None = None,
    base: str = "scene",
    on_note: OnNote | None = None,
) -> int | None:
    """Write a layer to `path` as its ending asks, and return the features that the file holds when it is read again (None for what is no
    layer file).

    title: of a report or a printed map, the file's name without its ending when left away. crs: of a layer file. lines: centre lines.
    scene: shown in maps and reports. card, prediction: for reports. base: what a printed map is drawn on. on_note: see `export`. Raises as
    `export` and `draw_figure` do.
    """
    suffix = product_of(path)
    product = PRODUCTS[suffix]
    if product.read is not None:
        export(layer, path, crs=crs, scene=scene, lines=lines, on_note=on_note)
        return len(layer.frame)  # which `export` has compared with what it read
    given = {"scene": scene, "card": card, "prediction": prediction, "lines": lines, "base": base}
    product.write(layer, path, title=title or Path(path).name[: -len(suffix)], **{name: given[name] for name in product.takes})
    return None


def of_one_origin(lines: LineLayer, layer: PolygonLayer | LineLayer) -> LineLayer:
    """Centre lines that tell what the layer they were drawn in tells of its software, scene and model."""
    return replace(lines, made={**{key: layer.made.get(key) for key in ("software", "source", "model")}, **lines.made})


def lines_path(path: str | os.PathLike) -> Path:
    """Where the centre lines of a layer file lie: town_lines.shp.zip beside town.shp.zip."""
    suffix = format_of(path)
    return Path(path).with_name(f"{Path(path).name[: -len(suffix)]}_lines{suffix}")


def read_back(path: str | os.PathLike) -> int:
    """Number of features that an exported file holds."""
    return len(read_content(path).fields)


def read_content(path: str | os.PathLike) -> Content:
    """Fields, geometry and CRS of an exported file."""
    return PRODUCTS[format_of(path)].read(Path(path))


def compare(meant: Content, found: Content, name: str) -> None:
    """Raise ExportError when a file's content differs from what was meant: count, fields, values, geometry or CRS."""

    def differ(what: str, got: object, want: object) -> ExportError:
        return ExportError(
            f"{name} with {what} {got} when read again", expected=str(want), do="Choose another format, and report this file"
        )

    if len(found.fields) != len(meant.fields):
        raise differ("a number of features of", len(found.fields), len(meant.fields))
    if len(meant.fields) == 0:
        # Texts without a feature hold no fields and no CRS either.
        return
    if list(found.fields.columns) != list(meant.fields.columns):
        raise differ("fields", list(found.fields.columns), list(meant.fields.columns))
    for column in meant.fields:
        want, got = meant.fields[column], found.fields[column]
        if want.dtype.kind in "iufb":
            want, got = want.to_numpy(float), pd.to_numeric(got).to_numpy(float, na_value=np.nan)
            wrong = ~np.isclose(got, want, rtol=1e-9, atol=1e-12, equal_nan=True)
        else:
            wrong = got.astype(str).to_numpy() != want.astype(str).to_numpy()
        if wrong.any():
            row = int(np.flatnonzero(wrong)[0])
            raise differ(f"{column} of feature {row + 1} =", found.fields[column].iloc[row], meant.fields[column].iloc[row])
    if not np.array_equal(shapely.get_num_coordinates(found.geometry), shapely.get_num_coordinates(meant.geometry)):
        raise differ("other points", shapely.get_num_coordinates(found.geometry).sum(), shapely.get_num_coordinates(meant.geometry).sum())
    _compare_places(meant, found, differ)


def _compare_places(meant: Content, found: Content, differ: Callable[[str, object, object], ExportError]) -> None:
    # Formats turn rings round and may start them elsewhere; bounds and area of each feature do not depend on that.
    want, got = shapely.bounds(meant.geometry), shapely.bounds(found.geometry)
    step = meant.precision or 1e-14 * float(np.abs(want).max(initial=1.0))
    if not np.allclose(got, want, rtol=0, atol=1.01 * step):
        raise differ("bounds that lie off by", float(np.abs(got - want).max()), "none")
    measured, what, leeway = shapely.area, "areas", shapely.length(meant.geometry)
    if meant.lines:
        measured, what, leeway = shapely.length, "lengths", shapely.get_num_coordinates(meant.geometry)
    want, got = measured(meant.geometry), measured(found.geometry)
    if (np.abs(got - want) > 4 * step * leeway).any():
        raise differ(f"{what} that lie off by", float(np.abs(got - want).max()), "none")
    if (found.crs is None) != (meant.crs is None) or (meant.crs is not None and not _same_crs(found.crs, meant.crs)):
        raise differ("CRS", found.crs and found.crs.name, meant.crs and meant.crs.name)


def compare_noting(meant: Content, found: Content, name: str, note: OnNote) -> None:
    """`compare`, but for a CRS that the format holds in another form, or without its tie to another datum: that is noted."""
    want, got = meant.crs, found.crs
    if want is None or got is None or _same_crs(got, want):
        compare(meant, found, name)
        return
    beside = _beside_m(got, want, meant.geometry)
    if not beside <= _DATUM_M:
        compare(meant, found, name)
        return
    compare(replace(meant, crs=got), found, name)
    away = f", and place it up to {beside:,.0f} m beside" if beside >= 1 else ""
    note(f"{name} cannot hold the CRS {crs_words(want)} as it is: other programs will read {crs_words(got)}{away}")


def _beside_m(one: CRS, other: CRS, geometry: np.ndarray) -> float:
    """How far apart two CRS place coordinates at most, in metres; 0 for local ones of one unit, infinite where they do not compare."""
    if not (on_earth(one) and on_earth(other)):
        alike = on_earth(one) == on_earth(other) and metres_per_unit(one) in (metres_per_unit(other), None)
        return 0.0 if alike else math.inf
    west, south, east, north = shapely.total_bounds(geometry)
    x, y = np.array([west, east, west, east]), np.array([south, south, north, north])
    (lon, lat), (other_lon, other_lat) = degrees_of(one, x, y), degrees_of(other, x, y)
    apart = np.max(Geod(ellps="WGS84").inv(lon, lat, other_lon, other_lat)[2])
    return float(apart) if np.isfinite(apart) else math.inf


def _same_crs(one: CRS, other: CRS) -> bool:
    if one.equals(other, ignore_axis_order=True) or (one.to_epsg() is not None and one.to_epsg() == other.to_epsg()):
        return True
    # A Shapefile's WKT 1 loses names and codes; what remains are the numbers of the projection.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return one.to_dict() == other.to_dict()


def target_crs(layer: PolygonLayer | LineLayer, crs: str | CRS | None) -> CRS | None:
    """The CRS to write a layer in, its own by default. Raises SettingsError where no way leads from one to the other."""
    if crs is None:
        return layer.geo.crs
    if layer.geo.crs is None:
        raise SettingsError(f"target CRS {crs} for a layer without coordinates", expected="no target CRS", do="Leave it out")
    target = read_crs(crs)
    if layer.geo.local or not on_earth(target):
        if target.equals(layer.geo.crs, ignore_axis_order=True):
            return target
        raise SettingsError(
            f"target CRS {crs_words(target)} for a layer in {crs_words(layer.geo.crs)}",
            expected="two that both lead to longitude and latitude",
            do="Leave the target CRS out",
        )
    return target


def crs_words(crs: CRS | None) -> str:
    """ "EPSG:32640", or the name of a CRS without a code."""
    if crs is None:
        return "none"
    return f"EPSG:{crs.to_epsg()}" if crs.to_epsg() else crs.name


def refuse_no_place(layer: PolygonLayer | LineLayer, path: str | os.PathLike) -> None:
    """Raise ExportError for a format in longitude and latitude where the layer has no place on the earth."""
    known = PRODUCTS[product_of(path)]
    if known.holds(layer.geo):
        return
    if layer.geo.crs is None:
        raise ExportError(
            f"a layer without coordinates for {Path(path).name}",
            expected=f"a CRS, which {known.title} needs",
            do="Choose GeoPackage or GeoJSON",
        )
    raise ExportError(
        f"a layer in the local CRS {layer.geo.coordinates} for {Path(path).name}",
        expected=f"a CRS that leads to longitude and latitude, which {known.title} needs",
        do="Choose GeoPackage, Shapefile or CSV",
    )


_SHAPEFILE_SIDES = (".prj", ".qpj", ".cpg", ".qix", ".sbn", ".sbx", ".ain", ".aih", ".idm", ".ind")


def _write_in_parts(known: Product, content: Content, path: Path, note: OnNote) -> None:
    """Write a plain Shapefile: made and compared in a folder beside it, then its parts take their places, the .shp last.

    An older .shp goes first: a moment without one is better than one among the parts of another. What the older one had beside it and
    the new one has not, as a CRS, or the index that another program made of its polygons, would be taken for the new one's: it goes too.
    """
    with folder_beside(path) as folder:
        # Drivers know their parts by small letters; the main one takes the name that was asked for.
        made = folder / f"{path.stem}.shp"
        known.write(content, made, title=path.stem)
        compare_noting(content, known.read(made), path.name, note)
        places = {part: path if part == made else path.with_name(part.name) for part in folder.iterdir()}
        for place in places.values():
            refuse_no_file(place)
        path.unlink(missing_ok=True)
        for ending in _SHAPEFILE_SIDES:
            if path.with_suffix(ending) not in places.values():
                path.with_suffix(ending).unlink(missing_ok=True)
        for part in sorted(places, key=lambda part: part == made):
            os.replace(part, places[part])
