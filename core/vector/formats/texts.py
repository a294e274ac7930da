"""Text formats: GeoJSON, CSV with WKT, and KML."""

from __future__ import annotations

import json
from html import escape as html_text
from pathlib import Path
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape, quoteattr

import numpy as np
import pandas as pd
import shapely
from pyproj import CRS

from core.files import dump_json
from core.plain import frame_in_table, frame_out_of_table
from core.projecting import LONLAT
from core.vector.formats.content import MAY_BE_UNKNOWN, Content
from core.vector.formats.styles import class_colours

KML = "{http://www.opengis.net/kml/2.2}"
PIXELS, UNNAMED = "pixels", "unnamed units"
"""What files without a CRS say of their coordinates."""


def plain_rows(fields: pd.DataFrame) -> list[dict]:
    """The fields as plain Python values, one dict for each row; NaN becomes None."""
    plain = {name: [None if v != v else v for v in column.tolist()] for name, column in fields.items()}
    return [dict(zip(plain, values, strict=True)) for values in zip(*plain.values(), strict=True)]


def write_geojson(content: Content, path: Path, *, title: str) -> None:
    """Write RFC 7946 GeoJSON: longitude and latitude, outer rings counterclockwise. Without CRS coordinates are pixels, or those of a
    transform in units that nobody named, and a member says so."""
    geometry = shapely.orient_polygons(content.geometry)
    head = {"type": "FeatureCollection", "name": title, "description": content.about(), "made": content.made}
    if content.crs is None:
        head["coordinates"] = UNNAMED if content.unnamed else PIXELS
    with path.open("w", encoding="utf-8") as file:
        file.write(dump_json(head)[:-1] + ', "features": [')
        for number, (row, shape) in enumerate(zip(plain_rows(content.fields), shapely.to_geojson(geometry), strict=True)):
            properties = json.dumps(row, ensure_ascii=False, allow_nan=False)
            file.write(
                f'{"," if number else ""}\n{{"type": "Feature", "id": {row["id"]}, "properties": {properties}, "geometry": {shape}}}'
            )
        file.write("\n]}\n")


def read_geojson(path: Path) -> Content:
    """Read GeoJSON as `write_geojson` writes it."""
    value = json.loads(path.read_text(encoding="utf-8"))
    rows = [feature["properties"] for feature in value["features"]]
    geometry = shapely.from_geojson([json.dumps(feature["geometry"]) for feature in value["features"]])
    crs = None if value.get("coordinates") in (PIXELS, UNNAMED) else LONLAT
    return Content(pd.DataFrame(rows), np.asarray(geometry, object), crs)


def write_csv(content: Content, path: Path, *, title: str) -> None:
    """Write a CSV table with the columns of the layer, then crs, then WKT; names that a spreadsheet would compute are kept from it."""
    table = frame_in_table(content.fields).assign(crs=_crs_text(content), WKT=shapely.to_wkt(content.geometry, rounding_precision=-1))
    table.to_csv(path, index=False, encoding="utf-8", lineterminator="\r\n")


def read_csv(path: Path) -> Content:
    """Read a CSV table as `write_csv` writes it."""
    table = pd.read_csv(path, encoding="utf-8", keep_default_na=False, na_values={name: [""] for name in MAY_BE_UNKNOWN})
    geometry = np.asarray(shapely.from_wkt(table["WKT"].to_numpy(object)), object)
    text = table["crs"].iloc[0] if len(table) else None
    crs = None if text in (None, PIXELS, UNNAMED) else CRS.from_user_input(text)
    return Content(frame_out_of_table(table.drop(columns=["crs", "WKT"])), geometry, crs)


def _crs_text(content: Content) -> str:
    crs = content.crs
    if crs is None:
        return UNNAMED if content.unnamed else PIXELS
    return f"EPSG:{crs.to_epsg()}" if crs.to_epsg() else crs.to_wkt()


