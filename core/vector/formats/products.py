"""All that can be taken home of a layer, one row each: files that a GIS opens, a style, a report, and a map to print."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.errors import SettingsError

if TYPE_CHECKING:
    from core.geo import GeoRef
    from core.vector.formats.content import Content


@dataclass(frozen=True)
class Product:
    """A kind of file: its title, how it is written and read again, and what it can hold.

    write: of a layer file `write(content, path, title=...)`, of any other `write(layer, path, title=...)`; both also get what `takes`
    names of scene, lines, card, prediction and base. read, read_lines: a layer file's fields and geometry, and those of the lines in it;
    None for what is no layer file. lonlat: always in longitude and latitude. needs_crs: cannot be written without coordinates. styled: a
    QGIS style is written beside it. in_parts: several files that belong together.
    """

    title: str
    write: Callable[..., Any]
    read: Callable[[Path], Content] | None = None
    read_lines: Callable[[Path], Content] | None = None
    takes: tuple[str, ...] = ()
    lonlat: bool = False
    needs_crs: bool = False
    styled: bool = False
    in_parts: bool = False

    @property
    def holds_lines(self) -> bool:
        """Whether centre lines go into the same file as the polygons."""
        return "lines" in self.takes

    def holds(self, geo: GeoRef) -> bool:
        """Whether a layer that lies so can be written: formats in longitude and latitude need a place on the earth."""
        return not (self.needs_crs and geo.crs is None) and not (self.lonlat and geo.local)


def _later(module: Callable[[], Any], name: str) -> Callable[..., Any]:
    """A function of a module that is imported at the first call: whoever only looks at the table waits for no library of files."""
    return lambda *given, **how: getattr(module(), name)(*given, **how)


def _tables() -> Any:
    from core.vector.formats import tables

    return tables


def _texts() -> Any:
    from core.vector.formats import texts

    return texts


def _dxf() -> Any:
    from core.vector.formats import dxf

    return dxf


def _web_map() -> Any:
    from core.vector.formats import web_map

    return web_map


def _styles() -> Any:
    from core.vector.formats import styles

    return styles


def _report() -> Any:
    from core.vector.printing import report

    return report


def _figure() -> Any:
    from core.vector.printing import figure

    return figure


_PICTURE = ("scene", "lines")
PRODUCTS: dict[str, Product] = {
    ".gpkg": Product(
        "GeoPackage",
        _later(_tables, "write_geopackage"),
        _later(_tables, "read_ogr"),
        _later(_tables, "read_geopackage_lines"),
        takes=("lines",),
        styled=True,
    ),
    ".shp.zip": Product("Shapefile", _later(_tables, "write_zipped_shapefile"), _later(_tables, "read_zipped_shapefile")),
    ".shp": Product("Shapefile in parts", _later(_tables, "write_shapefile"), _later(_tables, "read_shapefile"), in_parts=True),
    ".geojson": Product("GeoJSON", _later(_texts, "write_geojson"), _later(_texts, "read_geojson"), lonlat=True, styled=True),
    ".csv": Product("CSV", _later(_texts, "write_csv"), _later(_texts, "read_csv")),
    ".kml": Product("KML", _later(_texts, "write_kml"), _later(_texts, "read_kml"), lonlat=True, needs_crs=True),
    ".parquet": Product("GeoParquet", _later(_tables, "write_parquet"), _later(_tables, "read_parquet")),
    ".dxf": Product("DXF", _later(_dxf, "write_dxf"), _later(_dxf, "read_dxf")),
    ".fgb": Product("FlatGeobuf", _later(_tables, "write_flatgeobuf"), _later(_tables, "read_ogr"), styled=True),
    ".html": Product(
        "Web map",
        _later(_web_map, "write_web_map"),
        _later(_web_map, "read_web_map"),
        _later(_web_map, "read_web_lines"),
        takes=_PICTURE,
        lonlat=True,
    ),
    ".qml": Product("QGIS style", _later(_styles, "write_style")),
    ".report.html": Product("Report", _later(_report, "write_report"), takes=(*_PICTURE, "card", "prediction")),
    ".png": Product("Printed map, PNG", _later(_figure, "draw_figure"), takes=(*_PICTURE, "base")),
    ".pdf": Product("Printed map, PDF", _later(_figure, "draw_figure"), takes=(*_PICTURE, "base")),
}
"""What a layer can be written as, by the ending of the file; command line and page offer just these."""


def formats() -> dict[str, Product]:
    """The products that are layer files: those that `export` writes and reads again."""
    return {suffix: product for suffix, product in PRODUCTS.items() if product.read is not None}


def product_of(path: str | os.PathLike) -> str:
    """The suffix in `PRODUCTS` that a path ends in. Raises SettingsError when it is none of them."""
    return _ending(path, PRODUCTS)


def format_of(path: str | os.PathLike) -> str:
    """The suffix in `formats()` that a path ends in. Raises SettingsError when it is none of them."""
    return _ending(path, formats())


def _ending(path: str | os.PathLike, suffixes: Iterable[str]) -> str:
    name = Path(path).name.lower()
    for suffix in sorted(suffixes, key=len, reverse=True):
        if name.endswith(suffix) and name != suffix:
            return suffix
    raise SettingsError(f"no format for {Path(path).name!r}", expected=f"a name that ends in {', '.join(suffixes)}", do="Change the ending")
