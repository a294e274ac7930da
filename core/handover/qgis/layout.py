"""The map to print in a QGIS project: title, map, legend, scale bar, north arrow and where it comes from, on an A4 page."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from xml.etree import ElementTree as ET

PAGE_MM = (297.0, 210.0)
MARGIN_MM = 10.0
TITLE_MM, FOOT_MM, SIDE_MM = 12.0, 12.0, 62.0
"""Height of the title, height of what stands below the map, and width of the legend."""
_MAP_SHARE = 0.25
"""How long the scale bar may be, as a share of the map's width."""
_TYPES = {"page": 65638, "map": 65639, "picture": 65640, "label": 65641, "legend": 65642, "scale bar": 65646}
"""The numbers by which QGIS knows the kinds of things on a page."""
_NORTH = ":/images/north_arrows/layout_default_north_arrow.svg"
_INK = "0,0,0,255"
_ROUND = (1, 2, 2.5, 5)
_MOST_RATIO = 4.0
"""How much longer than broad a map on the page may be."""
Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class PageContent:
    """What a page shows: the `extent` (xmin, ymin, xmax, ymax) of the map in its units, and the layers of the legend.

    metres: of one unit of x, None where x and y are pixels. placed: whether up is north.
    """

    title: str
    extent: Box
    legend: tuple[tuple[str, str], ...]
    words: str
    metres: float | None
    placed: bool


def layout(shown: PageContent) -> ET.Element:
    """The page, as a project's file holds it."""
    width, height = PAGE_MM
    page = ET.Element("Layout", name="Map", units="mm", printResolution="300", worldFileMap="")
    pages = ET.SubElement(page, "PageCollection")
    # Without a symbol of its own a page has no paper.
    pages.append(_fill("", "255,255,255,255"))
    paper = _item(pages, "page", (0, 0, width, height), background=True)
    paper.append(_fill("", "255,255,255,255"))
    top = MARGIN_MM + TITLE_MM
    room = (MARGIN_MM, top, width - 3 * MARGIN_MM - SIDE_MM, height - top - FOOT_MM - MARGIN_MM)
    box = boxed(room, shown.extent)
    extent = fitted(shown.extent, box[2] / box[3])
    right = width - MARGIN_MM - SIDE_MM
    map_id = "{" + str(uuid.uuid5(uuid.NAMESPACE_OID, shown.title)) + "}"
    drawn = _item(page, "map", box, frame=True, background=True, uuid=map_id, id="Map", keepLayerSet="false", drawCanvasItems="true")
    ET.SubElement(drawn, "Extent", dict(zip(("xmin", "ymin", "xmax", "ymax"), (f"{value:.12g}" for value in extent), strict=True)))
    ET.SubElement(drawn, "LayerSet")
    _label(page, shown.title, (MARGIN_MM, MARGIN_MM - 2, width - 2 * MARGIN_MM, TITLE_MM), points=18, name="Title")
    _label(page, shown.words, (MARGIN_MM, height - FOOT_MM - MARGIN_MM + 2, width - 2 * MARGIN_MM, FOOT_MM), points=7, name="Attribution")
    legend = _item(page, "legend", (right, top, SIDE_MM, 60), background=True, id="Legend", title="", map_uuid=map_id, resizeToContents="1")
    legend.attrib |= {"symbolWidth": "6", "symbolHeight": "4", "lineSpacing": "1", "boxSpace": "1", "columnCount": "1", "wrapString": ""}
    styles = ET.SubElement(legend, "styles")
    for name, points in (("title", 12), ("group", 11), ("subgroup", 10), ("symbol", 9), ("symbolLabel", 9)):
        ET.SubElement(ET.SubElement(styles, "style", name=name, marginTop="2", marginLeft="2"), "styleFont", description=_font(points))
    tree = ET.SubElement(legend, "layer-tree-group")
    for layer_id, title in shown.legend:
        ET.SubElement(tree, "layer-tree-layer", id=layer_id, name=title, checked="Qt::Checked", expanded="1")
    if shown.placed:
        _item(page, "picture", (right, height - FOOT_MM - MARGIN_MM - 38, 14, 18), id="North", file=_NORTH, mapUuid=map_id, northMode="0")
    _scale_bar(page, shown, map_id, (right, height - FOOT_MM - MARGIN_MM - 16), (extent[2] - extent[0]) / box[2])
    return page


