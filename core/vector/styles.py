"""The classes' colours as a QGIS style."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from core.vector.content import Content


def class_colours(content: Content) -> dict[str, tuple[int, int, int]]:
    """Name and colour of each class that the content holds, in the order of the class ids."""
    present = content.fields[["class_id", "class_name"]].drop_duplicates().sort_values("class_id")
    return {row.class_name: content.scheme.colours[row.class_id] for row in present.itertuples()}


def qgis_style(content: Content) -> str:
    """A QGIS style (.qml) that paints each class in its colour, by the field class_name."""
    root = ET.Element("qgis", version="3.28", styleCategories="Symbology")
    renderer = ET.SubElement(root, "renderer-v2", type="categorizedSymbol", attr="class_name", symbollevels="0", enableorderby="0")
    categories = ET.SubElement(renderer, "categories")
    symbols = ET.SubElement(renderer, "symbols")
    for number, (name, colour) in enumerate(class_colours(content).items()):
        ET.SubElement(categories, "category", value=name, label=name, symbol=str(number), render="true")
        symbol = ET.SubElement(symbols, "symbol", type="fill", name=str(number), alpha="0.65", clip_to_extent="1", force_rhr="0")
        drawn = ET.SubElement(symbol, "layer", {"class": "SimpleFill", "enabled": "1", "locked": "0", "pass": "0"})
        options = ET.SubElement(drawn, "Option", type="Map")
        red, green, blue = colour
        dark = ",".join(str(round(0.6 * part)) for part in colour)
        for key, value in (
            ("color", f"{red},{green},{blue},255"),
            ("style", "solid"),
            ("outline_color", f"{dark},255"),
            ("outline_style", "solid"),
            ("outline_width", "0.2"),
            ("outline_width_unit", "MM"),
        ):
            ET.SubElement(options, "Option", type="QString", name=key, value=value)
    ET.SubElement(root, "layerGeometryType").text = "2"
    return "<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>\n" + ET.tostring(root, encoding="unicode")
