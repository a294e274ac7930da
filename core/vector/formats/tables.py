"""Binary formats: GeoPackage, Shapefile, FlatGeobuf and GeoParquet."""

from __future__ import annotations

import json
import sqlite3
import warnings
import zipfile
from contextlib import closing
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio
import shapely

from core.claims import scratch
from core.files import dump_json
from core.vector.formats.content import LONG_NAMES, Content
from core.vector.formats.styles import qgis_style


def _write_ogr(content: Content, path: Path, driver: str, **options) -> None:
    frame = gpd.GeoDataFrame(content.fields, geometry=content.geometry, crs=content.crs)
    # What is cut at the antimeridian has two parts.
    parts = bool((shapely.get_num_geometries(content.geometry) > 1).any())
    shape = "LineString" if content.lines else "Polygon"
    kind = {"geometry_type": f"Multi{shape}" if parts else shape, "promote_to_multi": parts}
    with warnings.catch_warnings():
        # A layer without CRS is meant to be one.
        warnings.filterwarnings("ignore", message=".*crs.*was not provided.*")
        pyogrio.write_dataframe(frame, path, driver=driver, **kind, **options)


def read_ogr(path: Path, *, layer: str | None = None) -> Content:
    """Read a layer of any vector file that GDAL opens, the first one by default."""
    frame = pyogrio.read_dataframe(path, layer=layer or pyogrio.list_layers(path)[0][0])
    geometry = frame.geometry.to_numpy() if "geometry" in frame else np.empty(0, object)
    fields = pd.DataFrame(frame.drop(columns="geometry"))
    # Some formats cannot tell an empty text from none.
    return Content(fields.fillna(dict.fromkeys(fields.select_dtypes(object), "")), geometry, frame.crs)


def read_geopackage_lines(path: Path) -> Content:
    """Read the centre lines of a GeoPackage: its second layer, as `write_geopackage` writes it."""
    return read_ogr(path, layer=pyogrio.list_layers(path)[1][0])


def write_geopackage(content: Content, path: Path, *, title: str, lines: Content | None = None) -> None:
    """Write a GeoPackage with descriptions of layers and fields, how it was made, and styles that QGIS applies.

    lines: a second layer, called like the first with _lines at its end.
    """
    layers = {title: content} | ({} if lines is None else {f"{title}_lines": lines})
    for number, (name, part) in enumerate(layers.items()):
        _write_ogr(
            part,
            path,
            "GPKG",
            layer=name,
            layer_options={"DESCRIPTION": part.about(), "IDENTIFIER": name},
            layer_metadata={"made": dump_json(part.made)},
            use_arrow=True,
            append=number > 0,
        )
    with closing(sqlite3.connect(path)) as database, database:
        database.execute(
            "CREATE TABLE gpkg_data_columns (table_name TEXT NOT NULL, column_name TEXT NOT NULL, name TEXT, title TEXT, description TEXT, "
            "mime_type TEXT, constraint_name TEXT, CONSTRAINT pk_gdc PRIMARY KEY (table_name, column_name))"
        )
        database.executemany(
            "INSERT INTO gpkg_data_columns (table_name, column_name, description) VALUES (?, ?, ?)",
            [(name, field, part.describe(field)) for name, part in layers.items() for field in part.fields if part.describe(field)],
        )
        database.execute(
            "INSERT INTO gpkg_extensions VALUES ('gpkg_data_columns', NULL, 'gpkg_schema', "
            "'http://www.geopackage.org/spec/#extension_schema', 'read-write')"
        )
        database.execute(
            "CREATE TABLE layer_styles (id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, f_table_catalog TEXT, f_table_schema TEXT, "
            "f_table_name TEXT, f_geometry_column TEXT, styleName TEXT, styleQML TEXT, styleSLD TEXT, useAsDefault BOOLEAN, "
            "description TEXT, owner TEXT, ui TEXT, update_time DATETIME DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')))"
        )
        database.executemany(
            "INSERT INTO layer_styles (f_table_catalog, f_table_schema, f_table_name, f_geometry_column, styleName, styleQML, styleSLD, "
            "useAsDefault, description, owner) VALUES ('', '', ?, 'geom', 'classes', ?, '', 1, 'Colours of the classes', '')",
            [(name, qgis_style(part)) for name, part in layers.items()],
        )
        database.execute(
            "INSERT INTO gpkg_contents (table_name, data_type, identifier, description, srs_id) "
            "VALUES ('layer_styles', 'attributes', 'layer_styles', 'QGIS styles', 0)"
        )


def write_flatgeobuf(content: Content, path: Path, *, title: str) -> None:
    """Write a FlatGeobuf in the order of the layer (no spatial index, which would sort it)."""
    _write_ogr(content, path, "FlatGeobuf", layer=title, layer_options={"SPATIAL_INDEX": "NO", "DESCRIPTION": content.about()})


def write_shapefile(content: Content, path: Path, *, title: str) -> None:
    """Write a Shapefile with .prj (when there is a CRS), UTF-8 .cpg, a QGIS style, and a list of the shortened field names."""
    _write_ogr(content, path, "ESRI Shapefile", layer_options={"ENCODING": "UTF-8"})
    names = ["field,name,description"]
    names += [f'{name},{LONG_NAMES.get(name, name)},"{content.describe(LONG_NAMES.get(name, name))}"' for name in content.fields]
    path.with_name(f"{path.stem}_fields.csv").write_text("\n".join(names) + "\n", encoding="utf-8")
    path.with_name(f"{path.stem}_about.txt").write_text(content.about() + "\n", encoding="utf-8")
    path.with_suffix(".qml").write_text(qgis_style(content), encoding="utf-8")


def read_shapefile(path: Path) -> Content:
    """Read a Shapefile."""
    return read_ogr(path)


def write_zipped_shapefile(content: Content, path: Path, *, title: str) -> None:
    """Write the parts of a Shapefile into one zip file."""
    with scratch() as folder, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        write_shapefile(content, folder / f"{title}.shp", title=title)
        for part in sorted(folder.iterdir()):
            archive.write(part, part.name)


def read_zipped_shapefile(path: Path) -> Content:
    """Read the Shapefile in a zip file."""
    with scratch() as folder:
        with zipfile.ZipFile(path) as archive:
            archive.extractall(folder)
        return read_ogr(next(folder.glob("*.shp")))


def write_parquet(content: Content, path: Path, *, title: str) -> None:
    """Write a GeoParquet 1.1 file (WKB, zstd) with the box of each feature, by which readers pass over what they do not need.

    How the layer was made is in the table's attributes.
    """
    frame = gpd.GeoDataFrame(content.fields, geometry=content.geometry, crs=content.crs)
    frame.attrs = {"title": title, "about": content.about(), "made": json.loads(dump_json(content.made))}
    frame.to_parquet(path, index=False, compression="zstd", schema_version="1.1.0", write_covering_bbox=True)


def read_parquet(path: Path) -> Content:
    """Read a GeoParquet file."""
    frame = gpd.read_parquet(path)
    return Content(pd.DataFrame(frame.drop(columns="geometry")), frame.geometry.to_numpy(), frame.crs)
