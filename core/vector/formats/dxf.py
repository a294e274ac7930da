"""DXF, release 12, for CAD: each ring a closed polyline on the layer of its class, in the class's colour; lines are open polylines.

A DXF of that release knows no holes, no fields and no CRS: a hole is a ring of the same polygon, the fields that tie rings together are
extended data of the polyline (1000 to 1071, application GROUNDLINE), and the CRS is in a comment.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
import shapely
from pyproj import CRS

from core.vector.formats.content import Content
from core.vector.formats.styles import class_colours

APPLICATION = "GROUNDLINE"
FIELDS = ("id", "class_id", "class_name")
_NO_CRS = ("pixels", "unnamed units")
# The standard colours 10 to 249 are 24 hues in five brightnesses, each pure and half mixed with white; 1 to 9 are not needed.
_BRIGHTNESS = (255, 189, 129, 104, 79)


def write_dxf(content: Content, path: Path, *, title: str) -> None:
    """Write the polygons' rings, and layers named and coloured like the classes."""
    colours = class_colours(content)
    layers = layer_names(list(colours))
    crs = (
        _NO_CRS[content.unnamed]
        if content.crs is None
        else f"EPSG:{content.crs.to_epsg()}"
        if content.crs.to_epsg()
        else content.crs.to_wkt(pretty=False)
    )
    with path.open("w", encoding="ascii", newline="\r\n") as file:
        file.write(_codes((999, _ascii(f"{title}. {content.about()}")), (999, f"CRS {_ascii(crs)}")))
        file.write(_codes((0, "SECTION"), (2, "HEADER"), (9, "$ACADVER"), (1, "AC1009"), *_extent(content.geometry), (0, "ENDSEC")))
        file.write(_codes((0, "SECTION"), (2, "TABLES"), (0, "TABLE"), (2, "LAYER"), (70, len(layers))))
        for name, colour in colours.items():
            file.write(_codes((0, "LAYER"), (2, layers[name]), (70, 0), (62, colour_number(colour)), (6, "CONTINUOUS")))
        file.write(_codes((0, "ENDTAB"), (0, "TABLE"), (2, "APPID"), (70, 1), (0, "APPID"), (2, APPLICATION), (70, 0), (0, "ENDTAB")))
        file.write(_codes((0, "ENDSEC"), (0, "SECTION"), (2, "ENTITIES")))
        fields = content.fields
        for one, class_id, name, shape in zip(fields["id"], fields["class_id"], fields["class_name"], content.geometry, strict=True):
            data = ((1001, APPLICATION), (1000, _ascii(name)), (1071, int(one)), (1071, int(class_id)))
            for part, piece in enumerate(shapely.get_parts(shape)):
                more = (*data, (1071, part))
                if content.lines:
                    file.write(_polyline(shapely.get_coordinates(piece), layers[name], more, closed=False))
                    continue
                for ring in (piece.exterior, *piece.interiors):
                    file.write(_polyline(shapely.get_coordinates(ring)[:-1], layers[name], more, closed=True))
        file.write(_codes((0, "ENDSEC"), (0, "EOF")))


def _codes(*pairs: tuple[int, object]) -> str:
    return "".join(f"{code:>3}\n{value}\n" for code, value in pairs)


def _polyline(points: np.ndarray, layer: str, data: tuple[tuple[int, object], ...], *, closed: bool) -> str:
    head = _codes((0, "POLYLINE"), (8, layer), (66, 1), (10, 0.0), (20, 0.0), (30, 0.0), (70, int(closed)), *data)
    corners = "".join(f"  0\nVERTEX\n  8\n{layer}\n 10\n{x!r}\n 20\n{y!r}\n 30\n0.0\n" for x, y in points.tolist())
    return f"{head}{corners}{_codes((0, 'SEQEND'), (8, layer))}"


def _extent(geometry: np.ndarray) -> list[tuple[int, object]]:
    west, south, east, north = shapely.total_bounds(geometry).tolist() if len(geometry) else (0.0, 0.0, 1.0, 1.0)
    return [(9, "$EXTMIN"), (10, west), (20, south), (30, 0.0), (9, "$EXTMAX"), (10, east), (20, north), (30, 0.0)]


