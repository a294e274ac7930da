"""How rasters look in QGIS: classes in their colours with names, a confidence in grey, a scene as the pages show it."""

from __future__ import annotations

import math
from xml.etree import ElementTree as ET

from rasterio.enums import ColorInterp
from rasterio.io import DatasetReader

from core.classes import ClassScheme
from core.scenes.display import default_rgb, stretch_limits
from core.scenes.scene import Scene
from core.vector.formats.styles import MOST_CATEGORIES

_SAMPLE_PX = 1024
_CUTS = (2.0, 98.0)
"""Percentiles between which anything but bytes is stretched, as on the pages."""


def classes_renderer(scheme: ClassScheme, order: list[str]) -> ET.Element:
    """Each class id in its colour, with its name in the legend; `order` is that of the legend, of which `MOST_CATEGORIES` are listed."""
    renderer = _renderer("paletted", band="1")
    palette = ET.SubElement(renderer, "colorPalette")
    ids = {name: class_id for class_id, name in enumerate(scheme.names)}
    for name in order[:MOST_CATEGORIES]:
        ET.SubElement(palette, "paletteEntry", value=str(ids[name]), color=scheme.hex(ids[name]).lower(), label=name, alpha="255")
    return renderer


def confidence_renderer() -> ET.Element:
    """Bytes from black, not sure at all, to white, which is a confidence of 100 %."""
    renderer = _renderer("singlebandpseudocolor", band="1", classificationMin="0", classificationMax="255")
    shader = ET.SubElement(ET.SubElement(renderer, "rastershader"), "colorrampshader")
    shader.attrib |= {"colorRampType": "INTERPOLATED", "classificationMode": "1", "minimumValue": "0", "maximumValue": "255", "clip": "0"}
    for percent in (0, 25, 50, 75, 100):
        value = 255 * percent / 100
        grey = f"#{round(value):02x}" + f"{round(value):02x}" * 2
        ET.SubElement(shader, "item", value=f"{value:g}", color=grey, label=f"{percent} %", alpha="255")
    return renderer


def scene_renderer(scene: Scene, opened: DatasetReader) -> ET.Element:
    """The bands of a picture that the pages show, bytes as they are and anything else stretched between its percentiles.

    opened: the file of the scene, whose bands count transparency too.
    """
    kinds = opened.colorinterp
    if kinds[0] == ColorInterp.palette:
        return _palette(opened)
    data = [band for band, kind in enumerate(kinds, 1) if kind != ColorInterp.alpha]
    shown = default_rgb(scene)
    transparency = [band for band, kind in enumerate(kinds, 1) if kind == ColorInterp.alpha]
    alpha = str(transparency[0]) if transparency else "-1"
    sides = _limits(scene, shown)
    if len(shown) == 1:
        renderer = _renderer("singlebandgray", alpha, grayBand=str(data[0]), gradient="BlackToWhite")
        _enhance(renderer, "contrastEnhancement", sides[0])
        return renderer
    colours = ("red", "green", "blue")
    bands = {f"{colour}Band": str(data[band - 1]) for colour, band in zip(colours, shown, strict=True)}
    renderer = _renderer("multibandcolor", alpha, **bands)
    for colour, side in zip(colours, sides, strict=True):
        _enhance(renderer, f"{colour}ContrastEnhancement", side)
    return renderer


def _limits(scene: Scene, bands: tuple[int, ...]) -> list[tuple[float, float] | None]:
    """Low and high value of each band that is shown; None for bytes, which are shown as they are."""
    if scene.dtype == "uint8":
        return [None] * len(bands)
    factor = max(1.0, max(scene.height, scene.width) / _SAMPLE_PX)
    shape = max(1, math.ceil(scene.height / factor)), max(1, math.ceil(scene.width / factor))
    low, high = stretch_limits(scene.read(None, bands, out_shape=shape), scene.valid(None, out_shape=shape), _CUTS)
    return [(float(a), float(b)) for a, b in zip(low, high, strict=True)]


def _palette(opened: DatasetReader) -> ET.Element:
    renderer = _renderer("paletted", band="1")
    palette = ET.SubElement(renderer, "colorPalette")
    for value, (red, green, blue, alpha) in opened.colormap(1).items():
        colour = f"#{red:02x}{green:02x}{blue:02x}"
        ET.SubElement(palette, "paletteEntry", value=str(value), color=colour, label=str(value), alpha=str(alpha))
    return renderer


def _enhance(renderer: ET.Element, name: str, side: tuple[float, float] | None) -> None:
    if side is None:
        return
    inside = ET.SubElement(renderer, name)
    for key, value in zip(("minValue", "maxValue"), side, strict=True):
        ET.SubElement(inside, key).text = f"{value:.10g}"
    ET.SubElement(inside, "algorithm").text = "StretchToMinimumMaximum"


def _renderer(kind: str, alpha: str = "-1", **more: str) -> ET.Element:
    return ET.Element("rasterrenderer", {"type": kind, "opacity": "1", "alphaBand": alpha, "nodataColor": "", **more})