def write_kml(content: Content, path: Path, *, title: str) -> None:
    """Write KML 2.2: a style for each class, and the fields as typed data under their own names. A description is read as HTML."""
    types = {name: _kml_type(column) for name, column in content.fields.items()}
    geometry = shapely.orient_polygons(content.geometry)
    with path.open("w", encoding="utf-8") as file:
        file.write(f'<?xml version="1.0" encoding="UTF-8"?>\n<kml xmlns="{KML[1:-1]}"><Document id="layer"><name>{escape(title)}</name>')
        file.write(f"<description>{escape(html_text(content.about(), quote=False))}</description>\n")
        colours = class_colours(content)
        numbers = {name: number for number, name in enumerate(colours)}
        for name, (red, green, blue) in colours.items():
            fill = f"{blue:02x}{green:02x}{red:02x}"
            file.write(
                f'<Style id="class{numbers[name]}"><LineStyle><color>ff{fill}</color><width>1</width></LineStyle>'
                f"<PolyStyle><color>a6{fill}</color></PolyStyle></Style>\n"
            )
        file.write('<Schema name="shapes" id="shapes">')
        file.writelines(f"<SimpleField type={quoteattr(kind)} name={quoteattr(name)}/>" for name, kind in types.items())
        file.write("</Schema>\n")
        for row, shape in zip(plain_rows(content.fields), geometry, strict=True):
            data = "".join(
                f"<SimpleData name={quoteattr(name)}>{escape(_kml_value(value))}</SimpleData>"
                for name, value in row.items()
                if value is not None
            )
            file.write(
                f'<Placemark id="p{row["id"]}"><name>{escape(row["class_name"])} {row["id"]}</name>'
                f"<styleUrl>#class{numbers[row['class_name']]}</styleUrl>"
                f'<ExtendedData><SchemaData schemaUrl="#shapes">{data}</SchemaData></ExtendedData>{_kml_shape(shape)}</Placemark>\n'
            )
        file.write("</Document></kml>\n")


def _kml_type(column: pd.Series) -> str:
    return {"b": "bool", "i": "int", "u": "int", "f": "double"}.get(column.dtype.kind, "string")


def _kml_value(value: object) -> str:
    return str(int(value)) if isinstance(value, bool) else (repr(value) if isinstance(value, float) else str(value))


def _kml_shape(shape) -> str:
    if shape.geom_type == "LineString":
        return f"<LineString><coordinates>{_kml_points(shape)}</coordinates></LineString>"
    if shape.geom_type.startswith("Multi"):
        return f"<MultiGeometry>{''.join(_kml_shape(part) for part in shape.geoms)}</MultiGeometry>"
    rings = [("outerBoundaryIs", shape.exterior)] + [("innerBoundaryIs", ring) for ring in shape.interiors]
    return (
        "<Polygon>"
        + "".join(f"<{tag}><LinearRing><coordinates>{_kml_points(ring)}</coordinates></LinearRing></{tag}>" for tag, ring in rings)
        + "</Polygon>"
    )


def _kml_points(ring) -> str:
    return " ".join(f"{x!r},{y!r}" for x, y in shapely.get_coordinates(ring).tolist())


def read_kml(path: Path) -> Content:
    """Read KML as `write_kml` writes it."""
    types: dict[str, str] = {}
    rows, shapes = [], []
    for _, element in ET.iterparse(path):
        if element.tag == f"{KML}SimpleField":
            types[element.get("name")] = element.get("type")
        elif element.tag == f"{KML}Placemark":
            found = {data.get("name"): data.text or "" for data in element.iter(f"{KML}SimpleData")}
            rows.append([found.get(name) for name in types])
            lines = [shapely.LineString(_read_points(line)) for line in element.iter(f"{KML}LineString")]
            parts = lines or [_read_polygon(polygon) for polygon in element.iter(f"{KML}Polygon")]
            shapes.append(parts[0] if len(parts) == 1 else shapely.MultiLineString(lines) if lines else shapely.MultiPolygon(parts))
            element.clear()
    fields = pd.DataFrame(rows, columns=list(types))
    numeric = {name: float if kind == "double" else np.int64 for name, kind in types.items() if kind != "string"}
    return Content(fields.astype(numeric), np.array(shapes, object), LONLAT)


def _read_polygon(element: ET.Element) -> shapely.Polygon:
    rings = [_read_points(ring) for ring in element.iter(f"{KML}LinearRing")]
    return shapely.Polygon(rings[0], rings[1:])


def _read_points(element: ET.Element) -> list[tuple[float, ...]]:
    return [tuple(float(v) for v in point.split(",")[:2]) for point in element.find(f"{KML}coordinates").text.split()]
