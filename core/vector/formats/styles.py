"""The classes' colours as a QGIS style."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from core.files import replacing
from core.vector.formats.content import Content, content_of
from core.vector.layer import LEGEND, LineLayer, PolygonLayer

DOCTYPE = "<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>\n"
MOST_CATEGORIES = 1000
OTHERS = (155, 155, 155)


def class_colours(content: Content) -> dict[str, tuple[int, int, int]]:
    """Name and colour of each class that the content holds, in the order of its legend, else in that of the class ids."""
    present = content.fields[["class_id", "class_name"]].drop_duplicates().sort_values("class_id")
    colours = {row.class_name: content.scheme.colours[row.class_id] for row in present.itertuples()}
    return {name: colours[name] for name in in_legend(colours, content.made)}


def in_legend(names: Iterable[str], made: Mapping[str, Any]) -> list[str]:
    """Names of classes in the order of a layer's legend; what it does not name comes after, as it was."""
    places = {name: place for place, name in enumerate(made.get(LEGEND) or ())}
    return sorted(names, key=lambda name: places.get(name, len(places)))


def write_style(layer: PolygonLayer | LineLayer, path: str | os.PathLike, *, title: str) -> Path:
    """Write the style of a layer as a file of its own, which QGIS loads into any layer with a field class_name."""
    with replacing(path) as temporary:
        temporary.write_text(qgis_style(content_of(layer, ".qml", crs=None, lonlat=False)), encoding="utf-8")
    return Path(path)


def qgis_style(content: Content) -> str:
    """A QGIS style (.qml) that paints each class in its colour, by the field class_name; lines are drawn in it.

    Beyond `MOST_CATEGORIES` classes the others share a grey: QGIS takes minutes to list more.
    """
    root = ET.Element("qgis", version="3.28", styleCategories="Symbology")
    root.append(qgis_renderer(content))
    ET.SubElement(root, "layerGeometryType").text = "1" if content.lines else "2"
    return DOCTYPE + ET.tostring(root, encoding="unicode")


def qgis_renderer(content: Content) -> ET.Element:
    """The part of a style that paints, which projects hold too."""
    renderer = ET.Element("renderer-v2", type="categorizedSymbol", attr="class_name", symbollevels="0", enableorderby="0")
    categories = ET.SubElement(renderer, "categories")
    symbols = ET.SubElement(renderer, "symbols")
    painted = list(class_colours(content).items())
    labelled = [(name, name, colour) for name, colour in painted[:MOST_CATEGORIES]]
    # The empty value stands for all others.
    labelled += [("", "Other classes", OTHERS)] if len(painted) > MOST_CATEGORIES else []
    for number, (value, label, colour) in enumerate(labelled):
        ET.SubElement(categories, "category", value=value, label=label, symbol=str(number), render="true")
        kind, alpha = ("line", "1") if content.lines else ("fill", "0.65")
        symbol = ET.SubElement(symbols, "symbol", type=kind, name=str(number), alpha=alpha, clip_to_extent="1", force_rhr="0")
        drawn = ET.SubElement(symbol, "layer", {"class": f"Simple{kind.title()}", "enabled": "1", "locked": "0", "pass": "0"})
        options = ET.SubElement(drawn, "Option", type="Map")
        for key, text in (_line if content.lines else _fill)(colour):
            ET.SubElement(options, "Option", type="QString", name=key, value=text)
    return renderer


def _fill(colour: tuple[int, int, int]) -> list[tuple[str, str]]:
    outline = [("outline_color", f"{_dark(colour)},255"), ("outline_style", "solid"), ("outline_width", "0.2")]
    return [("color", f"{_words(colour)},255"), ("style", "solid"), *outline, ("outline_width_unit", "MM")]


def _line(colour: tuple[int, int, int]) -> list[tuple[str, str]]:
    return [("line_color", f"{_dark(colour)},255"), ("line_style", "solid"), ("line_width", "0.5"), ("line_width_unit", "MM")]


def _dark(colour: tuple[int, int, int]) -> str:
    return _words(round(0.6 * part) for part in colour)


def _words(colour) -> str:
    return ",".join(map(str, colour))
