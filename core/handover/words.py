"""The README of a folder to hand over: which file is for whom, what the classes are, and what was done, in plain words."""

from __future__ import annotations

from collections.abc import Mapping

from core.vector.clip import class_sums
from core.vector.formats.styles import in_legend
from core.vector.layer import LineLayer, PolygonLayer
from core.words import area_words

READS = {
    "project.qgz": "Open this one in QGIS (3.22 or later): all layers with colours and notes, and a map to print (Project > Layouts).",
    "map.html": "Open this one in a browser, by a double click; it needs no network. A web server may serve the folder, too.",
    "map-tiles.js": "What map.html reads when it is opened by a double click; keep it beside it.",
    "polygons.gpkg": "The polygons as GeoPackage, for any GIS, with the style inside.",
    "polygons.qml": "The colours of the polygons, as a style for QGIS.",
    "polygons.parquet": "The same polygons as GeoParquet 1.1, for pandas, DuckDB and the like.",
    "polygons_lines.parquet": "The centre lines as GeoParquet 1.1.",
    "polygons.pmtiles": "The same polygons as vector tiles (PMTiles), for web maps.",
    "labels.tif": "The class of each pixel, as a cloud-optimized GeoTIFF: {labels}",
    "labels.tif.aux.xml": "Names and colours of the classes, for programs that look for them beside labels.tif.",
    "confidence.tif": "How sure the model was of each pixel, 255 for 100 %, as a cloud-optimized GeoTIFF.",
    "scene.tif": "The picture itself, as a cloud-optimized GeoTIFF.",
    "report.html": "Open this one in a browser: map, areas, scores and settings on one page, to print or to send.",
    "item.json": "The result as an item of a STAC catalogue.",
    "collection.json": "The STAC collection of that item.",
    "manifest.json": "Every file with its size and SHA-256, to see that nothing was lost or changed on the way.",
}
"""What each file is for; a folder holds those that its result has."""
RAW_LABELS = "the model's own answer, before small areas were merged, borders simplified or anything corrected by hand. The polygons count."


def readme(layer: PolygonLayer, files: list[str], *, title: str, lines: LineLayer | None, notes: list[str], told: Mapping[str, str]) -> str:
    """The text, in Markdown that reads well as it is. `told` are lines of provenance by their headings; empty ones are left out."""
    sums = class_sums(layer).set_index("class_name")
    rows = [
        f"- {name}: {sums['polygons'][name]:,} polygons, {area_words(float(sums['area'][name]), layer.units)}"
        for name in in_legend((name for name in layer.scheme.names if name in sums.index), layer.made)
    ]
    if lines is not None:
        rows.append(f"- Centre lines: {len(lines.frame):,}")
    reads = [f"- `{name}`: {READS[name].format(labels=RAW_LABELS)}" for name in READS if name in files]
    made = [f"- {heading}: {text}" for heading, text in told.items() if text]
    parts = [
        f"# {title}",
        "A map made from a picture by a network that was trained for it. Keep the files of this folder together; the folder may be moved "
        "and renamed.",
        "## Which file is for what",
        "\n".join(reads),
        "## What is on the map",
        "\n".join(rows),
        "## How it was made",
        "\n".join(made),
    ]
    parts += ["## Worth knowing", "\n".join(f"- {note}" for note in notes)] if notes else []
    return "\n\n".join(parts) + "\n"