def layer_names(names: list[str]) -> dict[str, str]:
    """A layer name of up to 31 plain letters for each class name, no two alike."""
    found: dict[str, str] = {}
    taken: set[str] = set()
    for name in names:
        plain = re.sub(r"[^A-Za-z0-9_$-]+", "_", name)[:31] or "_"
        number, chosen = 2, plain
        while chosen.upper() in taken:
            chosen = f"{plain[: 30 - len(str(number))]}_{number}"
            number += 1
        found[name] = chosen
        taken.add(chosen.upper())
    return found


def colour_number(colour: tuple[int, int, int]) -> int:
    """The AutoCAD colour number (10 to 249, or a grey 250 to 255) nearest to a colour."""
    table = _colour_table()
    return int(table[np.argmin(((table[:, 1:] - colour) ** 2).sum(1)), 0])


@lru_cache(maxsize=1)
def _colour_table() -> np.ndarray:
    """Rows of number, red, green, blue."""
    rows = [(250 + k, *(3 * [grey])) for k, grey in enumerate((51, 91, 132, 173, 214, 255))]
    for number in range(10, 250):
        hue, shade = (number // 10 - 1) * 15, number % 10
        full, pale = _BRIGHTNESS[shade // 2], shade % 2
        wheel = [min(1.0, max(0.0, abs((hue / 60 + shift) % 6 - 3) - 1)) for shift in (0, 4, 2)]
        rows.append((number, *(round(full * (part + (1 - part) / 2 * pale)) for part in wheel)))
    return np.array(rows, float)


def _ascii(text: object) -> str:
    """One line of plain letters; others as \\U+XXXX, the way CAD programs write them."""
    return "".join(letter if " " <= letter <= "~" else "".join(_escaped(letter)) for letter in " ".join(str(text).split()))


def _escaped(letter: str) -> Iterator[str]:
    units = letter.encode("utf-16-be")
    for k in range(0, len(units), 2):
        yield f"\\U+{int.from_bytes(units[k : k + 2], 'big'):04X}"


def _text(line: str) -> str:
    raw = re.sub(r"\\U\+([0-9A-F]{4})", lambda match: chr(int(match.group(1), 16)), line)
    return raw.encode("utf-16", "surrogatepass").decode("utf-16")


def read_dxf(path: Path) -> Content:
    """Read polygons or lines as `write_dxf` writes them."""
    lines = path.read_text(encoding="ascii").splitlines()
    crs_text, records, ring = _NO_CRS[0], [], None
    for code, value in zip((int(line) for line in lines[::2]), lines[1::2], strict=True):
        if code == 999 and value.startswith("CRS "):
            crs_text = value[4:]
        elif code == 0:
            if value == "POLYLINE":
                ring = {"names": [], "numbers": [], "x": [], "y": [], "closed": True}
                records.append(ring)
            vertex = value == "VERTEX"
        elif ring is not None and code in (10, 20) and vertex:
            ring["x" if code == 10 else "y"].append(float(value))
        elif ring is not None and code == 70 and not vertex:
            ring["closed"] = value.strip() == "1"
        elif ring is not None and code == 1000:
            ring["names"].append(_text(value))
        elif ring is not None and code == 1071:
            ring["numbers"].append(int(value))
    return Content(*_shapes(records), None if crs_text in _NO_CRS else CRS.from_user_input(_text(crs_text)))


def _shapes(records: list[dict]) -> tuple[pd.DataFrame, np.ndarray]:
    """Fields and geometries of rings and lines in the order of the file: the first ring of each part is its outer one."""
    rows, shapes, parts = [], [], []
    for record in records:
        one, class_id, part = record["numbers"]
        ring = np.column_stack([record["x"], record["y"]])
        if not rows or rows[-1][0] != one:
            rows.append((one, class_id, record["names"][0]))
            parts.append([])
        if part == len(parts[-1]):
            parts[-1].append([])
        parts[-1][part].append(ring)
    closed = all(record["closed"] for record in records)
    for group in parts:
        pieces = [shapely.Polygon(rings[0], rings[1:]) if closed else shapely.LineString(rings[0]) for rings in group]
        several = shapely.MultiPolygon if closed else shapely.MultiLineString
        shapes.append(pieces[0] if len(pieces) == 1 else several(pieces))
    return pd.DataFrame(rows, columns=list(FIELDS)), np.array(shapes, object)