def boxed(room: Box, extent: Box) -> Box:
    """The part (x, y, width, height) of a room on the page that has the shape of an extent; of a strip it keeps some breadth."""
    x, y, width, height = room
    ratio = (extent[2] - extent[0]) / max(extent[3] - extent[1], 1e-9)
    ratio = min(_MOST_RATIO, max(1 / _MOST_RATIO, ratio))
    return (x, y, width, width / ratio) if ratio > width / height else (x, y, height * ratio, height)


def fitted(extent: Box, ratio: float) -> Box:
    """The extent widened about its middle until width to height is `ratio`: a map that QGIS need not change."""
    west, south, east, north = extent
    width, height = max(east - west, 1e-9), max(north - south, 1e-9)
    wide, high = max(width, height * ratio), max(height, width / ratio)
    x, y = (west + east) / 2, (south + north) / 2
    return x - wide / 2, y - high / 2, x + wide / 2, y + high / 2


def _scale_bar(page: ET.Element, shown: PageContent, map_id: str, at: tuple[float, float], per_mm: float) -> None:
    """Two parts of a round length; `per_mm` are units of the map in a millimetre of paper."""
    metres = shown.metres or 1.0
    most = SIDE_MM * _MAP_SHARE * per_mm * metres
    length, unit = rounded_down(most), "px"
    shows = 1.0
    if shown.metres is not None:
        unit, shows = ("km", 1000.0) if length >= 1000 else ("m", 1.0)
    kind = {"px": "unknown", "m": "meters", "km": "km"}[unit]
    bar = _item(page, "scale bar", (*at, SIDE_MM, 12), id="Scale bar", mapUuid=map_id, style="Single Box", unitLabel=unit, unitType=kind)
    bar.attrib |= {"numSegments": "2", "numSegmentsLeft": "0", "numUnitsPerSegment": f"{length / shows:g}", "height": "2"}
    bar.attrib |= {"numMapUnitsPerScaleBarUnit": "1", "segmentSizeMode": "0", "segmentMillimeters": f"{length / metres / per_mm:g}"}
    bar.attrib |= {"labelBarSpace": "2", "boxContentSpace": "1", "outlineWidth": "0.3", "alignment": "0", "maxBarWidth": "60"}
    ET.SubElement(bar, "text-style", fontFamily="Sans", fontSize="9", fontSizeUnit="Point", textColor=_INK, textOpacity="1")
    for number, colour in ((1, _INK), (2, "255,255,255,255")):
        ET.SubElement(bar, f"fillSymbol{number}").append(_fill("", colour))


def rounded_down(most: float) -> float:
    """The largest round number that is at most `most`: 1, 2, 2.5 or 5 times a power of ten."""
    power = 10.0
    while power > most:
        power /= 10
    while power * 10 <= most:
        power *= 10
    return max(step * power for step in _ROUND if step * power <= most)


def _item(above: ET.Element, kind: str, box: Box, *, frame: bool = False, background: bool = False, **more: str):
    x, y, width, height = (f"{value:g}" for value in box)
    place = {"position": f"{x},{y},mm", "positionOnPage": f"{x},{y},mm", "size": f"{width},{height},mm", "referencePoint": "0"}
    looks = {
        "frame": str(frame).lower(),
        "background": str(background).lower(),
        "opacity": "1",
        "visibility": "1",
        "zValue": str(len(above)),
    }
    item = ET.SubElement(above, "LayoutItem", {"type": str(_TYPES[kind]), **place, **looks, "outlineWidthM": "0.3,mm", **more})
    ET.SubElement(item, "FrameColor", red="93", green="104", blue="117", alpha="255")
    ET.SubElement(item, "BackgroundColor", red="255", green="255", blue="255", alpha="255")
    return item


def _label(page: ET.Element, text: str, box: Box, *, points: int, name: str) -> None:
    label = _item(page, "label", box, id=name, labelText=text, htmlState="0", halign="1", valign="128", marginX="0", marginY="0")
    ET.SubElement(label, "LabelFont", description=_font(points))
    ET.SubElement(label, "FontColor", red="29", green="39", blue="51", alpha="255")


def _font(points: int) -> str:
    return f"Sans,{points},-1,5,50,0,0,0,0,0"


def _fill(name: str, colour: str) -> ET.Element:
    symbol = ET.Element("symbol", type="fill", name=name, alpha="1", clip_to_extent="1", force_rhr="0")
    options = ET.SubElement(ET.SubElement(symbol, "layer", {"class": "SimpleFill", "enabled": "1", "locked": "0", "pass": "0"}), "Option")
    options.set("type", "Map")
    for key, value in (("color", colour), ("style", "solid"), ("outline_style", "no")):
        ET.SubElement(options, "Option", type="QString", name=key, value=value)
    return symbol
